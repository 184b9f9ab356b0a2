"""Images and labels as they lie in files."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Split = Literal["train", "test"]


class RawImages(NamedTuple):
    """What a reader of a format returns: images uint8 [N, C, H, W], and labels int64 [N] counted from 0, or None."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
