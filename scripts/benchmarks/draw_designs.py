"""Draw structures side by side as ribbons of their CA traces: the picture of the README and the start page.

gm-multimodal design -m length=90,110,130 num_designs=16 keep_best=2 out=designs/shown
python scripts/benchmarks/draw_designs.py docs/designs.png designs/shown/*/best/*.pdb

Helices are blue, strands orange, what is far away is pale. Every structure is turned so that its longest axis lies
across and its shortest points at the reader.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from scipy.interpolate import CubicSpline

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.metrics.secondary_structure import HELIX, STRAND, secondary_structure
from gm_multimodal.protein.structure import read_backbone

mpl.use("agg")
import matplotlib.pyplot as plt

STYLES = {HELIX: ("#3b6fb6", 7.0), STRAND: ("#e8892b", 8.0), "": ("#9aa3ad", 3.2)}  # colour, width in points
FINE = 8  # pieces of the curve between two residues
EDGE = "#22303c"

Floats = npt.NDArray[np.floating]


def turned(points: Floats) -> Floats:
    """Return points with the axes of their greatest, middle and least spread as x, y and z, centred."""
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    axes[2] *= np.sign(np.linalg.det(axes))  # a reflection would show the mirror image
    return centred @ axes.T


def ribbon(axes: Axes, backbone: Backbone) -> None:
    """Draw one chain, the farthest pieces first, each with an edge that parts it from what lies behind."""
    trace = turned(backbone.coordinates[:, 1])
    kinds = [next(kind for kind in STYLES if letter in kind or not kind) for letter in secondary_structure(backbone)]
    at = np.arange(len(trace))
    fine = np.linspace(0, len(trace) - 1, FINE * (len(trace) - 1) + 1)
    curve = CubicSpline(at, trace)(fine)
    pieces = np.stack([curve[:-1], curve[1:]], 1)
    depth = pieces[:, :, 2].mean(1)
    near = (depth - depth.min()) / np.ptp(depth)
    kind = [kinds[k] for k in np.round(fine[:-1]).astype(int)]
    colours = np.array([to_rgb(STYLES[k][0]) for k in kind])
    widths = np.array([STYLES[k][1] for k in kind]) * (0.8 + 0.4 * near)
    pale = colours * (0.45 + 0.55 * near[:, None]) + 0.55 * (1 - near[:, None])
    for k in np.argsort(depth):
        long = curve[max(k - 1, 0) : k + 3, :2]  # the edge reaches into both neighbours, so that it has no gaps
        axes.plot(*long.T, color=EDGE, linewidth=widths[k] + 1.4, solid_capstyle="butt")
        axes.plot(*pieces[k, :, :2].T, color=pale[k], linewidth=widths[k], solid_capstyle="round")
        axes.plot(*long.T, color=pale[k], linewidth=widths[k], solid_capstyle="butt")
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.margins(0.08)
    axes.axis("off")


def main() -> None:
    """Draw the structures named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="picture to write")
    parser.add_argument("structures", type=Path, nargs="+", help="structure files of one chain each")
    options = parser.parse_args()
    number = len(options.structures)
    columns = min(3, number)
    rows = -(-number // columns)
    figure, all_axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.4 * rows), squeeze=False)
    for axes in all_axes.flat:
        axes.axis("off")
    for axes, file in zip(all_axes.flat, options.structures, strict=False):
        ribbon(axes, read_backbone(file)[0])
    figure.subplots_adjust(0, 0, 1, 1, 0, 0)
    figure.savefig(options.out, dpi=150, transparent=True)


if __name__ == "__main__":
    main()
