"""What `gm-multimodal evaluate` accepts. Defaults and help texts stand in `configs/evaluate.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import at_least, check_device, check_filled, check_threads, literal, one_of
from gm_multimodal.errors import UserInputError

SPLITS = ("all", "train", "validation", "test")


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation of a set of structures.

    Raises:
        UserInputError: A value lies outside its bounds or choices.
    """

    reference_split: str
    max_megabytes: int
    most_compared: int
    most_candidates: int
    threads: int | str
    protein_mpnn: bool
    mpnn_sequences: int
    seed: int
    device: str
    allow_code: bool
    designs: str = literal()
    out: str = literal()
    reference: str | None = literal()
    likelihood: str | None = literal()
    esmfold: str | None = literal()
    fold_command: str | None = literal()

    def __post_init__(self) -> None:
        one_of("reference_split", self.reference_split, SPLITS)
        at_least("max_megabytes", self.max_megabytes, 1)
        at_least("most_compared", self.most_compared, 2)
        at_least("most_candidates", self.most_candidates, 1)
        check_threads(self.threads)
        check_filled("designs", self.designs)
        check_filled("out", self.out)
        at_least("mpnn_sequences", self.mpnn_sequences, 1)
        at_least("seed", self.seed, 0)
        check_device(self.device)
        for key in ("reference", "likelihood", "esmfold", "fold_command"):
            if (value := getattr(self, key)) is not None:
                check_filled(key, value)
        if self.esmfold is not None and self.fold_command is not None:
            raise UserInputError("esmfold and fold_command are both given: one tool folds, so leave one of them out.")
