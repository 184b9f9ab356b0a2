"""What a run of `design` is made with, each option resolved once: typed, or as the YAML files have it.

Remarks, tables and records read what the run computes with, never the option that set it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch

from gm_multimodal import __version__
from gm_multimodal.app.cli.foreign_code import recorded
from gm_multimodal.app.design.inputs import input_digest, read_task
from gm_multimodal.app.design.options import SHORT_FOR, DesignConfig
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.product import Product
from gm_multimodal.protein.blueprint import Blueprint
from gm_multimodal.protein.chain_names import one_letter_names
from gm_multimodal.protein.checkpoint import Checkpoint, load_checkpoint, resolve
from gm_multimodal.protein.constraints import constrain, residue_bias
from gm_multimodal.protein.design import staged
from gm_multimodal.protein.design_tasks import Task
from gm_multimodal.protein.factors import ROTATIONS, SEQUENCE
from gm_multimodal.sampling.grids import UniformGrid

_CONSTRAINTS = ("contig", "fix", "omit", "bias")
_NOT_RECORDED = ("out", "validate", "keep_best", "max_megabytes")  # they do not decide the bytes of the files


@final
@dataclass(frozen=True)
class ResolvedRun:
    """One run of `design` with nothing left to decide.

    Attributes:
        config: the options.
        task: what is given.
        checkpoint: the network, and what its file says of it.
        product: the factors, with the processes, constraints and clocks of the run.
        device: where it computes.
        threads: CPU threads that it computes with.
    """

    config: DesignConfig
    task: Task
    checkpoint: Checkpoint
    product: Product
    device: torch.device
    threads: int

    @property
    def total(self) -> int:
        """Designs of all inputs."""
        return self.config.number * self.task.inputs

    @property
    def start_time(self) -> float:
        """The time at which the simulation begins."""
        return self.config.start_time if self.config.entry.starts_from_input else 0.0

    @property
    def grid(self) -> UniformGrid:
        """The times of the simulation."""
        config = self.config
        return UniformGrid(config.steps, config.last_step, self.start_time)

    @cached_property
    def has_mapping(self) -> bool:
        """Whether mapping.csv says what residues of the input are called in the files."""
        names = (self.chain_names(self.task.blueprint(index)) for index in range(self.task.inputs))
        return self.config.entry.has_mapping or any(old != new for some in names for old, new in some.items())

    def chain_names(self, blueprint: Blueprint) -> dict[str, str]:
        """Return what the structure files call each chain of a design."""
        labels = blueprint.backbone.names
        return (
            one_letter_names(labels) if self.config.format == "pdb" else {label.chain: label.chain for label in labels}
        )

    def remarks(self, blueprint: Blueprint) -> list[str]:
        """Return what the structure file of a design says of how it was made."""
        config, process = self.config, self.product[SEQUENCE].process
        made = [f"SEED {config.seed}", f"STEPS {self.grid.steps}"]
        if (temperature := getattr(process, "temperature", None)) is not None:
            made.append(f"SEQUENCE TEMPERATURE {temperature}")
        facts = {"task": config.task.upper(), "input": blueprint.name, "start_time": self.start_time}
        remarks = [f"DESIGNED BY GM_MULTIMODAL {__version__}, CHECKPOINT {self.checkpoint.digest}", ", ".join(made)]
        remarks += [line.format(**facts) for line in config.entry.remarks]
        given = {key: getattr(config, key) for key in _CONSTRAINTS}
        remarks += [f"{key.upper()} {value}" for key, value in given.items() if value is not None]
        if "jump_weight" in (rotations := config.process[ROTATIONS]):
            remarks.append(f"ORIENTATIONS FLOW AND JUMP, WEIGHT OF THE JUMP {rotations['jump_weight']}")
        return remarks

    def record(self) -> dict[str, Any]:
        """Return what decides the bytes of the files; the place of the folder does not."""
        config = self.config
        resolved = dataclasses.replace(config, num_designs=config.number, device=self.device.type, threads=self.threads)
        content = {key: value for key, value in recorded(resolved).items() if key not in _NOT_RECORDED}
        processes: Mapping[str, Mapping[str, Any]] = config.process
        return content | {
            option: processes[factor][argument]
            for option, (factor, argument) in SHORT_FOR.items()
            if argument in processes[factor]
        }

    def made_with(self) -> dict[str, str]:
        """Return the versions and digests that a continued run must share."""
        versions = {"gm_multimodal": __version__, "torch": str(torch.__version__)}
        inputs = {"input_digest": input_digest(self.task)} if self.task.files else {}
        return {**versions, "checkpoint_digest": self.checkpoint.digest, **inputs}


def resolved_run(config: DesignConfig) -> ResolvedRun:
    """Find device, checkpoint and inputs, and build the factors.

    Raises:
        UserInputError: One of them cannot be used, or an option does not fit it.
    """
    device, threads = resolve_device(config.device), set_threads(config.threads)
    checkpoint = load_checkpoint(resolve(config.checkpoint), processes=config.process, allow_code=config.allow_code)
    product = constrain(checkpoint.product, residue_bias(config.omit, config.bias))
    if config.entry.is_staged:
        product = staged(product, structure_end=config.structure_end, sequence_start=config.sequence_start)
    return ResolvedRun(config, read_task(config), checkpoint, product, device, threads)
