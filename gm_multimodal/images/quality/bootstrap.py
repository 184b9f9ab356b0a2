"""How far chance alone moves a Fréchet distance."""

from typing import Final

import torch
from torch import Tensor

from gm_multimodal.frechet import Moments

_DRAWS: Final = 50


def bootstrap_error(a: Tensor, b: Tensor, *, seed: int, draws: int = _DRAWS) -> float:
    """Return the standard error of the distance: its deviation over redraws of the rows of `a` with replacement.

    `b`, the features of the data, is the same for all samples that are compared, and stays as it is. Redraws are
    themselves at a greater distance than `a` (a row that comes twice is not new): take their spread, not their mean.
    """
    rng = torch.Generator().manual_seed(seed)
    data = Moments.of(b)
    distances = [
        Moments.of(a[torch.randint(len(a), (len(a),), generator=rng).to(a.device)]).distance(data) for _ in range(draws)
    ]
    return float(torch.tensor(distances, dtype=torch.float64).std())
