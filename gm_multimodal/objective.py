"""The conditional generator-matching loss over a product (arXiv 2410.20587, propositions 2 and 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gm_multimodal.checks import check_clean, check_known, check_points, check_times
from gm_multimodal.errors import expect, listed
from gm_multimodal.network import Network, means, predict, read
from gm_multimodal.noise import Noise
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.product import Known, Product, State
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Matching:
    """What one evaluation of the loss gives.

    Attributes:
        parts: mean loss per generated site of which there are data, of each factor, unweighted, [] each.
        total: sum of weight * part, [].
        predictions: what the network said of each factor.
        outputs: the network's outputs that they were read from, [B, N, *output_shape] per factor.
        times: path times, [B, N] per factor, 1 at given sites.
    """

    parts: Mapping[str, Tensor]
    total: Tensor
    predictions: Mapping[str, Prediction]
    outputs: Mapping[str, Tensor]
    times: Mapping[str, Tensor]


def corrupt(product: Product, known: Known, times: Mapping[str, Tensor], noise: Noise) -> State:
    """Draw x_t ~ p_t(. | z) for every factor, z being `known.values`; given sites keep their values.

    Sites whose x_t was drawn beforehand keep that; where there are no data, x_t is a draw of the prior.

    Args:
        product: the factors.
        known: clean data of every site, and which sites are given.
        times: path times, [B, N] per factor.
        noise: stream of draws.

    Returns:
        The state, [B, N, *E] per factor.
    """
    state = {}
    for name, factor in product.items():
        x0 = factor.prior(known, name, noise)
        x = factor.process.path.sample(x0, known.values[name], times[name], noise)
        if name in known.drawn:
            drawn = known.drawn[name]
            x = torch.where(expand_as(drawn.sites, x), drawn.points, x)
        if name in known.absent:
            x = torch.where(expand_as(known.absent[name], x), x0, x)
        state[name] = x
    return known.overwrite(state)


def every_time(product: Product, sites: Sites, noise: Noise) -> dict[str, Tensor]:
    """Draw one sampling time for each row, in every of B equal intervals of [0, 1) one, and return the path times.

    Spread so, the mean over a batch has less noise than with independent times.

    Args:
        product: the factors, whose clocks tell the path times.
        sites: of the batch.
        noise: stream of draws.

    Returns:
        Path times, [B, N] per factor.
    """
    present = sites.present
    rows = torch.arange(len(present), device=present.device)
    s = (rows + noise.uniform((len(present),)).to(present.device)) / len(present)
    # In single precision a draw near 1 is rounded up, and at t = 1 there is no velocity.
    s = s.clamp(max=1 - torch.finfo(s.dtype).eps)
    return {name: factor.clock(s)[:, None].expand(present.shape) for name, factor in product.items()}


def loss(network: Network, product: Product, state: State, *, noise: Noise, sites: Sites | None = None) -> Tensor:
    """Evaluate the matching loss of a batch of clean points at random times, nothing given: what training descends.

    Args:
        network: the network.
        product: the factors.
        state: clean points, [B, N, *E] per factor.
        noise: stream of draws.
        sites: which sites are present, and what the network may read of them; all are present if left out.

    Returns:
        The weighted sum over the factors, []. `matching_loss` has the parts, and takes times and what is given.

    Raises:
        ValueError: the points are not those of the factors; naming both.
        IncompatibleProcess: the network's output is not what the factors read; naming both.
    """
    known = Known(state, {}, _sites_of(product, state) if sites is None else sites)
    check_known(product, known, everywhere=True)
    check_clean(product, known, everywhere=True)
    times = every_time(product, known.sites, noise)
    return matching_loss(network, product, known, times, noise).total


def _sites_of(product: Product, state: State) -> Sites:
    """Return the sites of the points of a state, all present."""
    shared = [name for name in product if name in state]
    if not shared:
        raise ValueError(f"points are given of {listed(state)}, but the factors are {listed(product)}.")
    x = state[shared[0]]
    check_points(shared[0], product[shared[0]], x, None)
    return Sites.all_present(x.shape[0], x.shape[1], x.device)


def matching_loss(
    network: Network,
    product: Product,
    known: Known,
    times: Mapping[str, Tensor],
    noise: Noise,
    *,
    self_condition: bool = False,
) -> Matching:
    """Evaluate sum over factors of weight * E D(F^z, F^theta) on one batch: the sum needs no further balance in theory.

    Args:
        network: the network.
        product: the factors.
        known: clean data of every site as `values`, and which sites are given.
        times: path times, [B, N] per factor.
        noise: stream of draws.
        self_condition: feed back the means of a first call, made without gradient.

    Returns:
        The loss in parts and in sum, and the predictions for auxiliary losses.

    Raises:
        ValueError: values, masks or times are not those of the factors at these sites; naming both.
        IncompatibleProcess: the network's output is not what the factors read; naming both.
    """
    expect("matching_loss", "network", network, Network)
    expect("matching_loss", "noise", noise, Noise)
    check_known(product, known, everywhere=True)
    check_times(product, times, known.sites)
    times = known.times(times)
    state = corrupt(product, known, times, noise)
    previous = None
    if self_condition:
        with torch.no_grad():
            previous = means(predict(network, product, state, times, known.sites, None))
    outputs = network(state, times, known.sites, previous)
    predictions = read(outputs, product, state, times)
    parts = {}
    for name, prediction in predictions.items():
        fitted = known.fitted(name)
        parts[name] = (prediction.loss(known.target(name)) * fitted).sum() / fitted.sum().clamp(min=1)
    total = torch.stack([product[name].weight * part for name, part in parts.items()]).sum()
    return Matching(parts, total, predictions, outputs, times)
