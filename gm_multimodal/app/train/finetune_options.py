"""What `gm-multimodal finetune` accepts. Defaults and help texts stand in `configs/finetune.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import at_least, between, check_filled, literal, one_of
from gm_multimodal.app.train.training_options import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingConfig):
    """One fine-tuning.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    trainable: str
    patience: int
    replay_share: float
    checkpoint: str = literal()
    replay: str | None = literal()

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("trainable", self.trainable, ("all", "heads"))
        at_least("patience", self.patience, 1)
        between("replay_share", self.replay_share, 0, 1)
        check_filled("checkpoint", self.checkpoint)
        if self.replay is not None:
            check_filled("replay", self.replay)
