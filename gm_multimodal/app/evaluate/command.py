"""`gm-multimodal evaluate`: measure structures one by one, against each other and against real proteins."""

import dataclasses
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gm_multimodal import __version__
from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import remark, show
from gm_multimodal.app.evaluate import comparison, reference
from gm_multimodal.app.evaluate.figure_table import Table, write_json, write_rejected
from gm_multimodal.app.evaluate.inputs import Rejected, read_structures, structure_files
from gm_multimodal.app.evaluate.judges import judges_of
from gm_multimodal.app.evaluate.judging import judged
from gm_multimodal.app.evaluate.known_figures import Kept
from gm_multimodal.app.evaluate.options import EvaluateConfig
from gm_multimodal.app.evaluate.report.page import write_report
from gm_multimodal.app.evaluate.report.results import Results
from gm_multimodal.app.folders.hold import only_run_in, writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.metrics import per_structure
from gm_multimodal.protein.metrics.figures import Judge
from gm_multimodal.protein.metrics.structure import Structure
from gm_multimodal.protein.reading_notes import told

_KEPT = "kept.jsonl"
_OUTPUTS = ("metrics.csv", "summary.json", "report.html", "rejected.csv", _KEPT)
# The folder may be the run folder of the designs, which has a record of its own.
_RECORD = RunRecord(
    "an evaluation",
    "made_with",
    "|".join(map(re.escape, _OUTPUTS)),
    name="evaluation.yaml",
    refused=_OUTPUTS,
    decisive=("designs",),
)


@dataclass(frozen=True)
class EvaluationReport:
    """What an evaluation left behind.

    Attributes:
        folder: where its files lie.
        table: figures of each structure.
        summary: what summary.json holds.
        rejected: files that could not be read.
    """

    folder: Path
    table: Table
    summary: dict[str, Any]
    rejected: Sequence[Rejected]


def evaluate(config: EvaluateConfig, judges: Sequence[Judge] = ()) -> EvaluationReport:
    """Measure every structure, write the tables and the report.

    What takes long is kept by the content of the files: a re-run computes only what is new.

    Args:
        config: what to measure and where to write.
        judges: who else looks at each structure and adds columns, after those that the configuration asks for.

    Raises:
        UserInputError: There is no structure that can be read, the folder cannot be used, or a tool that is asked for
            is absent.
        KeyboardInterrupt: After Ctrl-C, saying how to continue.
    """
    limit = config.max_megabytes * MEGABYTE
    files = structure_files("designs", config.designs)
    compare_with = (
        None if config.reference is None else reference.read_reference(config.reference, config.reference_split, limit)
    )
    asked = judges_of(config)
    out = Path(config.out)
    with only_run_in(out), writing(out):
        _RECORD.keep(out, {**recorded(config), _RECORD.mark: {"gm_multimodal": __version__}})
        structures, rejected = _read(files, limit)
        write_rejected(out / "rejected.csv", rejected)
        if not structures:
            raise UserInputError(
                f"designs={config.designs}: none of {len(files)} files can be read; {out / 'rejected.csv'} says why. "
                f"The first: {rejected[0].reason}"
            )
        try:
            results = _results(config, Table(structures), compare_with, [*asked, *judges], Kept(out / _KEPT))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; {out} keeps what is done, and the same command continues.") from None
        results.table.write(out / "metrics.csv")
        summary = {
            "designs": config.designs,
            "structures": len(structures),
            "rejected": len(rejected),
            "reference": None if compare_with is None else compare_with.source,
            "gm_multimodal": __version__,
            "metrics": results.table.summary(),
            **results.across,
        }
        write_json(out / "summary.json", summary)
        write_report(out / "report.html", results, rejected)
    report = EvaluationReport(out, results.table, summary, rejected)
    show(*_closing(report))
    return report


def _read(files: Sequence[Path], max_bytes: int) -> tuple[list[Structure], list[Rejected]]:
    """Read the structures, and say what was left out of their files."""
    found = read_structures(files, max_bytes)
    for line in told(found.notes):
        remark("gm-multimodal evaluate: note", line)
    return found.structures, found.rejected


def _results(
    config: EvaluateConfig,
    table: Table,
    compare_with: reference.Reference | None,
    judges: Sequence[Judge],
    kept: Kept,
) -> Results:
    """Compute every figure: of each structure, of the set, and against the reference."""
    threads = config.threads if isinstance(config.threads, int) else os.cpu_count() or 1
    structures, count = table.structures, len(table.structures)
    with progress_bar("measure", count, "structure") as advance:
        _measure(table, advance)
    some = structures[: config.most_compared]
    with progress_bar("compare", len(some) * (len(some) - 1) // 2, "pair") as advance:
        matrix = comparison.kept_tm_matrix(some, kept, threads, advance)
    table.add(*comparison.columns(matrix, count))
    results = Results(table, matrix, {"across": comparison.across(matrix)})
    if compare_with is not None:
        with progress_bar("look up", count, "structure") as advance:
            columns = reference.novelty(
                structures, compare_with, kept, candidates=config.most_candidates, progress=advance
            )
        table.add(*columns)
        results = _against(results, compare_with, kept)
    for judge in judges:
        with progress_bar(next(iter(judge.definitions), "judge"), count, "structure") as advance:
            table.add(judge.definitions, judged(judge, structures, kept, advance))
    return results


def _measure(table: Table, advance: Any) -> None:
    """Add the figures that each structure has on its own."""
    rows: list[dict[str, Any]] = []
    for structure in table.structures:
        figures, reasons = per_structure.measure(structure)
        rows.append({**figures, **{f"{column} reason": reason for column, reason in reasons.items()}})
        advance(1)
    table.add(per_structure.definitions(), rows)


def _against(results: Results, compare_with: reference.Reference, kept: Kept) -> Results:
    """Add how far the structures' figures are from those of the reference."""
    structures = results.table.structures
    chosen = reference.described(structures, compare_with)
    with progress_bar("describe reference", len(chosen), "structure") as advance:
        theirs = reference.reference_figures(chosen, compare_with, kept, advance)
    ours = [{"length": float(len(item)), **row} for item, row in zip(structures, results.table.rows, strict=True)]
    found = reference.distances(ours, structures, theirs, chosen, compare_with.source)
    return dataclasses.replace(
        results, across={**results.across, "distances": found}, reference=compare_with.source, reference_rows=theirs
    )


def _closing(report: EvaluationReport) -> list[str]:
    count, set_aside = len(report.table.structures), len(report.rejected)
    alike = report.summary["across"]["clusters"]["value"]
    rejected = f", {_counted(set_aside, 'file')} set aside (rejected.csv says why)" if set_aside else ""
    clusters = f", {_counted(alike, 'cluster')} at TM 0.5" if count > 1 else ""
    return [
        f"{_counted(count, 'structure')} measured{rejected}{clusters}: {report.folder}",
        f"next: open {report.folder / 'report.html'} in a browser; summary.json says what each column of "
        "metrics.csv means",
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
