"""What a network is to the objective and the sampler: tensors in, tensors out, and how these are read."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess, listed
from gm_multimodal.parameterizations.base import Prediction
from gm_multimodal.product import Product, State
from gm_multimodal.sites import Sites


@runtime_checkable
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


def named(outputs: object) -> Mapping[str, Tensor]:
    """Return what a network gave, if it is tensors by name.

    Raises:
        IncompatibleProcess: it is anything else.
    """
    if not isinstance(outputs, Mapping):
        came = f"a {type(outputs).__name__}"
    elif strange := sorted({type(x).__name__ for x in outputs.values() if not isinstance(x, Tensor)}):
        came = f"a dictionary of {listed(strange)}"
    else:
        return outputs
    raise IncompatibleProcess(f"the network returns {came}; give a dictionary with a tensor for each factor.")


def read(
    outputs: Mapping[str, Tensor], product: Product, state: State, times: Mapping[str, Tensor]
) -> dict[str, Prediction]:
    """Read what the network gave at a state for every factor.

    Raises:
        IncompatibleProcess: the network says nothing of a factor, or what its parameterization cannot read.
    """
    outputs = checked(outputs, product, times)
    return {name: factor.parameterization(outputs[name], state[name], times[name]) for name, factor in product.items()}


def checked(outputs: object, product: Product, times: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return what a network gave, if it is what the factors read.

    Raises:
        IncompatibleProcess: it is not; naming both.
    """
    outputs = named(outputs)
    for name, factor in product.items():
        if name not in outputs:
            raise IncompatibleProcess(
                f"the network says nothing of the factor {name}: it emits {listed(outputs)}, but the factors are "
                f"{listed(product)}."
            )
        got, wanted = tuple(outputs[name].shape), (*times[name].shape, *factor.parameterization.output_shape)
        if got != wanted:
            reads = type(factor.parameterization).__name__
            raise IncompatibleProcess(f"the network emits {got} for the factor {name}, but {reads} reads {wanted}.")
    return outputs


def means(predictions: Mapping[str, Prediction]) -> dict[str, Tensor]:
    """Return the mean of every prediction: what self-conditioning feeds back."""
    return {name: prediction.mean() for name, prediction in predictions.items()}
