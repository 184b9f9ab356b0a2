"""The page."""

from collections.abc import Sequence
from pathlib import Path

from gm_multimodal.app.evaluation.inputs import Rejected
from gm_multimodal.app.report.results import Results


def write_report(path: Path, results: Results, rejected: Sequence[Rejected]) -> None:
    """Write the report."""
