"""Confidence in a design as a whole: how well its sequence and its backbone fit, as the network itself sees it.

One more call, of inverse folding: the finished structure is given, the sequence masked. Two means over the residues,
of log p(own type) and of the highest log p of any type, predict what ProteinMPNN, which knows nothing of this network,
says of the design: the mean (nat) of its score of the own sequence and of its scores of sequences that it draws itself.
The confidence is the probability that this mean is lower, and so better, than that of the average design.

The line was fitted to 80 designs of the shipped checkpoint with default settings (correlation 0.65). For another
checkpoint the order of its designs keeps its sense; the probabilities do not.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from gm_multimodal.network import Network, predict
from gm_multimodal.product import Product, State
from gm_multimodal.protein.factors import SEQUENCE
from gm_multimodal.protein.residues import MASK
from gm_multimodal.sites import Sites

# The mean score of a design is _INTERCEPT + _OF_OWN own + _OF_BEST best, give or take _SPREAD (nat).
_INTERCEPT: Final = 0.386
_OF_OWN: Final = -0.455
_OF_BEST: Final = -0.312
_SPREAD: Final = 0.062
_AVERAGE: Final = 1.677  # of designs


@final
@dataclass(frozen=True)
class Fit:
    """What the network says of the residue types of finished structures, in nats.

    Attributes:
        own: log p of the type that a residue has, [B, N].
        best: the highest log p of any type, [B, N].
    """

    own: Tensor
    best: Tensor


@torch.inference_mode()
def sequence_fit(network: Network, product: Product, state: State, sites: Sites) -> Fit:
    """Call the network once, on finished structures without their sequences.

    Args:
        network: in evaluation mode.
        product: the factors.
        state: finished designs, [B, N, *E] per factor.
        sites: their residues.
    """
    masked = {**state, SEQUENCE: torch.full_like(state[SEQUENCE], MASK)}
    times = {
        name: torch.full(sites.present.shape, float(name != SEQUENCE), device=sites.present.device) for name in state
    }
    log_p = predict(network, product, masked, times, sites, None)[SEQUENCE].mean().clamp(min=1e-9).log()
    return Fit(log_p.gather(-1, state[SEQUENCE][..., None]).squeeze(-1), log_p.amax(-1))


def confidence(fit: Fit, present: Tensor) -> Tensor:
    """Return the confidence in each design, [B] in (0, 1)."""
    own, best = ((torch.where(present, x, 0.0).sum(-1) / present.sum(-1)) for x in (fit.own, fit.best))
    score = _INTERCEPT + _OF_OWN * own + _OF_BEST * best
    return torch.special.ndtr((_AVERAGE - score) / _SPREAD)
