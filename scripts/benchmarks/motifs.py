"""Print what becomes of ten motifs of held-out chains: the motif itself, the bonds at its ends, and clashes.

python scripts/benchmarks/motifs.py chains.parquet --designs 16
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from biotite.structure import superimpose

from gm_multimodal.app.api import configuration
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.product import Product
from gm_multimodal.protein.backbone import unbroken
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.contigs import parse_contig
from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.design import Design, sample_block
from gm_multimodal.protein.design_tasks import Motif
from gm_multimodal.protein.input_structure import InputStructure, read_input
from gm_multimodal.protein.metrics import geometry
from gm_multimodal.protein.output import write_structure
from gm_multimodal.protein.residues import encode
from gm_multimodal.sampling.grids import UniformGrid

KINDS = {
    "helix": (r"H{14,22}", "15-30,{0},15-30", 3),
    "strand pair": (r"E{4,9}[^HE]{2,5}E{4,9}", "15-30,{0},15-30", 3),
    "helix-loop-helix": (r"H{9,16}[^HE]{2,6}H{9,16}", "10-25,{0},10-25", 2),
    "two segments": (r"(?P<a>[HE]{6,12}).{10,40}?(?P<b>[HE]{6,12})", "10-20,{0},8-25,{1},10-20", 2),
}
HEAD = (
    "| motifs | designs | motif RMSD at output (A) | RMSD of the last prediction, median (A) | junctions: CA-CA | "
    "junctions: C-N | other bonds: CA-CA | other bonds: C-N | clash-free | CPU s per design |"
)
"""Bonds: share within 3.8 +- 0.1 (CA-CA) and 1.33 +- 0.15 Angstrom (C-N)."""


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
                    chain = unbroken(backbone_of(row.coordinates), encode(row.sequence))
                    file = folder / f"{row.id}.pdb"
                    write_structure(file, chain, None, title=row.id, remarks=[])
                    names = [f"A{a + 1}-{b}" for a, b in spans]
                    yield kind, read_input(file), contig.format(*names)
                    break


def rmsd(found: np.ndarray, wanted: np.ndarray) -> float:
    """Root mean square deviation of atoms [..., 3] after superposition (Angstrom)."""
    fitted, _ = superimpose(wanted.reshape(-1, 3), found.reshape(-1, 3))
    return float(np.sqrt(np.mean(np.sum((fitted - wanted.reshape(-1, 3)) ** 2, -1))))


def sample(network: torch.nn.Module, product: Product, **settings: Any) -> tuple[list[Design], list[float]]:
    """Sample as `design` does; also return how far the last call's motif (CA) is from the given one (Angstrom)."""
    last: list[torch.Tensor] = []

    def watched(*call: Any) -> dict[str, torch.Tensor]:
        output = network(*call)
        last[:] = [output["translations"]]
        return output

    designs = sample_block(watched, product, **settings)
    misses = []
    for row, design in enumerate(designs):
        there = design.blueprint.structure_given
        x = 10 * last[0][row, : len(there)].numpy()[there]
        misses.append(rmsd(x, design.blueprint.backbone.coordinates[there, 1]))
    return designs, misses


def figures(design: Design) -> dict[str, float]:
    """Measure one design: the motif, the bonds at its ends and the others, and clashes."""
    is_motif = design.blueprint.structure_given
    junction = np.diff(is_motif.astype(int)) != 0
    other = ~junction & ~(is_motif[1:] & is_motif[:-1])
    ca = np.abs(geometry.ca_ca_distances(design.backbone.coordinates) - 3.8) <= 0.1
    cn = np.abs(geometry.peptide_bond_lengths(design.backbone.coordinates) - 1.33) <= 0.15
    wanted = design.blueprint.backbone.coordinates[is_motif]
    return {
        "rmsd": rmsd(np.round(design.backbone.coordinates[is_motif], 3), wanted),
        "junction_ca": ca[junction].mean(),
        "junction_cn": cn[junction].mean(),
        "other_ca": ca[other].mean(),
        "other_cn": cn[other].mean(),
        "clash_free": geometry.ca_clashes(design.backbone.coordinates) == 0,
    }


def measure(
    case: tuple[str, InputStructure, str], checkpoint: Checkpoint, settings: DesignConfig, number: int
) -> list[dict[str, Any]]:
    """Design around one motif, in blocks of four, and measure every design."""
    kind, structure, contig = case
    task, rows = Motif(structure, parse_contig(contig, structure), seed=0), []
    for start in range(0, number, 4):
        indices, before = range(start, min(start + 4, number)), time.process_time()
        designs, misses = sample(
            checkpoint.network,
            checkpoint.product,
            blueprints=[task.blueprint(i) for i in indices],
            indices=indices,
            seed=0,
            grid=UniformGrid(settings.steps, settings.last_step),
            device=torch.device("cpu"),
            ideal_bonds=settings.ideal_bonds,
        )
        place = {"kind": kind, "motif": f"{structure.path.name} {contig}"}
        place["seconds"] = (time.process_time() - before) / len(indices)
        rows += [figures(design) | {"miss": miss} | place for design, miss in zip(designs, misses, strict=True)]
    return rows


def print_row(title: str, part: pd.DataFrame) -> None:
    """Print the figures of some designs as a row of Markdown."""
    m = part.drop(columns=["kind", "motif"]).mean()
    cells = [f"{title} ({part.motif.nunique()})", len(part), f"{part.rmsd.max():.4f}", f"{part.miss.median():.2f}"]
    shares = (m.junction_ca, m.junction_cn, m.other_ca, m.other_cn, m.clash_free)
    cells += [*(f"{share:.3f}" for share in shares), f"{m.seconds:.2f}"]
    print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="chains.parquet with the columns split, globular and dssp")
    parser.add_argument("--checkpoint", default="base", help="name or file")
    parser.add_argument("--designs", type=int, default=16, help="of every motif")
    parser.add_argument("--set", nargs="*", default=[], help="options of design, such as process.rotations.speed=1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = configuration({"out": "unused", **dict(item.split("=", 1) for item in options.set)})
    checkpoint = load_checkpoint(resolve(options.checkpoint), settings.process)
    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame(
            [
                row
                for case in motifs(options.chains, Path(folder))
                for row in measure(case, checkpoint, settings, options.designs)
            ]
        )
    print(f"{HEAD}\n{'|---' * 10}|")
    for kind, part in [*table.groupby("kind", sort=False), ("all", table)]:
        print_row(kind, part)
