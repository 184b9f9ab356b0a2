"""Motif scaffolding measured: ten motifs of held-out chains, by the method of `design` and by methods it competes with.

python scripts/motif_benchmark.py ../shared/data/chains.parquet --designs 16 --methods given replacement particles

given        the motif stands at time 1 and never moves: what `design task=motif` does
replacement  at every step the motif is put where its own noised path is at that time
particles    replacement, and at every step 4 particles of each design are drawn anew by how well they predict the motif
"""

import argparse
import dataclasses
import itertools
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from biotite.structure import superimpose

from gm_multimodal.noise import DesignNoise
from gm_multimodal.objective import means, predict
from gm_multimodal.product import Known, Product
from gm_multimodal.protein.blueprint import Blueprint, to_known
from gm_multimodal.protein.contigs import parse_contig
from gm_multimodal.protein.design import Design, sample_block
from gm_multimodal.protein.design_tasks import Motif
from gm_multimodal.protein.input_structure import InputStructure, open_structure
from gm_multimodal.protein.metrics import geometry
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import encode
from gm_multimodal.sampling.grids import UniformGrid
from gm_multimodal.training.checkpoints import Checkpoint, load_checkpoint, resolve

KINDS = {
    "helix": (r"H{14,22}", "15-30,{0},15-30", 3),
    "strand pair": (r"E{4,9}[^HE]{2,5}E{4,9}", "15-30,{0},15-30", 3),
    "helix-loop-helix": (r"H{9,16}[^HE]{2,6}H{9,16}", "10-25,{0},10-25", 2),
    "two segments": (r"(?P<a>[HE]{6,12}).{10,40}?(?P<b>[HE]{6,12})", "10-20,{0},8-25,{1},10-20", 2),
}
PARTICLES = 4
Method = Callable[..., tuple[list[Design], list[float]]]
HEAD = (
    "| method | motifs | designs | motif RMSD at output (A) | RMSD of the last prediction, median (A) | junctions: CA-CA "
    "| junctions: C-N | other bonds: CA-CA | other bonds: C-N | clash-free | CPU s per design |"
)  # bonds: share within 3.8 +- 0.1 and 1.33 +- 0.15 Angstrom


def motifs(path: Path, folder: Path) -> Iterator[tuple[str, InputStructure, str]]:
    """Yield kind, structure and contig of every motif: the first chains, in random order, that hold one.

    The chains are written into a folder, for an input is a file.
    """
    held_out = [("split", "in", ["validation", "test"]), ("globular", "==", True), ("length", "<=", 130)]
    chains = pd.read_parquet(path, columns=["id", "sequence", "coordinates", "dssp"], filters=held_out)
    rows = iter(chains.sample(frac=1, random_state=0).itertuples())
    for kind, (pattern, contig, count) in KINDS.items():
        for _ in range(count):
            for row in rows:
                if match := re.search(rf"(?<![HE])(?:{pattern})(?![HE])", row.dssp):
                    spans = [match.span(name) for name in ("a", "b")] if "a" in match.groupdict() else [match.span()]
                    coordinates = np.asarray(row.coordinates, dtype=np.float32).reshape(-1, 4, 3)
                    file = folder / f"{row.id}.pdb"
                    write_structure(file, coordinates, encode(row.sequence), None, title=row.id, remarks=[])
                    names = [f"A{a + 1}-{b}" for a, b in spans]
                    yield kind, open_structure(file), contig.format(*names)
                    break


