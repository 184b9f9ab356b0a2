"""`gm-multimodal evaluate`: measure structures one by one, against each other and against real proteins."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from gm_multimodal import __version__
from gm_multimodal.app.differences import refuse_differences
from gm_multimodal.app.evaluation.inputs import read_structures, structure_files
from gm_multimodal.app.evaluation.judging import judged
from gm_multimodal.app.evaluation.kept import Kept
from gm_multimodal.app.evaluation.tables import Table, write_json, write_rejected
from gm_multimodal.app.run_folder import writing
from gm_multimodal.app.schemas.evaluate import EvaluateConfig
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.metrics import per_structure
from gm_multimodal.protein.metrics.definition import Judge
from gm_multimodal.protein.output import write_atomically

RECORD = "evaluation.yaml"
_HEADER = "# An evaluation by `gm-multimodal evaluate`: the same command in the same place continues it.\n"
_OUTPUTS = ("metrics.csv", "summary.json", "report.html", "rejected.csv")


@dataclass(frozen=True)
class EvaluationReport:
    """What an evaluation left behind.

    Attributes:
        folder: where its files lie.
        structures: how many were measured.
        rejected: how many files could not be read.
    """

    folder: Path
    structures: int
    rejected: int


def evaluate(config: EvaluateConfig, judges: Sequence[Judge] = ()) -> EvaluationReport:
    """Measure every structure, write the tables and the report.

    What takes long is kept by the content of the files: a re-run computes only what is new.

    Args:
        config: what to measure and where to write.
        judges: who else looks at each structure and adds columns.

    Raises:
        UserInputError: There is no structure that can be read, or the folder cannot be used.
        KeyboardInterrupt: After Ctrl-C, saying how to continue.
    """
    files = structure_files("designs", config.designs)
    out = Path(config.out)
    with writing(out):
        _open(out, config)
        structures, rejected = read_structures(files)
        write_rejected(out / "rejected.csv", rejected)
        if not structures:
            raise UserInputError(
                f"designs={config.designs}: none of {len(files)} files can be read; {out / 'rejected.csv'} says why. "
                f"The first: {rejected[0].reason}"
            )
        table, kept = Table(structures), Kept(out / "kept.jsonl")
        try:
            _measure(table)
            for judge in judges:
                with _progress("judge", len(structures), "structure") as advance:
                    table.add(judge.definitions, judged(judge, structures, kept, advance))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped; what is done is kept in {out}, and the same command continues."
            ) from None
        table.write(out / "metrics.csv")
        write_json(out / "summary.json", {**_heading(config, table, len(rejected)), "metrics": table.summary()})
    report = EvaluationReport(out, len(structures), len(rejected))
    print(_closing(report))
    return report


def _open(out: Path, config: EvaluateConfig) -> None:
    """Create the folder or take up the evaluation that is there; it may lie in the run folder of the designs."""
    out.mkdir(parents=True, exist_ok=True)
    record = out / RECORD
    wanted = {"designs": config.designs}
    if record.exists():
        old = yaml.safe_load(record.read_text(encoding="utf-8"))
        refuse_differences(out, {"designs": (old or {}).get("designs")}, wanted)
    elif foreign := [name for name in _OUTPUTS if (out / name).exists()]:
        raise UserInputError(f"{out} holds {foreign[0]} but no evaluation of ours: give another out=FOLDER.")
    content = {**dataclasses.asdict(config), "made_with": {"gm_multimodal": __version__}}
    write_atomically(record, _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _measure(table: Table) -> None:
    """Add the figures that each structure has on its own."""
    rows: list[dict[str, Any]] = []
    with _progress("measure", len(table.structures), "structure") as advance:
        for structure in table.structures:
            figures, reasons = per_structure.measure(structure)
            rows.append({**figures, **{f"{column} reason": reason for column, reason in reasons.items()}})
            advance(1)
    table.add(per_structure.definitions(), rows)


def _heading(config: EvaluateConfig, table: Table, rejected: int) -> dict[str, Any]:
    return {
        "designs": config.designs,
        "structures": len(table.structures),
        "rejected": rejected,
        "reference": config.reference,
        "reference_split": config.reference_split,
        "most_compared": config.most_compared,
        "most_candidates": config.most_candidates,
        "threads": config.threads,
        "gm_multimodal": __version__,
    }


@contextmanager
def _progress(name: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show how far a part of the evaluation is; a log file gets a line now and then, a terminal a lively bar."""
    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(total=total, desc=name, unit=unit, mininterval=interval, disable=total == 0) as bar:
        yield bar.update


def _closing(report: EvaluationReport) -> str:
    rejected = f", {report.rejected} files rejected (see rejected.csv)" if report.rejected else ""
    plural = "s" if report.structures != 1 else ""
    return f"{report.structures} structure{plural} measured{rejected}: {report.folder}"
