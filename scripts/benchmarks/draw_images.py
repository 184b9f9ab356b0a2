"""Draw what `gm-multimodal images benchmark` measured: samples of every sampler, and distances by network calls.

python scripts/benchmarks/draw_images.py docs/measurements/images --calls 50 \
  Digits=runs/digits Fashion-MNIST=runs/fashion
"""

import argparse
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")  # draws into files, wherever there is no screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

COLOURS: Final = {
    "flow": "#1f4e79",
    "flow-second-order": "#7f9fbf",
    "sde": "#2a9d8f",
    "jump-euler": "#d9822b",
    "jump-improved": "#b3471d",
    "jump-coupling": "#e8b87f",
    "superposition": "#6a3d9a",
    "mixed": "#b39bd0",
}
SHOWN: Final = 14


def row_of(images: np.ndarray) -> np.ndarray:
    """Return images [N, C, H, W] side by side with a gap of one pixel, [H, N (W + 1), 3]."""
    light = np.broadcast_to(images / images.max(), (len(images), 3, *images.shape[2:]))
    apart = np.pad(light, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=1.0)
    return apart.transpose(2, 0, 3, 1).reshape(images.shape[2], -1, 3)


def draw_samples(benchmarks: dict[str, Path], calls: int, file: Path) -> None:
    """Draw the first samples of every sampler, a column for each benchmark."""
    width, height = 1.3 + 5.6 * len(benchmarks), 0.42 * len(COLOURS) + 0.3
    figure, axes = plt.subplots(len(COLOURS), len(benchmarks), figsize=(width, height), squeeze=False)
    for column, (title, folder) in zip(axes.T, benchmarks.items(), strict=True):
        for axis, name in zip(column, COLOURS, strict=True):
            with np.load(folder / "samples" / f"{name}_{calls}_0.npz") as table:
                axis.imshow(row_of(table["images"][:SHOWN]), interpolation="nearest")
            axis.set_axis_off()
        column[0].set_title(f"{title}, {calls} network calls", fontsize=9)
    for axis, name in zip(axes[:, 0], COLOURS, strict=True):
        axis.text(-0.01, 0.5, name, transform=axis.transAxes, ha="right", va="center", fontsize=8)
    figure.subplots_adjust(left=1.3 / width, right=0.995, top=1 - 0.3 / height, bottom=0.01, wspace=0.03, hspace=0.06)
    figure.savefig(file, dpi=110)


def draw_distances(benchmarks: dict[str, Path], file: Path) -> None:
    """Draw the Fréchet distance by network calls: means over the seeds, bars from the table's errors."""
    figure, axes = plt.subplots(1, len(benchmarks), figsize=(5 * len(benchmarks), 3.6), squeeze=False)
    for axis, (title, folder) in zip(axes[0], benchmarks.items(), strict=True):
        table = pd.read_csv(folder / "table.csv")
        for name, colour in COLOURS.items():
            cells = table[table.sampler == name].groupby("calls")
            mean = cells.frechet.mean()
            error = cells.frechet.std().fillna(cells.frechet_error.mean())
            axis.errorbar(mean.index, mean, error, color=colour, label=name, marker="o", markersize=3, linewidth=1.2)
        axis.set(xscale="log", yscale="log", xlabel="network calls", title=title)
        ticks = sorted(table.calls[table.calls > 0].unique())
        axis.set_xticks(ticks, [str(number) for number in ticks], minor=False)
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes[0, 0].set_ylabel("Fréchet distance, features of a classifier")
    axes[0, -1].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="beginning of the names of the two pictures")
    parser.add_argument("benchmarks", nargs="+", help="title and folder of every benchmark, TITLE=FOLDER")
    parser.add_argument("--calls", type=int, default=50, help="network calls of the samples shown")
    options = parser.parse_args()
    benchmarks = {title: Path(folder) for title, folder in (item.split("=", 1) for item in options.benchmarks)}
    draw_samples(benchmarks, options.calls, options.out.with_name(f"{options.out.name}_samples.png"))
    draw_distances(benchmarks, options.out.with_name(f"{options.out.name}_frechet.png"))
