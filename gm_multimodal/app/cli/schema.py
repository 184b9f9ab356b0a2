"""The closed configuration: YAML and overrides merged into a command's schema; what does not fit is one clear line."""

from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException, ValidationError

from gm_multimodal.app.cli.arguments import unknown_name
from gm_multimodal.app.cli.options import Command
from gm_multimodal.errors import UserInputError

Schema = TypeVar("Schema")

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}


def checked(config: DictConfig, schema: type[Schema], command: Command) -> Schema:
    """Return the configuration as an instance of its frozen schema, every interpolation resolved.

    Args:
        config: what Hydra composed.
        schema: a dataclass whose fields are the only keys there are.
        command: what the command offers, for messages.

    Raises:
        UserInputError: An unknown or missing key, a value of the wrong type, or one the schema itself refuses.
    """
    hints = get_type_hints(schema)
    for key, value in config.items_ex(resolve=False):
        # OmegaConf would cut 80.5 down to 80.
        wanted = _members(hints.get(str(key)))
        if isinstance(value, float) and int in wanted and float not in wanted:
            raise UserInputError(_wrong_type(str(key), value, hints, command))
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), config)
        instance = OmegaConf.to_object(merged)
    except ConfigKeyError as error:
        raise UserInputError(unknown_name(str(error.full_key), command)) from error
    except MissingMandatoryValue as error:
        raise UserInputError(f"{error.full_key} has no value: give {error.full_key}=VALUE.") from error
    except ValidationError as error:
        key = str(error.full_key)
        raise UserInputError(_wrong_type(key, OmegaConf.select(config, key), hints, command)) from error
    except OmegaConfBaseException as error:
        raise UserInputError(str(error).splitlines()[0]) from error
    assert isinstance(instance, schema)
    return instance


def _wrong_type(key: str, value: object, hints: dict[str, Any], command: Command) -> str:
    wanted = " or ".join(_KINDS[kind] for kind in _members(hints.get(key)) if kind in _KINDS) or "of the kind wanted"
    shown = "null" if value is None else value
    default = next((option.default for option in command.options if option.key == key), "")
    example = f": give for example {key}={default}" if default else ""
    return f"{key}={shown} is not {wanted}{example}."


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union type, or the type alone."""
    return get_args(hint) or (hint,)
