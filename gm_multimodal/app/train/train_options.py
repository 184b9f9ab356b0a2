"""What `gm-multimodal train` accepts. Defaults and help texts stand in `configs/train.yaml`."""

from dataclasses import dataclass
from typing import Any

from gm_multimodal.app.train.training_options import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainingConfig):
    """One training from scratch.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    network: dict[str, Any]
    product: dict[str, dict[str, Any]]
    validate_training: bool