def rmsd(found: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square deviation of atoms [..., 3] after superposition (Angstrom)."""
    fitted, _ = superimpose(wanted.reshape(-1, 3), found.reshape(-1, 3))
    return float(np.sqrt(np.mean(np.sum((fitted - wanted.reshape(-1, 3)) ** 2, -1))))


class Replacement:
    """Samples a block as `sample_block` does, but with the structure of the motif moving along its own noised path."""

    def __init__(self, particles: int) -> None:
        self.particles = particles

    def __call__(
        self,
        network: torch.nn.Module,
        product: Product,
        *,
        blueprints: list[Blueprint],
        indices: range,
        seed: int,
        grid: UniformGrid,
        device: torch.device,
    ) -> tuple[list[Design], list[float]]:
        """Return the designs and the deviation of the last prediction from the motif, in Angstrom."""
        k = self.particles
        known, context, origins = to_known([b for b in blueprints for _ in range(k)], product, device)
        motif = known.mask["translations"] & known.present
        nothing = torch.zeros_like(motif)
        free = Known(known.values, {**known.mask, "translations": nothing, "rotations": nothing}, known.present)
        uncentred = {name: dataclasses.replace(factor, centred=False) for name, factor in product.items()}
        noise = DesignNoise(seed, tuple(i * 1000 + j for i in indices for j in range(k)), device)
        prior = {name: f.prior(free, name, noise.at(-1, name)) for name, f in uncentred.items()}
        state, previous = free.overwrite(prior), None
        rng = np.random.default_rng((seed, indices[0]))
        score = torch.zeros(len(noise.designs))
        with torch.inference_mode():
            for number, (t, t_next) in enumerate(itertools.pairwise(grid.times())):
                now, then = ({n: torch.full(motif.shape, float(s)) for n in product} for s in (t, t_next))
                now, then = free.times(now), free.times(then)
                predictions = predict(network, uncentred, state, now, context, previous)
                moved = {
                    n: f.process.transition(state[n], now[n], then[n], predictions[n], noise.at(number, n))
                    for n, f in uncentred.items()
                }
                for n in ("translations", "rotations"):
                    path = uncentred[n].process.path
                    replaced = path.sample(prior[n], known.values[n], then[n], noise.at(number, n + "-motif"))
                    moved[n] = torch.where(motif[(...,) + (None,) * (moved[n].ndim - 2)], replaced, moved[n])
                state, previous = free.overwrite(moved), means(predictions)
                if k > 1:
                    miss = (predictions["translations"].mean() - known.values["translations"]).square().sum(-1)
                    fit = -(miss * motif).sum(-1) / (2 * (0.02 + (1 - t).item() ** 2))
                    chosen = self._resample((fit - score).double().numpy(), rng)
                    score = fit[chosen]
                    state = {n: x[chosen] for n, x in state.items()}
                    previous = {n: x[chosen] for n, x in previous.items()}
                    prior = {n: x[chosen] for n, x in prior.items()}
        last = previous["translations"].numpy() * 10
        designs, misses = [], []
        for row, (index, blueprint) in enumerate(zip(indices, blueprints, strict=True)):
            given, n = blueprint.structure_given, len(blueprint)
            wanted = blueprint.coordinates[given, 1]
            misses.append(rmsd(last[row * k, :n][given], wanted))
            designs.append(finished(index, blueprint, known.overwrite(state), row * k, origins[row * k]))
        return designs, misses

    def _resample(self, gains: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """Draw the particles of every design anew by their weights."""
        chosen = []
        for start in range(0, len(gains), self.particles):
            group = gains[start : start + self.particles]
            p = np.exp(group - group.max())
            chosen += [start + j for j in rng.choice(self.particles, self.particles, p=p / p.sum())]
        return torch.tensor(chosen)


def finished(index: int, blueprint: Blueprint, state: dict[str, torch.Tensor], row: int, origin: np.ndarray) -> Design:
    """Turn a row of a final state into a design."""
    from gm_multimodal.protein.design import _to_arrays

    coordinates, tokens = _to_arrays(state, row, blueprint, origin)
    return Design(index, blueprint, coordinates, tokens, np.ones(len(tokens)), ~blueprint.sequence_given, None)


def given(network: torch.nn.Module, product: Product, **settings: object) -> tuple[list[Design], list[float]]:
    """Sample as `design` does, and compare what the network says of the motif's CA atoms in its last call."""
    last: list[torch.Tensor] = []

    def watched(*call: object) -> dict[str, torch.Tensor]:
        output = network(*call)
        last[:] = [output["translations"]]
        return output

    designs = sample_block(watched, product, **settings)
    misses = []
    for row, design in enumerate(designs):
        there = design.blueprint.structure_given
        x = 10 * last[0][row, : len(there)].numpy()[there]
        misses.append(rmsd(x, design.blueprint.coordinates[there, 1]))
    return designs, misses


def figures(design: Design) -> dict[str, float]:
    """Measure one design: the motif, the bonds at its ends and the others, and clashes."""
    is_motif = design.blueprint.structure_given
    junction = np.diff(is_motif.astype(int)) != 0
    other = ~junction & ~(is_motif[1:] & is_motif[:-1])
    ca = np.abs(geometry.ca_ca_distances(design.coordinates) - 3.8) <= 0.1
    cn = np.abs(geometry.peptide_bond_lengths(design.coordinates) - 1.33) <= 0.15
    wanted = design.blueprint.coordinates[is_motif]
    return {
        "rmsd": rmsd(np.round(design.coordinates[is_motif], 3), wanted),
        "junction_ca": ca[junction].mean(),
        "junction_cn": cn[junction].mean(),
        "other_ca": ca[other].mean(),
        "other_cn": cn[other].mean(),
        "clash_free": geometry.ca_clashes(design.coordinates) == 0,
    }


def main() -> None:
    """Run the methods over the motifs and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="chains.parquet with the columns split, globular and dssp")
    parser.add_argument("--checkpoint", default="base", help="name or file")
    parser.add_argument("--designs", type=int, default=16, help="of every motif")
    parser.add_argument("--steps", type=int, default=50, help="network calls")
    parser.add_argument("--methods", nargs="+", default=["given"], choices=["given", "replacement", "particles"])
    parser.add_argument("--by-kind", action="store_true", help="also print a row for every kind of motif")
    options = parser.parse_args()
    torch.set_num_threads(1)
    processes = design_processes()
    checkpoint = load_checkpoint(resolve(options.checkpoint), processes)
    methods: dict[str, Method] = {
        "given": given,
        "replacement": Replacement(1),
        "particles": Replacement(PARTICLES),
    }
    with tempfile.TemporaryDirectory() as folder:
        cases = list(motifs(options.chains, Path(folder)))
        compare(cases, methods, checkpoint, options)


def compare(
    cases: list[tuple[str, InputStructure, str]], methods: dict[str, Method], checkpoint: Checkpoint, options: Any
) -> None:
    """Run every method over all motifs, and print its row."""
    print(f"{HEAD}\n{'|---' * 11}|", flush=True)
    for name in options.methods:
        rows = []
        for kind, structure, contig in cases:
            task = Motif(structure, parse_contig(contig, structure), seed=0)
            for start in range(0, options.designs, 4):
                indices, before = range(start, min(start + 4, options.designs)), time.process_time()
                designs, misses = methods[name](
                    checkpoint.network,
                    checkpoint.product,
                    blueprints=[task.blueprint(i) for i in indices],
                    indices=indices,
                    seed=0,
                    grid=UniformGrid(options.steps, 0.03),
                    device=torch.device("cpu"),
                )
                seconds = (time.process_time() - before) / len(indices)
                places = {"kind": kind, "motif": contig + structure.path.name, "seconds": seconds}
                rows += [figures(d) | {"miss": m} | places for d, m in zip(designs, misses, strict=True)]
        table = pd.DataFrame(rows)
        groups = [(name, table)]
        groups += [(f"{name}: {kind}", part) for kind, part in table.groupby("kind", sort=False)] * options.by_kind
        for title, part in groups:
            print_row(title, part)


def print_row(title: str, part: pd.DataFrame) -> None:
    """Print the figures of some designs as a row of Markdown."""
    m = part.drop(columns=["kind", "motif"]).mean()
    cells = [title, part.motif.nunique(), len(part), f"{part.rmsd.max():.4f}", f"{part.miss.median():.2f}"]
    shares = (m.junction_ca, m.junction_cn, m.other_ca, m.other_cn, m.clash_free)
    print(
        "| " + " | ".join(map(str, [*cells, *(f"{share:.3f}" for share in shares), f"{m.seconds:.2f}"])) + " |",
        flush=True,
    )


def design_processes() -> dict[str, object]:
    """Return the processes that `design` runs by default."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(Path(__file__).resolve().parents[1] / "configs"), version_base="1.3"):
        processes = OmegaConf.to_container(compose("design", overrides=["out=unused"]), resolve=True)
    return processes["process"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory():
        main()
