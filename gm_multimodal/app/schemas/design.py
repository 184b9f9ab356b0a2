"""What `gm-multimodal design` accepts. Defaults and help texts stand in `configs/design.yaml`."""

from dataclasses import dataclass
from typing import Any

from gm_multimodal.app.schemas.checks import (
    above,
    at_least,
    between,
    check_filled,
    check_threads,
    literal,
    one_of,
    within,
)

SHORTEST = 20
DEVICES = ("auto", "cpu", "cuda", "mps")
FORMATS = ("pdb", "cif")


@dataclass(frozen=True)
class DesignConfig:
    """One run of `design`: num_designs proteins of `length` residues, sampled in `steps` steps from `seed`.

    Raises:
        UserInputError: A value lies outside its bounds or choices.
    """

    length: int
    num_designs: int
    seed: int
    steps: int
    last_step: float
    jump_weight: float
    sequence_temperature: float
    batch_size: int
    device: str
    threads: int | str
    format: str
    trajectories: bool
    process: dict[str, dict[str, Any]]
    out: str = literal()
    checkpoint: str = literal()

    def __post_init__(self) -> None:
        at_least("length", self.length, SHORTEST, "shorter chains have no fold to design")
        at_least("num_designs", self.num_designs, 1)
        at_least("seed", self.seed, 0)
        at_least("steps", self.steps, 1)
        between("last_step", self.last_step, 0, 1)
        within("jump_weight", self.jump_weight, 0, 1)
        above("sequence_temperature", self.sequence_temperature, 0)
        at_least("batch_size", self.batch_size, 1)
        one_of("device", self.device, DEVICES)
        one_of("format", self.format, FORMATS)
        check_threads(self.threads)
        check_filled("out", self.out)
        check_filled("checkpoint", self.checkpoint)
