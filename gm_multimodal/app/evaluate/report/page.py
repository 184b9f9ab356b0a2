"""The page of a report: one HTML file with its style, script, data and plots inside; it asks nothing of a network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gm_multimodal import __version__
from gm_multimodal.app.evaluate.figure_table import shown
from gm_multimodal.app.evaluate.inputs import Rejected
from gm_multimodal.app.evaluate.report.page_data import MOST_DRAWN, MOST_TRAJECTORIES, payload
from gm_multimodal.app.evaluate.report.results import Results
from gm_multimodal.app.folders.plain_yaml import read_yaml
from gm_multimodal.app.html import escaped, policy
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import write_atomically

_ASSETS = Path(__file__).parent
_DETAIL = """
<dialog id="detail" aria-labelledby="title">
<div class="head"><b id="title"></b><button id="previous" aria-label="previous">‹</button>
<button id="next" aria-label="next">›</button><button id="close">close</button></div>
<div class="detail"><div><canvas class="view" id="view"></canvas>
<div class="play" id="play" hidden><button id="run">▶ play</button>
<input type="range" id="frame" min="0" value="0" aria-label="step"></div>
<div class="bar below"><label>colour <select class="colour"></select></label>
<span class="soft">drag to turn, wheel or pinch to zoom</span></div>
<div class="sequence" id="sequence"></div><div class="soft" id="file"></div></div>
<div><div class="soft">distances of CA, dark above 30 Å</div><canvas class="map" id="map"></canvas>
<div class="figures below" id="figures"></div></div></div></dialog>"""


def write_report(path: Path, results: Results, rejected: Sequence[Rejected]) -> None:
    """Write the report of an evaluation."""
    write_atomically(path, page(results, rejected))


def page(results: Results, rejected: Sequence[Rejected]) -> str:
    """Return the report as HTML."""
    table = results.table
    folders = sorted({str(Path(structure.file).parent) for structure in table.structures})
    title = f"Evaluation of {folders[0] if len(folders) == 1 else f'{len(folders)} folders'}"
    sections = [
        f"<h1>{escaped(title)}</h1>",
        f'<p class="soft">{_what(results)}</p>',
        _tiles(results),
        _gallery(len(table.structures)),
        _plots(results),
        _heat_map(results),
        _across(results),
        _table(),
        _definitions(results),
        _rejected(rejected),
        _configuration([Path(folder) for folder in folders]),
        f'<p class="soft last">gm_multimodal {__version__}</p>',
    ]
    style, viewer, script = ((_ASSETS / name).read_text("utf-8") for name in ("report.css", "viewer.js", "report.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style, (viewer, script))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escaped(title)}</title><style>{style}</style></head>\n'
        f"<body><main>{''.join(sections)}</main>{_DETAIL}\n"
        f'<script type="application/json" id="data">{payload(results)}</script>\n'
        f"<script>{viewer}</script>\n<script>{script}</script></body></html>\n"
    )


def _what(results: Results) -> str:
    lengths = [len(structure) for structure in results.table.structures]
    low, high = min(lengths), max(lengths)
    span = str(low) if low == high else f"{low} to {high}"
    text = f"{len(lengths)} structure{'s' if len(lengths) > 1 else ''} of {span} residues"
    return f"{text}{f', compared with {escaped(results.reference)}' if results.reference else ''}."


def _tiles(results: Results) -> str:
    summary, across = results.table.summary(), results.across["across"]
    figures = {
        "structures": len(results.table.structures),
        "clusters at TM 0.5": across["clusters"]["value"],
        "mean TM of two": across["mean_pairwise_tm"]["value"],
        "mean highest TM to the reference": summary.get("novelty_tm", {}).get("mean"),
        "in favoured Ramachandran regions": summary["ramachandran_favoured"].get("mean"),
        "of CA-CA distances valid": summary["ca_ca_valid"].get("mean"),
        "helix (DSSP)": summary["dssp_helix"].get("mean"),
        "strand (DSSP)": summary["dssp_strand"].get("mean"),
    }
    tiles = [
        f'<div class="tile"><b>{value if isinstance(value, int) else f"{value:.2f}"}</b>'
        f"<span>{escaped(name)}</span></div>"
        for name, value in figures.items()
        if value is not None
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _gallery(count: int) -> str:
    more = f'<p class="soft">The first {MOST_DRAWN} of {count} structures; the table below has all.</p>'
    return (
        f"<h2>Structures</h2>{more if count > MOST_DRAWN else ''}"
        '<div class="bar"><label>sort by <select id="sort"></select></label><button id="down"></button>'
        '<label>colour <select class="colour"></select></label></div><div class="gallery" id="gallery"></div>'
        '<p class="soft below">Choose a structure to turn it and to see its distance map, its '
        f"figures and, where the run kept it, its way from noise (the first {MOST_TRAJECTORIES}).</p>"
    )


def _plots(results: Results) -> str:
    # here, because matplotlib takes a second to import
    from gm_multimodal.app.evaluate.report.plots import comparison_plots, ramachandran_plots

    key = '<span class="key ours"></span>these structures'
    if results.reference:
        key += '<span class="key theirs"></span>reference'
    structures = results.table.structures
    figures = comparison_plots(structures, results.table.rows, results.reference_rows)
    return (
        f'<h2>Against the reference</h2><p class="soft">{key}</p><div class="plots">{"".join(figures)}</div>'
        f'<h2>Torsions</h2><div class="plots four">{"".join(ramachandran_plots(structures))}</div>'
    ).replace("Against the reference", "Against the reference" if results.reference else "Shape")


def _heat_map(results: Results) -> str:
    if len(results.matrix) < 2:
        return ""
    return (
        "<h2>TM-scores</h2><p>Each row is a structure, normalised by its length; clusters lie side by side. "
        'Yellow is 1, dark is 0.</p><canvas id="heat"></canvas>'
        '<p class="soft" id="pair">Point at a square to read it.</p>'
    )


def _across(results: Results) -> str:
    rows = [
        f"<tr><td>{escaped(name)}</td><td>{escaped(shown(entry['value']) or entry.get('empty', 'none'))}</td>"
        f'<td class="text">{escaped(entry["definition"]["text"])}</td></tr>'
        for kind in results.across.values()
        for name, entry in kind.items()
    ]
    head = '<thead><tr><th>figure</th><th>value</th><th class="text">meaning</th></tr></thead>'
    return f'<h2>The set as a whole</h2><div class="scroll"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _table() -> str:
    return (
        '<h2>Table</h2><p class="soft">Choose a column to sort by it. An empty cell tells its reason when pointed at.'
        "</p>"
        '<div class="scroll tall"><table><thead><tr id="names"></tr></thead><tbody id="rows"></tbody></table></div>'
    )


def _definitions(results: Results) -> str:
    def cells(entry: Mapping[str, Any]) -> str:
        parts = [
            f"{entry[name]:.4g}" if entry.get(name) is not None else "–" for name in ("mean", "standard_deviation")
        ]
        definition = entry["definition"]
        made = f"{definition['tool']} {definition['version']}"
        extra = [definition["atoms"], definition["threshold"], made]
        details = escaped("; ".join(item for item in extra if item))
        text = f'{escaped(definition["text"])} <span class="soft">({details})</span>'
        return "".join(f"<td>{part}</td>" for part in [*parts, str(entry["count"])]) + f'<td class="text">{text}</td>'

    rows = [f"<tr><td>{escaped(name)}</td>{cells(entry)}</tr>" for name, entry in results.table.summary().items()]
    head = '<th>column</th><th>mean</th><th>sd</th><th>count</th><th class="text">meaning</th>'
    return (
        '<h2>What the columns mean</h2><div class="scroll tall"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _rejected(rejected: Sequence[Rejected]) -> str:
    if not rejected:
        return ""
    rows = "".join(
        f'<tr><td>{escaped(item.file)}</td><td class="text">{escaped(item.reason)}</td></tr>' for item in rejected
    )
    return f'<h2>Files that could not be read</h2><div class="scroll tall"><table><tbody>{rows}</tbody></table></div>'


def _configuration(folders: Sequence[Path]) -> str:
    """The configuration of the run of `design` that made the structures, where it lies beside them."""
    parts = []
    for folder in folders:
        try:
            content = read_yaml(folder / "config.yaml")
        except UserInputError:
            continue
        if isinstance(content, dict) and "made_with" in content:
            text = yaml.safe_dump(json.loads(json.dumps(content, default=str)), sort_keys=False, allow_unicode=True)
            parts.append(f'<p class="soft">{escaped(str(folder / "config.yaml"))}</p><pre>{escaped(text)}</pre>')
    return f"<h2>Configuration and checkpoint</h2>{''.join(parts)}" if parts else ""
