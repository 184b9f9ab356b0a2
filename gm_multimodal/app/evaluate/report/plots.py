"""Plots of an evaluation as SVG elements, drawn here: no library, no picture files."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gm_multimodal.app.html import escaped
from gm_multimodal.protein.metrics import ramachandran
from gm_multimodal.protein.metrics.structure import Structure

WIDTH, HEIGHT = 360, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 36

Floats = npt.NDArray[np.floating]
Rows = Sequence[Mapping[str, float | str | None]]


@dataclass(frozen=True)
class _Axes:
    """From figures to places on the paper."""

    x: tuple[float, float]
    y: tuple[float, float]
    step: float | None = None  # between marks; round numbers where nothing is said

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    def holds(self, x: float, y: float) -> bool:
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]

    def frame(self, x_label: str, y_label: str) -> str:
        """The axes with round numbers and labels."""
        parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}"/>']
        for value in _round_numbers(*self.x, self.step):
            place, _ = self.place(value, self.y[0])
            parts.append(f'<text x="{place:.1f}" y="{HEIGHT - _BOTTOM + 14}" text-anchor="middle">{value:g}</text>')
        for value in _round_numbers(*self.y, self.step):
            _, place = self.place(self.x[0], value)
            parts.append(f'<text x="{_LEFT - 5}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
        middle = (HEIGHT - _BOTTOM + _TOP) / 2
        parts.append(f'<text x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{escaped(x_label)}</text>')
        parts.append(
            f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">'
            f"{escaped(y_label)}</text>"
        )
        return "".join(parts)


def ramachandran_plots(structures: Sequence[Structure]) -> list[str]:
    """A figure for each kind of residue: the designs' torsions as squares of 5 degrees upon the regions."""
    angles = np.concatenate([structure.torsions for structure in structures])
    classes = np.concatenate([ramachandran.residue_classes(structure.tokens) for structure in structures])
    known = np.isfinite(angles).all(axis=1)
    titles = ("General", "Glycine", "Proline", "Before proline")
    figures = []
    for number, title in enumerate(titles):
        some = angles[known & (classes == number)]
        axes = _Axes((-180, 180), (-180, 180), 90)
        inside = "".join(
            f'<path class="{name}" d="{_cells(ramachandran.reference_regions()[number] == code, axes)}"/>'
            for name, code in (("allowed", ramachandran.ALLOWED), ("favoured", ramachandran.FAVOURED))
        )
        inside += _density(some, axes)
        text = f"{len(some):,} residues. Shaded: where 90 % and 98 % of the real ones lie."
        figures.append(_figure(f"Ramachandran: {title.lower()}", inside + axes.frame("phi", "psi"), text))
    return figures


def comparison_plots(structures: Sequence[Structure], rows: Rows, reference_rows: Rows) -> list[str]:
    """Figures of length against compactness, helix against strand, and of single figures, with the reference."""
    ours = [{"length": float(len(item)), **row} for item, row in zip(structures, rows, strict=True)]
    names = [structure.name for structure in structures]

    def law(x: float) -> float:
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
    law: Callable[[float], float] | None = None,
) -> str:
    points = [list(zip(_column(some, x[0]), _column(some, y[0]), strict=True)) for some in (theirs, ours)]
    theirs_known, ours_known = (
        np.array([pair for pair in some if np.isfinite(pair).all()]).reshape(-1, 2) for some in points
    )
    axes = _Axes(_range(ours_known[:, 0], theirs_known[:, 0]), _range(ours_known[:, 1], theirs_known[:, 1]))
    parts, beyond = [], 0
    if law is not None:
        drawn = [value for value in np.linspace(*axes.x, 40) if axes.y[0] <= law(value) <= axes.y[1]]
        places = [f"{a:.1f} {b:.1f}" for a, b in (axes.place(value, law(value)) for value in drawn)]
        parts.append(f'<path class="law" d="M{"L".join(places)}"/>' if places else "")
    for some, kind, radius, labels in zip(points, ("reference", "design"), (2, 3), ([], names), strict=True):
        for k, pair in enumerate(some):
            if np.isfinite(pair).all() and not axes.holds(*pair):
                beyond += 1
            elif np.isfinite(pair).all():
                a, b = axes.place(*pair)
                label = f"<title>{escaped(labels[k])}</title>" if labels else ""
                parts.append(f'<circle class="{kind}" cx="{a:.1f}" cy="{b:.1f}" r="{radius}">{label}</circle>')
    text = "Dashed: 2.2 L^0.38 Å, globular proteins." if law else ""
    return _figure(title, "".join(parts) + axes.frame(x[1], y[1]), f"{text} {_beyond(beyond)}".strip())


