"""What `gm-multimodal images train` accepts. Defaults and help texts stand in `configs/images_train.yaml`."""

from dataclasses import dataclass
from typing import Any

from gm_multimodal.app.schemas.checks import at_least, check_filled, check_threads, literal, within
from gm_multimodal.errors import UserInputError


@dataclass(frozen=True)
class ImageTrainConfig:
    """One training on images.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    seed: int
    bins: int | str
    batch_size: int
    mirrored: bool
    ema_decay: float
    threads: int | str
    unet: dict[str, Any]
    optimisation: dict[str, Any]
    trainer: dict[str, Any]
    data: str = literal()
    out: str = literal()

    def __post_init__(self) -> None:
        at_least("seed", self.seed, 0)
        check_bins(self.bins)
        at_least("batch_size", self.batch_size, 1)
        within("ema_decay", self.ema_decay, 0, 1)
        check_threads(self.threads)
        check_filled("data", self.data)
        check_filled("out", self.out)


def check_bins(bins: int | str) -> None:
    """Raise unless bins is a whole number from 2 on or the word auto.

    Raises:
        UserInputError: It is neither.
    """
    if isinstance(bins, str):
        if bins != "auto":
            raise UserInputError(f"bins={bins} is neither auto nor a whole number: give for example bins=65.")
    else:
        at_least("bins", bins, 2)
