"""Train small variants of the recipe equally long, from the same seed, and compare what they learn and design.

python scripts/benchmarks/ablation.py chains.parquet --out runs/ablation threads=1 trainer.max_steps=1000

Every variant changes one thing of the recipe; options of `gm-multimodal train` apply to all. A run that was stopped
goes on with the same command.
"""

import argparse
import time
from pathlib import Path

import pandas as pd

from gm_multimodal.app.cli import main as gm_multimodal
from gm_multimodal.protein.checkpoint import load_checkpoint

VARIANTS = {
    "recipe": [],
    "no self-conditioning": ["self_conditioning=0"],
    "no backbone losses": ["auxiliary.on_from=1", "auxiliary.full_from=1"],
    "backbone losses from the start": ["auxiliary=backbone"],
    "AdamW": ["optimisation=adamw"],
    "one Gaussian for rotations": ["network.components=1"],
    "generation alone": [
        f"curriculum.{name}=0" for name in ("folding", "inverse_folding", "hidden", "independent", "given")
    ],
    "half the sequence weight": ["product.sequence.weight=0.5"],
}
COMMON = ["product.sequence.weight=1", "curriculum.inverse_folding=0.15"]
LOSSES = ("translations", "rotations", "sequence", "inverse_folding")
FIGURES = ("ca_ca_valid", "clash_free", "helix", "strand")


def trained(variant: str, options: argparse.Namespace) -> tuple[Path, float]:
    """Train one variant, or go on with it, and return its checkpoint and the CPU minutes that it took now."""
    out = options.out / variant.replace(" ", "_")
    start = time.process_time()
    changes = {option.split("=")[0]: option for option in [*COMMON, *options.options, *VARIANTS[variant]]}
    assert gm_multimodal(["train", f"data={options.chains}", f"out={out}", *changes.values()]) == 0
    return out / "model.safetensors", (time.process_time() - start) / 60


def row(variant: str, checkpoint: Path, minutes: float, options: argparse.Namespace) -> str:
    """Return a line of the table: held-out losses per factor, and figures of designs with their standard errors."""
    designs = checkpoint.parent / "designs"
    arguments = [f"length={options.length}", f"num_designs={options.designs}", "ideal_bonds=false", "threads=1"]
    assert gm_multimodal(["design", f"checkpoint={checkpoint}", f"out={designs}", *arguments]) == 0
    said = load_checkpoint(checkpoint).metadata["provenance"]["losses"]
    table = pd.read_csv(designs / "designs.csv")
    table["clash_free"] = table.clashes == 0
    losses = [f"{said[f'validation/{name}']:.3f}" for name in LOSSES]
    figures = [f"{table[name].mean():.2f} ± {table[name].sem():.2f}" for name in FIGURES]
    return f"| {' | '.join([variant, *losses, *figures, f'{minutes:.0f}'])} |"


def main() -> None:
    """Train, design and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path, help="Parquet file of chains")
    parser.add_argument("options", nargs="*", help="options of `gm-multimodal train` for all variants")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder for everything")
    parser.add_argument("--length", type=int, default=80, help="of the designs")
    parser.add_argument("--designs", type=int, default=32, help="of each variant")
    options = parser.parse_intermixed_args()
    lines = [row(name, *trained(name, options), options) for name in VARIANTS]
    print("\n| variant | " + " | ".join((*LOSSES, *FIGURES)) + " | CPU minutes |")
    print("|---" * (len(LOSSES) + len(FIGURES) + 2) + "|", *lines, sep="\n")


if __name__ == "__main__":
    main()
