"""The evidence lower bound of the masking process: how likely the model finds a sequence."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.checks import check_known
from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.network import Network, predict
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.posterior import CategoricalPrediction
from gm_multimodal.product import Known, Product, factor_of
from gm_multimodal.spaces.categorical import MaskedCategorical


@final
@dataclass(frozen=True)
class MaskingTerms:
    """Draws of the terms of a bound, one per row.

    Attributes:
        weights: n / m at the m masked sites of n, 0 elsewhere, [B, N].
        losses: -log p(z_i | x_t) at masked sites, 0 elsewhere, [B, N] (nat).
    """

    weights: Tensor
    losses: Tensor

    @property
    def totals(self) -> Tensor:
        """What each row says of the bound on -log p(z), [B] (nat); their mean is unbiased."""
        return (self.weights * self.losses).sum(-1)

    @property
    def per_site(self) -> Tensor:
        """What every site takes of the bound, from all rows, [N] (nat); nan where no row masked it, as at given ones.

        The weighted mean of its losses: a ratio of two means, and so biased by the order of one over the rows, but far
        less noisy than its numerator.
        """
        return (self.weights * self.losses).sum(0) / self.weights.sum(0)


@torch.inference_mode()
def masking_terms(network: Network, product: Product, known: Known, factor: str, noise: Noise) -> MaskingTerms:
    """Draw terms of -log p(z) <= integral over t in [0, 1] of E sum_(masked i) -log p(z_i | x_t) / (1 - t).

    Up to the clip this is the loss of the factor. It is also the mean over m, uniform in 1 ... n, of
    n / m sum_(masked i) -log p(z_i | x_t): sites show themselves at n independent uniform times, t is the m-th of them
    from the end, and the m sites from there on are masked. Written so, no weight has the pole at t = 1. The rows share
    out the range of m evenly.

    The other factors enter as `known` has them: given at time 1, or at time 0 with a draw of the prior, which says
    nothing, so that the law of `factor` is the marginal one. The process that simulates it plays no part.

    Args:
        network: called in inference mode, without feedback.
        product: the factors.
        known: clean data as `values`, and what is given; every row holds the same chain.
        factor: whose bound is asked for, on a finite set with a mask.
        noise: of the draws.

    Raises:
        IncompatibleProcess: The factor has no mask.
    """
    space = factor_of(product, factor).process.path.space
    if not isinstance(space, MaskedCategorical):
        raise IncompatibleProcess(f"The bound needs a finite set with a mask; {factor} lives on {space}.")
    check_known(product, known, everywhere=True)
    z, free = known.values[factor], known.free(factor)
    rows, n = free.shape[0], free.sum(-1, keepdim=True)
    state = known.overwrite({name: f.prior(known, name, noise) for name, f in product.items()})
    times = known.times({name: torch.zeros_like(free, dtype=torch.float32) for name in product})
    shares = (torch.arange(rows, device=free.device)[:, None] + noise.uniform((rows, 1))) / rows
    # where everything is given nothing is masked, and the bound is 0
    m = (1 + torch.floor(shares * n)).long().minimum(n).clamp(min=1)
    shown_at = torch.where(free, noise.uniform(free.shape), -1.0)
    t = shown_at.sort(-1, descending=True).values.gather(-1, m - 1)
    masked = free & (shown_at >= t)
    state = {**state, factor: torch.where(masked, space.mask, z)}
    times = {**times, factor: torch.where(free, t, 1.0)}
    prediction = predict(network, product, state, times, known.sites, None)[factor]
    assert isinstance(prediction, CategoricalPrediction)
    log_p = prediction.logits.log_softmax(-1).gather(-1, z.clamp(max=space.size - 1)[..., None]).squeeze(-1)
    return MaskingTerms(torch.where(masked, n / m, 0.0), torch.where(masked, -log_p, 0.0))
