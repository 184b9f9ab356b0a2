"""Objects from configuration: `_target_` names a class of this package, the other keys are its arguments."""

from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate
from torch import nn

from gm_multimodal.errors import UserInputError
from gm_multimodal.product import Factor

PACKAGE = "gm_multimodal."


def build(config: Mapping[str, Any], **arguments: Any) -> Any:
    """Instantiate a configuration node; a checkpoint's configuration is data, so only our own classes may be named.

    Args:
        config: node with `_target_`, nested nodes included.
        arguments: further arguments of the outermost class.

    Raises:
        UserInputError: naming a `_target_` outside this package, or the argument that does not fit.
    """
    _check_targets(config)
    try:
        # Hydra would turn dataclass arguments into configuration again: it makes a partial, we give the arguments.
        return instantiate({**config, "_partial_": True}, _convert_="all")(**arguments)
    except Exception as error:
        cause = error.__cause__ or error
        raise UserInputError(f"cannot build {config.get('_target_')}: {cause}") from error


def build_product(config: Mapping[str, Any], processes: Mapping[str, Any] | None = None) -> dict[str, Factor]:
    """Build every factor from its configuration.

    Args:
        config: factor name -> path, process, parameterization, clock, weight, centred.
        processes: processes to use in place of those in `config`, per factor.

    Raises:
        UserInputError: a process for a factor that does not exist, or a node that cannot be built.
        IncompatibleProcess: a process that does not fit its parameterization.
    """
    replaced = dict(processes or {})
    unknown = sorted(set(replaced) - set(config))
    if unknown:
        raise UserInputError(f"process of {unknown[0]}: the checkpoint has the factors {', '.join(config)}.")
    product = {}
    for name, node in config.items():
        path = build(node["path"])
        product[name] = Factor(
            process=build(replaced.get(name, node["process"]), path=path),
            parameterization=build(node["parameterization"], space=path.space),
            clock=build(node["clock"]),
            weight=float(node["weight"]),
            centred=bool(node["centred"]),
        )
    return product


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """Build the network from its configuration, with weights drawn from torch's current random state."""
    network = build(config)
    assert isinstance(network, nn.Module)
    return network


def _check_targets(node: Any) -> None:
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if target is not None and not str(target).startswith(PACKAGE):
            raise UserInputError(f"_target_ {target} is not a class of {PACKAGE[:-1]}; nothing else is ever built.")
        for value in node.values():
            _check_targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _check_targets(value)
