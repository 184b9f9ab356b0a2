"""Objects from configuration: `_target_` names a class, the other keys are its arguments.

Configurations come out of files, which are data: a name is looked up in a catalogue, arguments are compared with the
signature, its types and bounds, and only when the whole tree holds is anything built. A class of somebody else's is
imported only where the caller says so, because its name was typed.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import nn

from gm_multimodal import __version__
from gm_multimodal.errors import UserInputError
from gm_multimodal.product import Factor
from gm_multimodal.training.catalogue import LARGEST_NUMBER, PACKAGE, TARGET, Catalogue, Entry

_LARGEST_FLOAT = 1e12
_LONGEST_LIST = 4096
_LONGEST_TEXT = 1000


def build(config: Mapping[str, Any], catalogue: Catalogue, *, allow_code: bool = False, **given: Any) -> Any:
    """Build what a configuration node describes.

    Args:
        config: node with `_target_`, nested nodes included.
        catalogue: the classes of this package that it may name.
        allow_code: whether a `_target_` that is not of this package is imported and called.
        given: further arguments of the outermost class.

    Raises:
        UserInputError: naming a `_target_` that is not known, or the argument that does not fit; nothing is built then.
    """
    try:
        _check(config, catalogue, allow_code, given)
    except RecursionError as error:
        raise UserInputError("a configuration is nested too deeply to be one of this package.") from error
    return _make(config, catalogue, given)


def build_product(
    config: Mapping[str, Any],
    catalogue: Catalogue,
    processes: Mapping[str, Any] | None = None,
    *,
    allow_code: bool = False,
    allow_code_of_processes: bool = False,
) -> dict[str, Factor]:
    """Build every factor from its configuration.

    Args:
        config: factor name -> path, process, parameterization, clock, weight, centred.
        catalogue: as in `build`.
        processes: processes to use in place of those in `config`, per factor.
        allow_code: as in `build`, for `config`.
        allow_code_of_processes: as in `build`, for `processes`.

    Raises:
        UserInputError: a process for a factor that does not exist, or a node that cannot be built.
        IncompatibleProcess: a process that does not fit its parameterization.
    """
    replaced = dict(processes or {})
    unknown = sorted(set(replaced) - set(config))
    if unknown:
        raise UserInputError(f"process of {unknown[0]}: the checkpoint has the factors {', '.join(config)}.")
    for name, node in config.items():
        _check_factor(name, node)
    product = {}
    for name, node in config.items():
        path = build(node["path"], catalogue, allow_code=allow_code)
        process, may_run = (
            (replaced[name], allow_code_of_processes) if name in replaced else (node["process"], allow_code)
        )
        product[name] = Factor(
            process=build(process, catalogue, allow_code=may_run, path=path),
            parameterization=build(node["parameterization"], catalogue, allow_code=allow_code, space=path.space),
            clock=build(node["clock"], catalogue, allow_code=allow_code),
            weight=float(node["weight"]),
            centred=node["centred"],
        )
    return product


def build_network(config: Mapping[str, Any], catalogue: Catalogue, *, allow_code: bool = False) -> nn.Module:
    """Build the network from its configuration, with weights drawn from torch's current random state.

    Raises:
        UserInputError: as `build`, or what is built is not a network.
    """
    network = build(config, catalogue, allow_code=allow_code)
    if not isinstance(network, nn.Module):
        raise UserInputError(f"{TARGET} {config[TARGET]} is not a network (a torch.nn.Module).")
    return network


def _check_factor(name: str, node: Any) -> None:
    """Refuse a factor that is not described as one."""
    wanted: Mapping[str, Any] = {
        "path": Mapping,
        "process": Mapping,
        "parameterization": Mapping,
        "clock": Mapping,
        "weight": float,
        "centred": bool,
    }
    if not isinstance(node, Mapping) or set(node) != set(wanted):
        raise UserInputError(f"factor {_short(name)} must have {', '.join(wanted)}, and nothing else.")
    for key, hint in wanted.items():
        if isinstance(node[key], Mapping) if hint is Mapping else _fits(node[key], hint):
            continue
        raise UserInputError(f"factor {_short(name)}: {key} is {_short(node[key])}, not {_said(hint)}.")


def _check(node: Any, catalogue: Catalogue, allow_code: bool, given: Mapping[str, Any], place: str = "") -> None:
    """Refuse a tree of nodes in which anything does not fit; nothing is imported that no catalogue names."""
    target = node.get(TARGET) if isinstance(node, Mapping) else None
    if not isinstance(target, str):
        raise UserInputError(f"{place or 'a configuration'} must have a {TARGET}, which names what to build.")
    arguments = {name: value for name, value in node.items() if name != TARGET}
    if target not in catalogue:
        _check_foreign(target, catalogue, allow_code)
        for name, value in arguments.items():
            if isinstance(value, Mapping) and TARGET in value:
                _check(value, catalogue, allow_code, {}, f"{target}.{name}")
        return
    made = _placed(catalogue[target])
    signature = inspect.signature(made)
    unknown = [name for name in arguments if name not in signature.parameters or name in given]
    if unknown:
        offered = ", ".join(name for name in signature.parameters if name not in given) or "none"
        raise UserInputError(f"cannot build {target}: it has no argument {_short(unknown[0])} (it has {offered}).")
    hints, sizes = _hints(made), catalogue[target].sizes
    for name, value in arguments.items():
        _check_argument(f"{target}.{name}", value, hints[name], sizes.get(name), catalogue, allow_code)
    try:
        signature.bind(**arguments, **given)
    except TypeError as error:
        raise UserInputError(f"cannot build {target}: {error}.") from error


def _check_argument(
    name: str, value: Any, hint: Any, bounds: tuple[int, int] | None, catalogue: Catalogue, allow_code: bool
) -> None:
    """Refuse a value that is not of the kind that the signature asks for, or lies outside its bounds."""
    kinds = [kind for kind in _alternatives(hint) if not _is_plain(kind)]
    if isinstance(value, Mapping) and kinds:
        _check(value, catalogue, allow_code, {}, name)
        if value[TARGET] in catalogue and not any(_is_a(_placed(catalogue[value[TARGET]]), kind) for kind in kinds):
            raise UserInputError(f"{name} must be {_said(hint)}, not {value[TARGET]}.")
        return
    if isinstance(value, list | tuple) and get_origin(hint) in (tuple, list, Sequence) and not _is_plain(hint):
        for number, item in enumerate(value[:_LONGEST_LIST]):
            _check_argument(f"{name}[{number}]", item, get_args(hint)[0], bounds, catalogue, allow_code)
        return
    if not _fits(value, hint):
        raise UserInputError(f"{name} is {_short(value)}, not {_said(hint)}.")
    for item in value if isinstance(value, list | tuple) else [value]:
        if bounds is not None and not bounds[0] <= item <= bounds[1]:
            raise UserInputError(f"{name} is {_short(value)}: it must lie between {bounds[0]} and {bounds[1]}.")


def _check_foreign(target: str, catalogue: Catalogue, allow_code: bool) -> None:
    if target.startswith(PACKAGE):
        near = difflib.get_close_matches(target, catalogue, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserInputError(f"{_short(target)} is not a class that gm_multimodal {__version__} builds{hint}")
    if not allow_code:
        raise UserInputError(
            f"{_short(target)} is not a class of {PACKAGE[:-1]}, and building it would run the code of somebody else. "
            "If you know that code and trust the file that names it, add allow_code=true."
        )


def _make(node: Mapping[str, Any], catalogue: Catalogue, given: Mapping[str, Any]) -> Any:
    """Build a tree that was checked."""
    target = node[TARGET]
    made = _placed(catalogue[target]) if target in catalogue else imported(target)
    arguments = {name: _made(value, catalogue) for name, value in node.items() if name != TARGET}
    try:
        return made(**arguments, **given)
    except Exception as error:
        raise UserInputError(f"cannot build {target}: {error}") from error


def _made(value: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, Mapping) and TARGET in value:
        return _make(value, catalogue, {})
    if isinstance(value, list | tuple):
        return [_made(item, catalogue) for item in value]
    return value


def _placed(entry: Entry) -> Callable[..., Any]:
    """Return the class or function of an entry."""
    module, _, name = entry.place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def imported(target: str) -> Callable[..., Any]:
    """Import somebody else's class or function, whose name was typed or allowed.

    Raises:
        UserInputError: there is none of that name.
    """
    module, _, name = target.rpartition(".")
    try:
        found: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserInputError(
            f"{TARGET} {target} cannot be imported ({error}): give package.module.Class, importable from here."
        ) from error
    return found


def _hints(made: Callable[..., Any]) -> Mapping[str, Any]:
    return get_type_hints(vars(made)["__init__"] if isinstance(made, type) else made)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _is_plain(hint: Any) -> bool:
    """Return whether values of a type stand in a configuration as they are."""
    if get_origin(hint) is Literal or hint in (bool, int, float, str, NoneType):
        return True
    return get_origin(hint) is not None and all(_is_plain(part) for part in get_args(hint) if part is not Ellipsis)


def _is_a(made: Callable[..., Any], kind: Any) -> bool:
    """Return whether what a name builds can be of a kind: a subclass, or of a Protocol's sub-package."""
    returned = made if isinstance(made, type) else get_type_hints(made)["return"]
    if not getattr(kind, "_is_protocol", False):
        return issubclass(returned, kind)
    return _family(returned) == _family(kind)


def _family(kind: type) -> str:
    return kind.__module__.split(".")[1]


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value of a file is of a plain type, finite, and no larger than any that makes sense."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is not None:
        if not isinstance(value, list | tuple) or len(value) > _LONGEST_LIST:
            return False
        if origin is tuple and Ellipsis not in parts:
            return len(value) == len(parts) and all(map(_fits, value, parts))
        return all(_fits(item, parts[0]) for item in value)
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is int:
        return isinstance(value, int) and abs(value) <= LARGEST_NUMBER
    if hint is float:
        return isinstance(value, int | float) and abs(value) <= _LARGEST_FLOAT
    if hint is str:
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT
    return hint is NoneType and value is None


def _said(hint: Any) -> str:
    """Return a type in words."""
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}
    if hint in words:
        return words[hint]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_said(part) for part in get_args(hint))
    if get_origin(hint) is not None:
        return f"a list of which each is {_said(get_args(hint)[0])}"
    return f"a node whose {TARGET} is a {getattr(hint, '__name__', 'configuration')}"


def _short(value: object) -> str:
    """Return a value of a file as a message shows it."""
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