def _histogram(title: str, ours: Floats, theirs: Floats) -> str:
    """Shares of structures in twenty bins: the reference filled in grey, the designs upon it."""
    ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
    low, high = _range(ours, theirs)
    edges = np.linspace(low, high, 21)
    shares = [np.histogram(some, edges)[0] / max(len(some), 1) for some in (theirs, ours)]
    axes = _Axes((low, high), (0.0, max(0.05, 1.05 * float(np.max(shares)))))
    parts = []
    for heights, kind in zip(shares, ("reference", "design"), strict=True):
        path = ""
        for left, right, height in zip(edges, edges[1:], heights, strict=False):
            if height > 0:
                (a, b), (c, d) = axes.place(left, height), axes.place(right, 0.0)
                path += f"M{a + 0.5:.1f} {b:.1f}H{c - 0.5:.1f}V{d:.1f}H{a + 0.5:.1f}z"
        parts.append(f'<path class="{kind}" fill-opacity=".55" d="{path}"/>')
    return _figure(
        title[0].upper() + title[1:],
        "".join(parts) + axes.frame(title, "share"),
        _beyond(int(((theirs < low) | (theirs > high)).sum())),
    )


def _density(angles: Floats, axes: _Axes) -> str:
    """Squares of 5 degrees, the more opaque the more residues they hold."""
    if len(angles) == 0:
        return ""
    bins = np.clip(np.floor((angles + 180.0) / 5.0).astype(int), 0, 71)
    counts = np.zeros((72, 72), dtype=int)
    np.add.at(counts, (bins[:, 0], bins[:, 1]), 1)
    logarithms = np.log2(np.maximum(counts, 1))
    levels = np.ceil(5 * logarithms / max(1.0, logarithms.max()))
    paths = []
    for level in range(6):
        cells = _cells((counts > 0) & (levels == level), axes)
        paths.append(f'<path class="design" fill-opacity="{0.3 + 0.14 * level:.2f}" d="{cells}"/>')
    return "".join(paths)


def _cells(chosen: npt.NDArray[np.bool_], axes: _Axes) -> str:
    """The chosen squares of a grid over the axes as one path; runs upwards are one piece."""
    step = (axes.x[1] - axes.x[0]) / len(chosen)
    path = ""
    for column, row in enumerate(chosen):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(int)))
        for start, stop in ends.reshape(-1, 2):
            a, b = axes.place(axes.x[0] + step * column, axes.y[0] + step * stop)
            c, d = axes.place(axes.x[0] + step * (column + 1), axes.y[0] + step * start)
            path += f"M{a:.1f} {b:.1f}H{c:.1f}V{d:.1f}H{a:.1f}z"
    return path


def _figure(title: str, inside: str, text: str) -> str:
    caption = f"<figcaption>{escaped(text)}</figcaption>" if text else ""
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(title)}">{inside}</svg>'
    return f"<figure><h3>{escaped(title)}</h3>{svg}{caption}</figure>"


def _column(rows: Rows, name: str) -> Floats:
    """One figure of each structure, NaN where it has none."""
    values = [row.get(name) for row in rows]
    return np.array([value if isinstance(value, float) else np.nan for value in values])


def _beyond(count: int) -> str:
    return f"{count} of the reference lie beyond." if count else ""


def _range(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """Least and greatest of ours and of 98 % of theirs with a margin, not below 0 where nothing is.

    One odd structure of the reference would press all others together. Something sensible for one value or none.
    """
    values = np.concatenate([ours, np.quantile(theirs, (0.01, 0.99)) if len(theirs) else []])
    if len(values) == 0:
        return 0.0, 1.0
    low, high = float(np.min(values)), float(np.max(values))
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return (max(0.0, low - margin) if low >= 0 else low - margin), high + margin


def _round_numbers(low: float, high: float, step: float | None) -> list[float]:
    """Multiples of a step between two numbers; of a round one that gives about five where none is asked for."""
    if step is None:
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
