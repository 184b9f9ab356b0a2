"""A fourth factor: side-chain torsions are read, trained where there are any, designed, written and read back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from biotite.structure import rotate
from biotite.structure.info import residue
from omegaconf import OmegaConf

from gm_multimodal.protein.auxiliary import BackboneLosses
from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.batch import collate
from gm_multimodal.protein.blueprint import blank
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.chains import Chains, Row
from gm_multimodal.protein.checkpoint import load_checkpoint
from gm_multimodal.protein.dataset import read_chains
from gm_multimodal.protein.design import sample_block, staged
from gm_multimodal.protein.factors import side_chains
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import RESIDUES, THREE_LETTER
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.protein.structure import read_protein
from gm_multimodal.protein.tasks import Curriculum
from gm_multimodal.protein.torsions import TORSIONS, torsions_of, with_torsions
from gm_multimodal.protein.training.data import ChainData
from gm_multimodal.protein.training.module import DesignModule
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.training.build import build_network, build_product
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.optimisation import Optimisation
from gm_multimodal.training.run import fit

COUNT = dict(zip(RESIDUES, [0, 1, 2, 3, 2, 0, 2, 2, 4, 2, 3, 2, 0, 3, 4, 1, 1, 1, 2, 2], strict=True))
PARTS = {"translations": "condot", "rotations": "geodesic", "sequence": "masking"}
CIRCLE = {
    "path": {
        "_target_": "gm_multimodal.paths.geodesic.GeodesicPath",
        "space": {"_target_": "gm_multimodal.spaces.torus.Torus", "dim": 1},
    },
    "process": {"_target_": "gm_multimodal.processes.flow.Flow"},
    "parameterization": {
        "_target_": "gm_multimodal.parameterizations.tangent.TangentMixture",
        "components": 2,
    },
    "clock": {"_target_": "gm_multimodal.schedules.Linear"},
    "weight": 0.1,
    "centred": False,
}


def read(path):
    """The chain of a file, with its torsions."""
    (chain,) = read_protein(path, side_chains=True).chains
    return with_torsions(chain.backbone, chain.side_chains)


def furnished(row: Row, seed: int) -> Row:
    """A chain of the dataset, which has no side chains, with torsions drawn at random; of those that its types have."""
    drawn = np.random.default_rng(seed).uniform(-np.pi, np.pi, (len(row), 4)).astype(np.float32)
    missing = np.arange(4) >= np.array([torsions_of(int(token)) for token in row.backbone.tokens])[:, None]
    further = dict(zip(TORSIONS, np.where(missing, np.float32(np.nan), drawn).T.copy(), strict=True))
    return replace(row, backbone=replace(row.backbone, further=further))


def torsions(backbone) -> np.ndarray:
    return np.stack([backbone.further[name] for name in TORSIONS], -1)


@pytest.fixture(scope="module")
def chains(small_dataset) -> Chains:
    """Three chains: with torsions, without those of every third residue, and without any."""
    every = read_chains(small_dataset, split="train", min_length=20, max_length=60).rows[:3]
    whole, part = furnished(every[0], 0), furnished(every[1], 1)
    for name in TORSIONS:
        part.backbone.further[name][::3] = np.nan
    return Chains([whole, part, every[2]])


@pytest.fixture(scope="module")
def config(data_folder):
    """The smallest network, and a product of seven factors."""
    folder = data_folder.parent / "configs"
    network = yaml.safe_load((folder / "network/small.yaml").read_text()) | {"width": 16, "heads": 2, "layers": 1}
    part = {"_target_": "gm_multimodal.protein.torsions.TorsionPart", "width": 16, "components": 2}
    network["parts"] = [{**part, "factor": name} for name in TORSIONS]
    files = {name: folder / f"product/{name}/{kind}.yaml" for name, kind in PARTS.items()}
    product = {name: yaml.safe_load(file.read_text()) for name, file in files.items()}
    product |= dict.fromkeys(TORSIONS, CIRCLE)
    return OmegaConf.to_container(OmegaConf.create({"network": network, "product": product}), resolve=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, chains, config):
    """Ten steps, and the losses of the last one."""
    torch.manual_seed(0)
    module = DesignModule(
        build_network(config["network"], CATALOGUE),
        build_product(config["product"], CATALOGUE),
        Optimisation(warmup_steps=1),
        seed=0,
        curriculum=Curriculum(),
        auxiliary=BackboneLosses(),
        self_conditioning=0.5,
    )
    trainer = {"max_steps": 10, "accelerator": "cpu", "devices": 1, "val_check_interval": 10, "log_every_n_steps": 1}
    lengths = [int(chains.lengths.min()), int(chains.lengths.max())]
    recipe, data = Recipe(config, {"length_range": lengths, "data": "none"}), ChainData(chains, chains, 400, seed=0)
    out = tmp_path_factory.mktemp("torsions")
    released = fit(module, data, recipe, out, trainer | {"enable_progress_bar": False}, ema_decay=0.9)
    return released, {name: float(value) for name, value in module.trainer.callback_metrics.items()}


@pytest.fixture(scope="module")
def designs(trained):
    checkpoint = load_checkpoint(trained[0])
    product = staged(checkpoint.product, structure_end=0.7, sequence_start=0.3)
    arguments = {"seed": 0, "grid": UniformGrid(4), "device": torch.device("cpu"), "ideal_bonds": True}
    return sample_block(checkpoint.network, product, blueprints=[blank(30), blank(24)], indices=[0, 1], **arguments)


@pytest.mark.parametrize("letter", RESIDUES)
def test_a_residue_has_the_torsions_of_its_type_and_is_rebuilt_from_them(letter):
    """Of the chemical component dictionary itself, turned somehow: the same bonds and angles, so the same atoms."""
    atoms = residue(THREE_LETTER[RESIDUES.index(letter)])
    atoms = rotate(atoms[(atoms.element != "H") & (atoms.atom_name != "OXT")], [0.4, -1.1, 2.0])
    side = SideChain(tuple(atoms.atom_name[4:]), tuple(atoms.element[4:]), atoms.coord[4:].astype(np.float32))
    backbone = unbroken(atoms.coord[None, :4].astype(np.float32), np.array([RESIDUES.index(letter)]))
    found = with_torsions(backbone, [side])
    assert np.isfinite(torsions(found)).sum() == COUNT[letter] == torsions_of(RESIDUES.index(letter))
    placed = side_chains(found)
    assert set(placed) == ({0} if COUNT[letter] else set())
    for again in placed.values():
        assert (again.names, again.elements) == (side.names, side.elements)
        assert np.abs(again.coordinates - side.coordinates).max() < 0.01


def test_what_is_absent_is_marked_and_nothing_else_is(chains):
    batch = collate(chains, [0, 1, 2])
    for name in TORSIONS:
        for row in range(3):
            own = slice(len(chains.rows[row]))
            known = chains.rows[row].backbone.further.get(name, np.full(len(chains.rows[row]), np.nan))
            assert torch.equal(batch.absent[name][row, own], torch.from_numpy(np.isnan(known)))
            assert batch.state[name][row].isfinite().all()
    assert not set(batch.absent) - set(TORSIONS)


def test_ten_steps_learn_from_what_there_is(trained):
    losses = trained[1]
    assert all(np.isfinite(losses[f"validation/{name}"]) for name in (*PARTS, *TORSIONS))


def test_designs_are_written_and_their_torsions_read_back(designs, tmp_path):
    """To a hundredth of a degree or so: coordinates are written to a thousandth of an Angstrom."""
    for design in designs:
        path = tmp_path / f"{design.index}.pdb"
        write_structure(path, design.backbone, None, title="T", remarks=[], side_chains=design.side_chains())
        back, wanted = torsions(read(path)), torsions(design.backbone)
        assert (np.isfinite(wanted) == np.isfinite(back)).all()
        assert np.isfinite(wanted[:, 0]).sum() > len(wanted) / 3
        assert [RESIDUES[token] for token in read(path).tokens] == [RESIDUES[token] for token in design.backbone.tokens]
        error = np.abs(np.angle(np.exp(1j * (back - wanted))))
        assert np.nanmax(error) < 0.01
