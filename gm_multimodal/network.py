"""What a network is to the objective and the sampler: tensors in, tensors out, and how these are read."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.product import Product, State
from gm_multimodal.sites import Sites


class Network(Protocol):
    """A function of the joint state; what it says of a factor depends on all factors (arXiv 2410.20587, prop. 4)."""

    def __call__(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return the raw output of every factor, [B, N, *output_shape].

        Args:
            state: points, [B, N, *E] per factor.
            times: path times, [B, N] per factor.
            sites: which sites are present, and what is known of them.
            previous: means of the last predictions (self-conditioning), or None at the first call.
        """
        ...


def predict(
    network: Network,
    product: Product,
    state: State,
    times: Mapping[str, Tensor],
    sites: Sites,
    previous: State | None,
) -> dict[str, Prediction]:
    """Call the network once and read its output for every factor.

    Raises:
        IncompatibleProcess: the network says nothing of a factor, or what its parameterization cannot read.
    """
    return read(network(state, times, sites, previous), product, state, times)


def read(
    outputs: Mapping[str, Tensor], product: Product, state: State, times: Mapping[str, Tensor]
) -> dict[str, Prediction]:
    """Read what the network gave at a state for every factor.

    Raises:
        IncompatibleProcess: the network says nothing of a factor, or what its parameterization cannot read.
    """
    for name, factor in product.items():
        wanted = (*times[name].shape, *factor.parameterization.output_shape)
        got = tuple(outputs[name].shape) if name in outputs else "nothing"
        if got != wanted:
            raise IncompatibleProcess(
                f"the network emits {got} for {name}, but {factor.parameterization} reads {wanted}."
            )
    return {name: factor.parameterization(outputs[name], state[name], times[name]) for name, factor in product.items()}


def means(predictions: Mapping[str, Prediction]) -> dict[str, Tensor]:
    """Return the mean of every prediction: what self-conditioning feeds back."""
    return {name: prediction.mean() for name, prediction in predictions.items()}
