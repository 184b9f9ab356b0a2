"""What all commands that train accept."""

from dataclasses import dataclass
from typing import Any

from gm_multimodal.app.cli.checks import above, at_least, check_filled, check_threads, literal, one_of, within


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run of training, on whatever data.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    seed: int
    max_megabytes: int
    ema_decay: float
    threads: int | str
    optimisation: dict[str, Any]
    trainer: dict[str, Any]
    allow_code: bool
    data: str = literal()
    out: str = literal()

    def __post_init__(self) -> None:
        at_least("seed", self.seed, 0)
        at_least("max_megabytes", self.max_megabytes, 1)
        within("ema_decay", self.ema_decay, 0, 1)
        check_threads(self.threads)
        check_filled("data", self.data)
        check_filled("out", self.out)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(RunConfig):
    """One run of training on chains.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    sequences: str
    min_length: int
    max_length: int
    max_gyration_ratio: float | None
    max_coil: float | None
    residues_per_batch: int
    batch_doubles_at: list[float]
    self_conditioning: float
    curriculum: dict[str, Any]
    auxiliary: dict[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("sequences", self.sequences, ("native", "redesigned", "soft"))
        at_least("min_length", self.min_length, 4)
        at_least("max_length", self.max_length, self.min_length, "it is the upper end of the range")
        at_least("residues_per_batch", self.residues_per_batch, 1)
        for share in self.batch_doubles_at:
            within("batch_doubles_at", share, 0, 1)
        for key, value in {"max_gyration_ratio": self.max_gyration_ratio, "max_coil": self.max_coil}.items():
            if value is not None:
                above(key, value, 0)
        within("self_conditioning", self.self_conditioning, 0, 1)
