"""Fine-tune a checkpoint on all-alpha chains and on chains rich in strand, and print how its designs shift.

python scripts/benchmarks/specialise.py chains.parquet --out specialised trainer.max_steps=300
"""

import argparse
import time
from pathlib import Path

import pandas as pd

from gm_multimodal.app.cli import main as gm_multimodal
from gm_multimodal.protein.checkpoint import load_checkpoint

COLUMNS = ["id", "source", "sequence", "length", "coordinates", "cluster30", "split", "dssp"]
FOLDS = {"all-alpha": "helix >= 0.5 and strand <= 0.05", "strand-rich": "strand >= 0.4 and helix <= 0.15"}


def write_fold(chains: Path, fold: str, file: Path, longest: int) -> None:
    """Write the compact chains of one fold, by their DSSP letters, with the splits that they have."""
    rows = pd.read_parquet(chains, columns=COLUMNS, filters=[("length", ">=", 40), ("length", "<=", longest)])
    rows["helix"] = rows.dssp.str.count("[HGI]") / rows.length
    rows["strand"] = rows.dssp.str.count("[EB]") / rows.length
    rows = rows.query(FOLDS[fold])
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(file, index=False)
    print(f"{fold}: {len(rows)} chains, helix {rows.helix.mean():.2f}, strand {rows.strand.mean():.2f}")


def designs(checkpoint: str, out: Path, options: argparse.Namespace) -> pd.DataFrame:
    """Make designs and return their rows."""
    for length in options.lengths:
        arguments = [f"length={length}", f"num_designs={options.designs}", f"out={out / str(length)}", "threads=1"]
        assert gm_multimodal(["design", f"checkpoint={checkpoint}", *arguments]) == 0
    return pd.concat([pd.read_csv(out / str(length) / "designs.csv") for length in options.lengths])


def row(name: str, table: pd.DataFrame, more: str) -> str:
    """Return a line of the table: means over the designs, with the standard error of each."""
    cells = [f"{table[key].mean():.2f} +- {table[key].sem():.2f}" for key in ("helix", "strand", "ca_ca_valid")]
    return f"| {name} | {len(table)} | " + " | ".join(cells) + f" | {(table.clashes == 0).mean():.2f} | {more} |"


def main() -> None:
    """Cut, fine-tune, design and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file of chains with the column dssp")
    parser.add_argument("options", nargs="*", help="options of `gm-multimodal finetune`")
    parser.add_argument("--out", type=Path, default=Path("designs/specialised"), help="folder for everything")
    parser.add_argument("--checkpoint", default="base", help="where all begins")
    parser.add_argument("--longest", type=int, default=100, help="residues of the longest chain to learn from")
    parser.add_argument("--lengths", type=int, nargs="+", default=[60, 80], help="of the designs")
    parser.add_argument("--designs", type=int, default=16, help="of each length")
    options = parser.parse_intermixed_args()
    lines = [row(options.checkpoint, designs(options.checkpoint, options.out / "before", options), "")]
    for fold in FOLDS:
        data, run = options.out / f"{fold}.parquet", options.out / fold
        write_fold(options.chains, fold, data, options.longest)
        start = time.perf_counter()
        arguments = [f"data={data}", f"checkpoint={options.checkpoint}", f"out={run}", "max_gyration_ratio=1.2"]
        assert gm_multimodal(["finetune", *arguments, *options.options]) == 0
        minutes, released = (time.perf_counter() - start) / 60, run / "model.safetensors"
        said = load_checkpoint(released).metadata["provenance"]
        losses = " to ".join(f"{said[key]['validation/loss']:.3f}" for key in ("losses_before", "losses"))
        table = designs(str(released), options.out / f"after-{fold}", options)
        lines.append(row(fold, table, f"{losses} (step {said['steps']}, {minutes:.1f} min)"))
    print("\n| checkpoint | designs | helix | strand | CA-CA 3.8 +- 0.1 | clash-free | held-out loss |")
    print("|---" * 7 + "|", *lines, sep="\n")


if __name__ == "__main__":
    main()
