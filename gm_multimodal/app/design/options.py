"""What `gm-multimodal design` accepts. Defaults and help texts stand in `configs/design.yaml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from omegaconf import Container, OmegaConf

from gm_multimodal.app.cli.checks import (
    above,
    at_least,
    between,
    check_device,
    check_filled,
    check_threads,
    literal,
    one_of,
    within,
)
from gm_multimodal.app.cli.options import as_text, config_directory, read_command
from gm_multimodal.app.design.tasks import TASKS, TaskEntry, readers
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.residues import MOST_RESIDUES

SHORTEST = 20
AUTO_LENGTH = 100
AUTO_NUMBER = 8
FORMATS = ("pdb", "cif")

SHORT_FOR: Final = {"sequence_temperature": ("sequence", "temperature"), "jump_weight": ("rotations", "jump_weight")}
"""Option -> the factor and the argument of its process that it stands for: what the process has is what counts."""

TO_CHOOSE_FROM: Final = 8  # designs for each that is kept
_RANGE: Final = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


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
            within("length", self.chain_length, SHORTEST, MOST_RESIDUES)
        if self.keep_best is not None and not 1 <= self.keep_best < self.number:
            raise UserInputError(
                f"keep_best={self.keep_best} of num_designs={self.number} leaves nothing to choose: give 1 or more, "
                f"and ask for more designs, such as num_designs={TO_CHOOSE_FROM * max(self.keep_best, 1)}."
            )
        at_least("num_designs", self.number, 1)
        at_least("seed", self.seed, 0)
        between("start_time", self.start_time, 0, 1)
        at_least("steps", self.steps, 1)
        between("last_step", self.last_step, 0, 1)
        within("structure_end", self.structure_end, 0.1, 1)
        within("sequence_start", self.sequence_start, 0, 0.9)
        within("jump_weight", self.jump_weight, 0, 1)
        above("sequence_temperature", self.sequence_temperature, 0)
        self._check_short_forms()
        at_least("max_megabytes", self.max_megabytes, 1)
        at_least("batch_size", self.batch_size, 1)
        check_device(self.device)
        one_of("format", self.format, FORMATS)
        check_threads(self.threads)
        check_filled("out", self.out)
        check_filled("checkpoint", self.checkpoint)

    @property
    def entry(self) -> TaskEntry:
        """What is said of the task in the table of tasks."""
        return TASKS[self.task]

    @property
    def number(self) -> int:
        """Designs of each input.

        Raises:
            UserInputError: `num_designs` is not a whole number.
        """
        if self.num_designs == "auto":
            return AUTO_NUMBER if self.keep_best is None else TO_CHOOSE_FROM * self.keep_best
        if isinstance(self.num_designs, str):
            raise UserInputError(f"num_designs={self.num_designs} is not a whole number: give for example 8.")
        return self.num_designs

    @property
    def chain_length(self) -> int:
        """Residues of a chain that is designed from nothing.

        Raises:
            UserInputError: `length` is not a whole number.
        """
        if self.length == "auto":
            return AUTO_LENGTH
        if isinstance(self.length, str):
            raise UserInputError(f"length={self.length} is not a whole number: give for example length={AUTO_LENGTH}.")
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
            raise UserInputError(f"length={self.length} is not a number of residues: give one, or a range like 60-90.")
        within("length", int(match[2] or match[1]), 1, MOST_RESIDUES)
        return int(match[1]), int(match[2] or match[1])

    def _check_options_of_tasks(self) -> None:
        for option in _defaults():
            tasks = readers(option)
            if tasks and self.task not in tasks and self._is_set(option):
                raise UserInputError(
                    f"{option}={getattr(self, option)} has no meaning for task={self.task}: it belongs to "
                    f"task={' or task='.join(tasks)}."
                )
        for option in self.entry.needs:
            if getattr(self, option) is None:
                raise UserInputError(f"task={self.task} needs {option}: give {option}=VALUE.")
            check_filled(option, getattr(self, option))
        if "contig" in self.entry.needs:
            _ = self.total_length
        if "redesign_motif_sequence" in self.entry.reads and self.fix is not None and not self.redesign_motif_sequence:
            raise UserInputError(
                f"fix={self.fix} has no effect: without redesign_motif_sequence=true a motif keeps its sequence."
            )

    def _check_short_forms(self) -> None:
        """Refuse an option that stands for an argument of a process if the process has none, or another value."""
        for option, (factor, argument) in SHORT_FOR.items():
            node, value = self.process.get(factor, {}), getattr(self, option)
            if not self._is_set(option):
                continue
            if argument not in node:
                offers = _offering(factor, option)
                raise UserInputError(f"{option}={value} has no effect here: add process/{factor}={offers}.")
            if node[argument] != value:
                raise UserInputError(
                    f"{option}={value} and process.{factor}.{argument}={node[argument]} set the same thing: "
                    "leave one of them out."
                )

    def _is_set(self, option: str) -> bool:
        """Return whether an option has another value than its YAML file gives it."""
        return as_text(getattr(self, option)) != _defaults()[option]


@cache
def _defaults() -> Mapping[str, str]:
    return {option.key: option.default for option in read_command("design").options}


def _offering(factor: str, option: str) -> str:
    """Return the choices of a config group whose process has an argument that an option stands for."""
    files = sorted((config_directory() / "process" / factor).glob("*.yaml"))
    return " or ".join(file.stem for file in files if f"${{{option}}}" in file.read_text(encoding="utf-8"))


def _default_folder(*, _root_: Container) -> str:
    """Return where designs go unless `out` says otherwise."""
    config = OmegaConf.to_container(_root_, resolve=False)
    assert isinstance(config, dict)
    length = AUTO_LENGTH if config["length"] == "auto" else config["length"]
    name = f"length{length}" if config["task"] == "codesign" else config["task"]
    return f"designs/{name}_seed{config['seed']}"


OmegaConf.register_new_resolver("default_folder", _default_folder, replace=True)
