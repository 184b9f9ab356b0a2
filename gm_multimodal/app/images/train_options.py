"""What `gm-multimodal images train` accepts. Defaults and help texts stand in `configs/images_train.yaml`."""

from dataclasses import dataclass
from typing import Any

from gm_multimodal.app.cli.checks import at_least, auto_or_at_least
from gm_multimodal.app.train.training_options import RunConfig


@dataclass(frozen=True, kw_only=True)
class ImageTrainConfig(RunConfig):
    """One training on images.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    bins: int | str
    batch_size: int
    mirrored: bool
    unet: dict[str, Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        auto_or_at_least("bins", self.bins, 2, 65)
        at_least("batch_size", self.batch_size, 1)
