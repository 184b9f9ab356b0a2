"""What a figure means: every column of a table says how it was made, so that two tables can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from gm_multimodal.protein.backbone import Backbone


@final
@dataclass(frozen=True)
class Definition:
    """How a figure is made.

    Attributes:
        text: one sentence.
        tool: who computes it: "gm_multimodal", "biotite", "ProteinMPNN v_48_020", ...
        version: of the tool.
        atoms: which atoms it looks at, such as "CA" or "N, CA, C".
        threshold: the bound in it, with its unit; empty where there is none.
    """

    text: str
    tool: str
    version: str
    atoms: str = ""
    threshold: str = ""


class Judge(Protocol):
    """Adds columns to the table of structures; a tool that is absent is an error at construction, with what to do."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """What each of its columns means, in the order of the table."""
        ...

    def judge(self, subjects: Sequence[Backbone]) -> Sequence[Mapping[str, float | str | None]]:
        """Return the columns of each protein; None where a figure cannot be computed."""
        ...
