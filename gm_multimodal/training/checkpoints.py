"""Released checkpoints: safetensors weights with the complete configuration and provenance in their metadata."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from gm_multimodal import __version__
from gm_multimodal.errors import CheckpointError, IncompatibleProcess, TooLarge, UserInputError
from gm_multimodal.files import write_atomically
from gm_multimodal.reading import check_weights
from gm_multimodal.training.build import build_network
from gm_multimodal.training.catalogue import Catalogue

SUFFIX = ".safetensors"


@contextmanager
def naming(released: "Released") -> Iterator[None]:
    """Turn what is wrong with the configuration of a checkpoint into an error that names the file."""
    try:
        yield
    except (UserInputError, IncompatibleProcess) as error:
        raise CheckpointError(
            f"checkpoint {released.path}: {error} It was written by version {released.metadata['version']}; "
            f"this is {__version__}."
        ) from error


@final
@dataclass(frozen=True)
class Released:
    """What a released checkpoint holds, whatever it is a model of.

    Attributes:
        path: the file.
        config: the complete configuration, with the node `network`.
        metadata: version, provenance of the training, as written.
        weights: state dictionary of the network.
        digest: first 16 hexadecimal digits of the file's SHA-256.
    """

    path: Path
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]
    digest: str

    def network(self, catalogue: Catalogue, *, allow_code: bool = False) -> nn.Module:
        """Return the network in evaluation mode, single precision, on the CPU.

        Its shapes are compared with those of the file before any memory is taken for it.

        Args:
            catalogue: what the file may name.
            allow_code: whether the file may name a network outside this package, which is then imported and called.

        Raises:
            CheckpointError: the network cannot be built, or the weights do not fit it.
        """
        with naming(self):
            with torch.device("meta"):
                wanted = build_network(self.config["network"], catalogue, allow_code=allow_code).state_dict()
            self._compare(wanted)
            network = build_network(self.config["network"], catalogue, allow_code=allow_code)
        network.load_state_dict({name: tensor.float() for name, tensor in self.weights.items()})
        return network.eval().requires_grad_(False)

    def _compare(self, wanted: Mapping[str, torch.Tensor]) -> None:
        """Refuse weights that are missing, too many, of another shape, or no finite numbers."""
        for name in sorted({*wanted, *self.weights}):
            if name not in self.weights:
                raise UserInputError(f"its weights do not fit its configuration: {name} is missing.")
            if name not in wanted:
                raise UserInputError(f"its weights do not fit its configuration: {name!a} has no place in it.")
            here, there = tuple(self.weights[name].shape), tuple(wanted[name].shape)
            if here != there:
                raise UserInputError(f"its weights do not fit its configuration: {name} is {here}, not {there}.")
            if not self.weights[name].is_floating_point() or not self.weights[name].float().isfinite().all():
                raise UserInputError(f"its weights {name} are not all finite numbers: copy the file again.")


def read_released(path: Path) -> Released:
    """Read a released checkpoint.

    Raises:
        CheckpointError: the file is truncated or is not a checkpoint of this program.
    """
    config, metadata, weights = _read(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return Released(path, config, metadata, weights, digest)


def save_checkpoint(
    path: Path, weights: Mapping[str, torch.Tensor], config: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Write a released checkpoint in bfloat16, atomically.

    Args:
        path: the file, `.safetensors`.
        weights: state dictionary of the network.
        config: complete configuration, with the node `network`.
        provenance: what the training was: data, steps, samples, losses; what those who load it need.
    """
    metadata = {"version": __version__, "config": json.dumps(config), "provenance": json.dumps(provenance)}
    data = save(
        {name: tensor.detach().cpu().to(torch.bfloat16).contiguous() for name, tensor in weights.items()}, metadata
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _in_order(data))


def _in_order(data: bytes) -> bytes:
    """Sort the header of a file of safetensors, which writes its metadata in random order: equal content, equal bytes.

    The file is the length of the header (8 bytes), the header (JSON, padded with blanks) and the weights.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, torch.Tensor]]:
    """Return configuration, metadata and weights of a file."""
    try:
        check_weights(path)
        with safe_open(path, framework="pt") as file:
            raw = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except TooLarge as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read (it {error.reason}, more than any checkpoint of this "
            f"program). Give another {SUFFIX} file."
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({error}). It is truncated or not a {SUFFIX} file: copy it again."
        ) from error
    try:
        config, provenance = json.loads(raw["config"]), json.loads(raw["provenance"])
        _ = config["network"]["_target_"], provenance.items()
        for content in (config, provenance):
            _check_depth(content)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise not_ours(path) from error
    return config, {"version": raw.get("version", "unknown"), "provenance": provenance}, weights


def _check_depth(content: Any, left: int = 32) -> None:
    """Refuse what is nested more deeply than any configuration, with ValueError."""
    if left == 0:
        raise ValueError("nested too deeply")
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _check_depth(item, left - 1)


def not_ours(path: Path) -> CheckpointError:
    """Return the error of a file that this package did not write."""
    return CheckpointError(
        f"checkpoint {path} is a {SUFFIX} file without our metadata. Give one that `gm-multimodal train` wrote."
    )
