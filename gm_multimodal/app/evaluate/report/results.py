"""What an evaluation found, as the report shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from gm_multimodal.app.evaluate.figure_table import Table


@final
@dataclass(frozen=True)
class Results:
    """Every figure of an evaluation.

    Attributes:
        table: figures of each structure, with their definitions.
        matrix: TM-scores of the structures that were compared, the first ones, [K, K].
        across: figures of the set by kind (`across`, `distances`) and name, each with its definition.
        reference: where the reference comes from; empty without one.
        reference_rows: figures of reference structures.
    """

    table: Table
    matrix: npt.NDArray[np.floating]
    across: Mapping[str, Mapping[str, Any]]
    reference: str = ""
    reference_rows: Sequence[Mapping[str, float | None]] = ()
