"""What `gm-multimodal evaluate` accepts. Defaults and help texts stand in `configs/evaluate.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.schemas.checks import at_least, check_filled, check_threads, literal, one_of

SPLITS = ("all", "train", "validation", "test")


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation of a set of structures.

    Raises:
        UserInputError: A value lies outside its bounds or choices.
    """

    reference_split: str
    most_compared: int
    most_candidates: int
    threads: int | str
    designs: str = literal()
    out: str = literal()
    reference: str | None = literal()

    def __post_init__(self) -> None:
        one_of("reference_split", self.reference_split, SPLITS)
        at_least("most_compared", self.most_compared, 2)
        at_least("most_candidates", self.most_candidates, 1)
        check_threads(self.threads)
        check_filled("designs", self.designs)
        check_filled("out", self.out)
        if self.reference is not None:
            check_filled("reference", self.reference)
