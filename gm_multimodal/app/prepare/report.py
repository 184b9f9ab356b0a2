"""What `prepare` says at its end: a page with counts, reasons and two pictures, and a few lines on the screen."""

import io
from collections.abc import Sequence

import numpy as np

from gm_multimodal.app.html import escaped
from gm_multimodal.app.prepare.folder import PrepareFolder
from gm_multimodal.files import write_atomically
from gm_multimodal.printable import printable
from gm_multimodal.protein.preparation.clusters import BUILT_IN
from gm_multimodal.protein.preparation.splits import TRAIN
from gm_multimodal.protein.preparation.summary import Summary, summarise

_SHOWN_REASONS = 5


def write_report(folder: PrepareFolder, *, files: int, method: str) -> list[str]:
    """Write report.md and its pictures, and return the closing lines of the command.

    Args:
        folder: of a dataset that is complete.
        files: how many were looked at.
        method: what computed the clusters.
    """
    summary = summarise(folder.dataset, folder.rejected)
    _write_pictures(folder, summary)
    write_atomically(folder.report, _page(summary, files, method))
    return _closing(folder, summary, files)


def _page(summary: Summary, files: int, method: str) -> str:
    total = sum(summary.chains.values())
    lengths = np.percentile(summary.lengths, [0, 25, 50, 75, 100]).astype(int)
    lines = [
        "# Dataset",
        "",
        f"{total} chains from {summary.sources} of {files} files; {sum(summary.reasons.values())} rejections, of which "
        f"{summary.refused_files} concern whole files (rejected.csv has each).",
        "",
        *_table(("split", "chains", "clusters"), [(k, n, summary.clusters[k]) for k, n in summary.chains.items()]),
        "",
        f"Clusters: sequences at 30 % identity over 80 % of both, by {_method(method)}. No cluster is in two splits.",
        *_empty_splits(summary),
        "",
        "## Chains",
        "",
        f"Lengths: {lengths[0]} to {lengths[4]} residues, median {lengths[2]}, half in {lengths[1]} to {lengths[3]}.",
        f"Mean shares by hydrogen bonds (DSSP): helix {summary.helix.mean():.2f}, strand {summary.strand.mean():.2f}.",
        "",
        "![lengths](lengths.png) ![secondary structure](secondary_structure.png)",
        "",
        "## Rejections by reason",
        "",
        *_table(("reason", "lines"), list(summary.reasons.items())),
        "",
    ]
    return "\n".join(lines)


def _method(method: str) -> str:
    if method == BUILT_IN:
        return "the built-in search (MMseqs2 is faster from some ten thousand chains on)"
    return "MMseqs2"


def _empty_splits(summary: Summary) -> list[str]:
    empty = [name for name, count in summary.chains.items() if not count]
    if not empty:
        return []
    return ["", f"Nothing in {' and '.join(empty)}: no cluster is small enough for its share, or the share is 0."]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    if not rows:
        return ["none"]
    # Markdown may hold HTML, and reasons hold texts of files.
    cells = [[escaped(printable(str(cell))).replace("|", "/") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def _closing(folder: PrepareFolder, summary: Summary, files: int) -> list[str]:
    splits = ", ".join(f"{count} {name} ({summary.clusters[name]} clusters)" for name, count in summary.chains.items())
    reasons = ", ".join(f"{count} {reason}" for reason, count in list(summary.reasons.items())[:_SHOWN_REASONS])
    lines = [
        f"{sum(summary.chains.values())} chains from {summary.sources} of {files} files in {folder.dataset}: {splits}",
        f"rejected: {reasons or 'nothing'} (all in {folder.rejected})",
        f"predictions, B-factors read as pLDDT: {summary.predicted} of {files} files",
    ]
    if summary.chains[TRAIN]:
        lines.append(f"next: look at {folder.report}, then gm-multimodal finetune data={folder.path}")
    return lines


def _write_pictures(folder: PrepareFolder, summary: Summary) -> None:
    # here, because matplotlib takes a second to import
    from matplotlib.figure import Figure

    def save(figure: Figure, name: str) -> None:
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
        write_atomically(folder.path / name, content.getvalue())

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(summary.lengths, bins=min(40, max(5, len(summary.lengths) // 5)), color="#4477aa")
    axes.set(xlabel="residues", ylabel="chains", title="Lengths")
    save(figure, "lengths.png")
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, 1, 21)
    axes.hist(
        [summary.helix, summary.strand], bins=bins.tolist(), label=["helix", "strand"], color=["#cc6677", "#ddaa33"]
    )
    axes.set(xlabel="share of residues (DSSP)", ylabel="chains", title="Secondary structure")
    axes.legend(frameon=False)
    save(figure, "secondary_structure.png")
