"""What `gm-multimodal prepare` accepts. Defaults and help texts stand in `configs/prepare.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import above, at_least, check_filled, literal, one_of, within
from gm_multimodal.errors import UserInputError


@dataclass(frozen=True)
class PrepareConfig:
    """One dataset.

    Raises:
        UserInputError: A value lies outside its bounds or choices.
    """

    download: bool
    models: str
    gaps: str
    predicted: str | bool
    min_length: int
    max_length: int
    max_resolution: float | None
    min_plddt: float | None
    max_coil: float | None
    max_gyration_ratio: float | None
    max_broken: float
    keep_duplicates: bool
    clustering: str
    validation_share: float
    test_share: float
    seed: int
    max_megabytes: int
    max_seconds: int
    workers: int | str
    structures: str = literal()
    out: str = literal()
    chains: str = literal()

    def __post_init__(self) -> None:
        check_filled("structures", self.structures)
        check_filled("out", self.out)
        check_filled("chains", self.chains)
        one_of("models", self.models, ("first", "all"))
        one_of("gaps", self.gaps, ("split", "mark", "reject"))
        one_of("predicted", str(self.predicted).lower(), ("auto", "true", "false"))
        at_least("min_length", self.min_length, 4)
        at_least("max_length", self.max_length, self.min_length, "it is the upper end of the range")
        for key in ("max_resolution", "max_coil", "max_gyration_ratio"):
            if getattr(self, key) is not None:
                above(key, getattr(self, key), 0)
        if self.min_plddt is not None:
            within("min_plddt", self.min_plddt, 0, 100)
        within("max_broken", self.max_broken, 0, 1)
        one_of("clustering", self.clustering, ("auto", "mmseqs", "built-in"))
        for key in ("validation_share", "test_share"):
            within(key, getattr(self, key), 0, 1)
        if self.validation_share + self.test_share >= 1:
            raise UserInputError(
                f"validation_share={self.validation_share} and test_share={self.test_share} leave nothing to train on: "
                "give shares whose sum is below 1."
            )
        at_least("seed", self.seed, 0)
        at_least("max_megabytes", self.max_megabytes, 1)
        at_least("max_seconds", self.max_seconds, 1)
        if isinstance(self.workers, str):
            if self.workers != "auto":
                raise UserInputError(f"workers={self.workers} is neither auto nor a whole number: give workers=2.")
        else:
            at_least("workers", self.workers, 1)
