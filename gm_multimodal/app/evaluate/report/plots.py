"""The plots of an evaluation: torsions, and figures of structures beside those of a reference."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from gm_multimodal.app.evaluate.report import svg
from gm_multimodal.app.html import escaped
from gm_multimodal.protein.metrics import ramachandran
from gm_multimodal.protein.metrics.structure import Structure

_NEARLY_SQUARE: Final = (270, 260)  # axes that are square
_FIVE_DEGREES: Final = np.linspace(-180, 180, 73)

Floats = npt.NDArray[np.floating]
Rows = Sequence[Mapping[str, float | str | None]]


def ramachandran_plots(structures: Sequence[Structure]) -> list[str]:
    """A figure for each kind of residue: the designs' torsions as squares of 5 degrees upon the regions."""
    angles = np.concatenate([structure.torsions for structure in structures])
    classes = np.concatenate([ramachandran.residue_classes(structure.backbone.tokens) for structure in structures])
    known = np.isfinite(angles).all(axis=1)
    titles = ("General", "Glycine", "Proline", "Before proline")
    figures = []
    for number, title in enumerate(titles):
        some, regions = angles[known & (classes == number)], ramachandran.reference_regions()[number]

        def draw(axes: Axes, some: Floats = some, regions: npt.NDArray[np.int64] = regions) -> None:
            ticks = range(-180, 181, 90)
            axes.set(xlim=(-180, 180), ylim=(-180, 180), xticks=ticks, yticks=ticks, xlabel="phi", ylabel="psi")
            _fill(axes, regions == ramachandran.ALLOWED, "allowed")
            _fill(axes, regions == ramachandran.FAVOURED, "favoured")
            _draw_density(axes, some)

        text = f"{len(some):,} residues. Shaded: where 90 % and 98 % of the real ones lie."
        figures.append(_figure(f"Ramachandran: {title.lower()}", draw, text, size=_NEARLY_SQUARE))
    return figures


def comparison_plots(structures: Sequence[Structure], rows: Rows, reference_rows: Rows) -> list[str]:
    """Figures of length against compactness, helix against strand, and of single figures, with the reference."""
    ours = [{"length": float(len(item)), **row} for item, row in zip(structures, rows, strict=True)]
    names = [structure.name for structure in structures]

    def law(x: Floats) -> Floats:
        return 2.2 * x**0.38

    figures = [
        _scatter(
            "Size",
            ("length", "residues"),
            ("radius_of_gyration", "radius of gyration, Å"),
            ours,
            reference_rows,
            names,
            law,
        ),
        _scatter(
            "Secondary structure (DSSP)",
            ("dssp_helix", "helix"),
            ("dssp_strand", "strand"),
            ours,
            reference_rows,
            names,
        ),
    ]
    columns = {
        "gyration_ratio": "radius of gyration over 2.2 L^0.38 Å",
        "contact_order": "relative contact order",
        "contacts_per_residue": "contacts per residue",
        "ramachandran_favoured": "share in favoured Ramachandran regions",
    }
    figures += [
        _histogram(label, _column(ours, name), _column(reference_rows, name)) for name, label in columns.items()
    ]
    return figures


def _scatter(
    title: str,
    x: tuple[str, str],
    y: tuple[str, str],
    ours: Rows,
    theirs: Rows,
    names: Sequence[str],
    law: Callable[[Floats], Floats] | None = None,
) -> str:
    our_points, their_points = (np.stack([_column(some, x[0]), _column(some, y[0])], axis=1) for some in (ours, theirs))
    known = np.isfinite(our_points).all(axis=1)
    our_points, their_points = our_points[known], their_points[np.isfinite(their_points).all(axis=1)]
    ranges = [_range(our_points[:, k], their_points[:, k]) for k in (0, 1)]
    low, high = np.transpose(ranges)
    is_inside = ((their_points >= low) & (their_points <= high)).all(axis=1)

    def draw(axes: Axes) -> None:
        axes.set(xlim=ranges[0], ylim=ranges[1], xlabel=x[1], ylabel=y[1])
        _set_round_ticks(axes)
        if law is not None:
            lengths = np.linspace(*ranges[0], 40)
            axes.plot(lengths, law(lengths), "--", color=svg.COLOURS["soft"], linewidth=1)
        _draw_points(axes, their_points[is_inside], ("reference", 0.45), 4)
        _draw_points(axes, our_points, ("design", 0.75), 6, gid=svg.NAMED)

    text = "Dashed: 2.2 L^0.38 Å, globular proteins." if law else ""
    text = f"{text} {_beyond(int((~is_inside).sum()))}".strip()
    return _figure(title, draw, text, names=list(itertools.compress(names, known)))


