"""What `gm-multimodal design` accepts. Defaults and help texts stand in `configs/design.yaml`."""

import re
from dataclasses import dataclass
from typing import Any, Final

from gm_multimodal.app.cli.checks import (
    above,
    at_least,
    between,
    check_filled,
    check_threads,
    literal,
    one_of,
    within,
)
from gm_multimodal.errors import UserInputError

SHORTEST = 20
DEFAULT_LENGTH = 100
DEFAULT_NUMBER = 8
DEVICES = ("auto", "cpu", "cuda", "mps")
FORMATS = ("pdb", "cif")

_MAKES_SEQUENCES: Final = ("codesign", "inverse_fold", "motif", "partial")

BELONGS: Final = {
    "length": ("auto", ("codesign", "motif")),
    "fasta": (None, ("fold",)),
    "structure": (None, ("inverse_fold", "motif", "partial")),
    "contig": (None, ("motif",)),
    "redesign_motif_sequence": (False, ("motif",)),
    "start_time": (0.6, ("partial",)),
    "fix": (None, ("inverse_fold", "motif", "partial")),
    "structure_end": (0.7, ("codesign",)),
    "sequence_start": (0.7, ("codesign",)),
    "ideal_bonds": (True, ("codesign", "fold", "motif", "partial")),
    "omit": (None, _MAKES_SEQUENCES),
    "bias": (None, _MAKES_SEQUENCES),
    "sequence_temperature": (0.2, _MAKES_SEQUENCES),
}
"""Option -> its default, and the tasks that read it; the other tasks refuse another value."""

TASKS: Final = {
    "codesign": (),
    "fold": ("fasta",),
    "inverse_fold": ("structure",),
    "motif": ("structure", "contig"),
    "partial": ("structure",),
}
"""Task -> the options without which it is nothing."""

_JUMP_WEIGHT: Final = 0.5
_TO_CHOOSE_FROM: Final = 8  # designs for each that is kept
_RANGE: Final = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class DesignConfig:
    """One run of `design`: num_designs proteins for every input of a task, sampled in `steps` steps from `seed`.

    Raises:
        UserInputError: A value lies outside its bounds or choices, or an option has no meaning for the task.
    """

    task: str
    length: int | str
    num_designs: int | str
    keep_best: int | None
    seed: int
    redesign_motif_sequence: bool
    start_time: float
    steps: int
    last_step: float
    structure_end: float
    sequence_start: float
    ideal_bonds: bool
    jump_weight: float
    sequence_temperature: float
    max_megabytes: int
    batch_size: int
    device: str
    threads: int | str
    format: str
    trajectories: bool
    validate: bool
    allow_code: bool
    process: dict[str, dict[str, Any]]
    out: str = literal()
    checkpoint: str = literal()
    fasta: str | None = literal()
    structure: str | None = literal()
    contig: str | None = literal()
    fix: str | None = literal()
    omit: str | None = literal()
    bias: str | None = literal()

    def __post_init__(self) -> None:
        one_of("task", self.task, TASKS)
        self._check_options_of_tasks()
        if self.task == "codesign":
            at_least("length", self.chain_length, SHORTEST, "shorter chains have no fold to design")
        if self.keep_best is not None and not 1 <= self.keep_best < self.number:
            raise UserInputError(
                f"keep_best={self.keep_best} of num_designs={self.number} leaves nothing to choose: give 1 or more, "
                f"and ask for more designs, such as num_designs={_TO_CHOOSE_FROM * max(self.keep_best, 1)}."
            )
        at_least("num_designs", self.number, 1)
        at_least("seed", self.seed, 0)
        between("start_time", self.start_time, 0, 1)
        at_least("steps", self.steps, 1)
        between("last_step", self.last_step, 0, 1)
        within("structure_end", self.structure_end, 0.1, 1)
        within("sequence_start", self.sequence_start, 0, 0.9)
        within("jump_weight", self.jump_weight, 0, 1)
        if self.jump_weight != _JUMP_WEIGHT and "jump_weight" not in self.process.get("rotations", {}):
            raise UserInputError(
                f"jump_weight={self.jump_weight} is without effect here: add process/rotations=superposition."
            )
        above("sequence_temperature", self.sequence_temperature, 0)
        at_least("max_megabytes", self.max_megabytes, 1)
        at_least("batch_size", self.batch_size, 1)
        one_of("device", self.device, DEVICES)
        one_of("format", self.format, FORMATS)
        check_threads(self.threads)
        check_filled("out", self.out)
        check_filled("checkpoint", self.checkpoint)

    @property
    def number(self) -> int:
        """Designs of each input.

        Raises:
            UserInputError: `num_designs` is no whole number.
        """
        if self.num_designs == "auto":
            return DEFAULT_NUMBER if self.keep_best is None else _TO_CHOOSE_FROM * self.keep_best
        if isinstance(self.num_designs, str):
            raise UserInputError(f"num_designs={self.num_designs} is not a whole number: give for example 8.")
        return self.num_designs

    @property
    def chain_length(self) -> int:
        """Residues of a chain that is designed from nothing.

        Raises:
            UserInputError: `length` is no whole number.
        """
        if self.length == "auto":
            return DEFAULT_LENGTH
        if isinstance(self.length, str):
            raise UserInputError(
                f"length={self.length} is not a whole number: give for example length={DEFAULT_LENGTH}."
            )
        return self.length

    @property
    def total_length(self) -> tuple[int, int] | None:
        """Least and greatest total number of residues around a motif; None leaves it to the contig.

        Raises:
            UserInputError: `length` is neither a number nor a range.
        """
        if self.length == "auto":
            return None
        match = _RANGE.fullmatch(str(self.length))
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise UserInputError(f"length={self.length} is no total of residues: give a number, or a range like 60-90.")
        return int(match[1]), int(match[2] or match[1])

    def _check_options_of_tasks(self) -> None:
        for key, (default, tasks) in BELONGS.items():
            if self.task not in tasks and getattr(self, key) != default:
                raise UserInputError(
                    f"{key}={getattr(self, key)} has no meaning for task={self.task}: it belongs to "
                    f"task={' or task='.join(tasks)}."
                )
        for key in TASKS[self.task]:
            if getattr(self, key) is None:
                raise UserInputError(f"task={self.task} needs {key}: give {key}=VALUE.")
            check_filled(key, getattr(self, key))
        if self.task == "motif":
            _ = self.total_length
            if self.fix is not None and not self.redesign_motif_sequence:
                raise UserInputError(
                    f"fix={self.fix} has no effect: without redesign_motif_sequence=true a motif keeps its sequence."
                )
