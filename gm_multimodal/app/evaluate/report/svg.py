"""What matplotlib draws as an SVG element of a page: in the page's colours and type, without a style of its own."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from xml.etree import ElementTree

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gm_multimodal.app.html import escaped

COLOURS: Final = {
    name: f"#{k:06x}" for k, name in enumerate(("design", "reference", "allowed", "favoured", "soft", "line"), 1)
}
"""Colours to draw with: each becomes the variable of this name (`--design`) of the page's style, light or dark."""

NAMED: Final = "named"
"""The gid of markers that show a name when they are pointed at."""

_LOOK: Final = {
    "svg.fonttype": "none",
    "path.simplify": False,
    "font.size": 11,
    "text.color": COLOURS["soft"],
    "axes.labelcolor": COLOURS["soft"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
    "axes.edgecolor": COLOURS["line"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,  # labels of both axes keep clear of each other at the corner
    "ytick.major.pad": 5,
}
_POINTS_PER_INCH: Final = 72
_NAMESPACE: Final = re.compile(r"^\{.*\}")
_LEFT_OUT: Final = ("metadata", "style")
_PLACES: Final = {"d", "x", "y", "width", "height", "transform"}
_VARIABLES: Final = {colour: f"var(--{name})" for name, colour in COLOURS.items()}


def element(
    label: str, draw: Callable[[Axes], None], *, size: tuple[float, float] = (360, 270), names: Sequence[str] = ()
) -> str:
    """Return a figure as an `svg` element; the same bytes for the same figure.

    Args:
        label: what a screen reader says; no two figures of a page have the same.
        draw: draws upon the axes it is given, in COLOURS.
        size: width and height, in pixels of a page that does not scale the figure.
        names: of the markers whose gid is NAMED, one each.
    """
    content = io.BytesIO()
    # The salt is part of every identifier, so that those of two figures differ.
    with style.context(["default", {**_LOOK, "svg.hashsalt": label}]):
        figure = Figure((size[0] / _POINTS_PER_INCH, size[1] / _POINTS_PER_INCH), layout="constrained", frameon=False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        draw(axes)
        figure.savefig(content, format="svg")
    root = ElementTree.fromstring(content.getvalue())
    named = root.iterfind(f".//{{*}}g[@id='{NAMED}']//{{*}}use")
    for marker, name in zip(named, names, strict=True):
        ElementTree.SubElement(marker, "title").text = name
    # The line joins stand in matplotlib's style sheet, which a strict Content-Security-Policy forbids.
    attributes = f'viewBox="{root.get("viewBox")}" role="img" aria-label="{escaped(label)}" stroke-linejoin="round"'
    return f"<svg {attributes}>{''.join(_written(node, {}) for node in root)}</svg>"


def _written(node: ElementTree.Element, inherited: Mapping[str, str]) -> str:
    """Return a node as HTML; it does not repeat what the nodes around it say, and groups that say nothing go."""
    tag = _NAMESPACE.sub("", node.tag)
    if tag in _LEFT_OUT:
        return ""
    attributes = {name: value for name, value in _attributes(node).items() if inherited.get(name) != value}
    if tag == "g" and len(node) > 1:
        common = set.intersection(*(set(_attributes(child).items()) for child in node))
        attributes |= {name: value for name, value in common if name.startswith(("fill", "stroke"))}
    known = {**inherited, **attributes}
    inside = escaped((node.text or "").strip()) + "".join(_written(child, known) for child in node)
    if (tag == "g" and not attributes) or (tag == "defs" and not inside):
        return inside
    opening = "".join([tag, *(f' {name}="{escaped(value)}"' for name, value in sorted(attributes.items()))])
    return f"<{opening}>{inside}</{tag}>" if inside else f"<{opening}/>"


def _attributes(node: ElementTree.Element) -> dict[str, str]:
    """Return the attributes of a node with its style among them; type is the page's, and nobody refers to groups."""
    given = {_NAMESPACE.sub("", name): value for name, value in node.attrib.items()}
    said = [declaration.split(":") for declaration in given.pop("style", "").split(";") if declaration.strip()]
    given |= {name.strip(): value.strip() for name, value in said if not name.strip().startswith("font")}
    if node.tag.endswith("}g"):
        given.pop("id", None)
    if given.get("transform", "").startswith("rotate(-0 "):
        del given["transform"]
    for name in _PLACES & given.keys():
        given[name] = _rounded(given[name])
    if "d" in given:
        given["d"] = re.sub(r"\s*([A-Za-z])\s*", r"\1", given["d"])
    return {name: _VARIABLES.get(value, value) for name, value in given.items()}


def _rounded(places: str) -> str:
    """Return text with its decimal numbers rounded to a tenth of a pixel."""
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):z.1f}".removesuffix(".0"), places)