def _histogram(title: str, ours: Floats, theirs: Floats) -> str:
    """Shares of structures in twenty bins: the reference filled in grey, the designs upon it."""
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    low, high = _range(ours, theirs)
    edges = np.linspace(low, high, 21)
    sets = {"reference": theirs, "design": ours}
    shares = {name: np.histogram(some, edges)[0] / max(len(some), 1) for name, some in sets.items()}

    def draw(axes: Axes) -> None:
        highest = max(float(np.max(some)) for some in shares.values())
        axes.set(xlim=(low, high), ylim=(0.0, max(0.05, 1.05 * highest)), xlabel=title, ylabel="share")
        _set_round_ticks(axes)
        for name, some in shares.items():
            axes.stairs(some, edges, fill=True, color=(svg.COLOURS[name], 0.55), clip_on=False)

    return _figure(title[0].upper() + title[1:], draw, _beyond(int(((theirs < low) | (theirs > high)).sum())))


def _draw_points(axes: Axes, points: Floats, colour: tuple[str, float], size: float, gid: str | None = None) -> None:
    """Draw points, [K, 2], in a colour of the page and its opacity."""
    face = svg.COLOURS[colour[0]], colour[1]
    # above the axes, which would hide the name of a point at 0
    axes.plot(*points.T, "o", color=face, markersize=size, markeredgewidth=0, clip_on=False, gid=gid, zorder=3)


def _set_round_ticks(axes: Axes) -> None:
    axes.locator_params(nbins=6, steps=(1, 2, 5, 10))


def _draw_density(axes: Axes, angles: Floats) -> None:
    """Draw squares of 5 degrees, the more opaque the more residues they hold."""
    counts, _, _ = np.histogram2d(angles[:, 0], angles[:, 1], bins=(_FIVE_DEGREES, _FIVE_DEGREES))
    logarithms = np.log2(np.maximum(counts, 1))
    levels = np.ceil(5 * logarithms / max(1.0, logarithms.max()))
    for level in range(6):
        _fill(axes, (counts > 0) & (levels == level), "design", 0.3 + 0.14 * level)


def _fill(axes: Axes, chosen: npt.NDArray[np.bool_], name: str, opacity: float = 1.0) -> None:
    """Fill the chosen squares of a grid of the whole circle, [phi, psi], as one path; runs along psi are one piece."""
    edges = np.linspace(-180, 180, len(chosen) + 1)
    changes = np.diff(np.pad(chosen.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    columns, starts = np.nonzero(changes == 1)
    left, right, bottom, top = edges[columns], edges[columns + 1], edges[starts], edges[np.nonzero(changes == -1)[1]]
    corners = np.stack([left, bottom, right, bottom, right, top, left, top], axis=1).reshape(-1, 4, 2)
    path = Path.make_compound_path_from_polys(corners)
    axes.add_patch(PathPatch(path, facecolor=(svg.COLOURS[name], opacity), linewidth=0, clip_on=False))


def _figure(
    title: str,
    draw: Callable[[Axes], None],
    text: str,
    *,
    size: tuple[float, float] = (360, 270),
    names: Sequence[str] = (),
) -> str:
    caption = f"<figcaption>{escaped(text)}</figcaption>" if text else ""
    return f"<figure><h3>{escaped(title)}</h3>{svg.element(title, draw, size=size, names=names)}{caption}</figure>"


def _column(rows: Rows, name: str) -> Floats:
    """One figure of each structure, NaN where it has none."""
    values = [row.get(name) for row in rows]
    return np.array([value if isinstance(value, float) else np.nan for value in values])


def _beyond(count: int) -> str:
    return f"{count} of the reference lie beyond." if count else ""


def _range(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """Least and greatest of the designs and of 98 % of the reference with a margin, not below 0 where nothing is.

    One odd structure of the reference would press all others together. Something sensible for one value or none.
    """
    values = np.concatenate([ours, np.quantile(theirs, (0.01, 0.99)) if len(theirs) else []])
    if len(values) == 0:
        return 0.0, 1.0
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return (max(0.0, low - margin) if low >= 0 else low - margin), high + margin
