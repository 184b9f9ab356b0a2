"""The tasks of `design`, as a table: what each needs and reads, and what tells its simulation and its files apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

_INPUTS: Final = "gm_multimodal.app.design.inputs"
_INPUT: Final = "TASK {task}, INPUT {input}"
_NOISED: Final = "THE SIMULATION BEGAN WITH THE INPUT NOISED TO TIME {start_time}"
_MAKES_SEQUENCES: Final = ("omit", "bias", "sequence_temperature")


@final
@dataclass(frozen=True)
class TaskEntry:
    """One task.

    Attributes:
        needs: options without which it is nothing.
        reads: further options that it reads and that not every task does.
        reader: the function that reads what is given, as "module:name".
        remarks: lines of its structure files; in braces the task, the name of the input, and options.
        is_staged: whether the structure arrives before the sequence sets out. Around a motif they run together: a
            structure that settles early meets a fixed frame less well (of the CA distances where motif and new residues
            meet, 0.51 were right against 0.68; docs/measurements/tasks.md).
        starts_from_input: whether the simulation begins at `start_time` with the input, and not with noise.
        has_mapping: whether mapping.csv says where the residues of the input stand.
    """

    needs: tuple[str, ...]
    reads: tuple[str, ...]
    reader: str
    remarks: tuple[str, ...] = (_INPUT,)
    is_staged: bool = False
    starts_from_input: bool = False
    has_mapping: bool = False


TASKS: Final[Mapping[str, TaskEntry]] = MappingProxyType(
    {
        "codesign": TaskEntry(
            needs=(),
            reads=("length", "structure_end", "sequence_start", "ideal_bonds", *_MAKES_SEQUENCES),
            reader=f"{_INPUTS}:read_codesign",
            remarks=(),
            is_staged=True,
        ),
        "fold": TaskEntry(needs=("fasta",), reads=("ideal_bonds",), reader=f"{_INPUTS}:read_fold"),
        "inverse_fold": TaskEntry(
            needs=("structure",),
            reads=("fix", *_MAKES_SEQUENCES),
            reader=f"{_INPUTS}:read_inverse_fold",
        ),
        "motif": TaskEntry(
            needs=("structure", "contig"),
            reads=("length", "redesign_motif_sequence", "fix", "ideal_bonds", *_MAKES_SEQUENCES),
            reader=f"{_INPUTS}:read_motif",
            has_mapping=True,
        ),
        "partial": TaskEntry(
            needs=("structure",),
            reads=("start_time", "fix", "ideal_bonds", *_MAKES_SEQUENCES),
            reader=f"{_INPUTS}:read_partial",
            remarks=(_INPUT, _NOISED),
            starts_from_input=True,
        ),
    }
)


def readers(option: str) -> tuple[str, ...]:
    """Return the tasks that read an option; those of an option of all tasks are none in particular."""
    return tuple(name for name, entry in TASKS.items() if option in (*entry.needs, *entry.reads))
