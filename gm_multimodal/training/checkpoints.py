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
from gm_multimodal.product import Factor
from gm_multimodal.reading import check_weights
from gm_multimodal.spaces.base import StateSpace
from gm_multimodal.spaces.categorical import MaskedCategorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations
from gm_multimodal.training.build import build_network, build_product

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"
SUFFIX = ".safetensors"


@final
@dataclass(frozen=True)
class Checkpoint:
    """A network ready to sample, with all that is needed to say what it is.

    Attributes:
        network: in evaluation mode, single precision, on the CPU.
        product: the factors, with the processes that were asked for.
        config: the complete configuration, nodes `network` and `product`.
        metadata: version, provenance of the training, as written.
        digest: first 16 hexadecimal digits of the file's SHA-256.
        length_range: shortest and longest chain of the training (residues).
    """

    network: nn.Module
    product: Mapping[str, Factor]
    config: Mapping[str, Any]
    metadata: Mapping[str, Any]
    digest: str
    length_range: tuple[int, int]


def shipped_names() -> list[str]:
    """Return the names of the checkpoints that come with the package."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def resolve(name_or_path: str) -> Path:
    """Return the file of a shipped name or of a path; a path wins only if it looks like one.

    Raises:
        CheckpointError: naming what came, the shipped names, and what to do.
    """
    shipped = SHIPPED / f"{name_or_path}{SUFFIX}"
    if name_or_path in shipped_names():
        return shipped
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    names = ", ".join(shipped_names()) or "none"
    raise CheckpointError(
        f"checkpoint={name_or_path} is neither a file nor a shipped checkpoint (shipped: {names}). "
        f"Give one of these names or the path of a {SUFFIX} file, such as `gm-multimodal train` writes."
    )


def load(checkpoint: str | Path = "base", *, allow_code: bool = False) -> Checkpoint:
    """Load a checkpoint that comes with the package, by its name, or one from a file.

    Args:
        checkpoint: the name or the file.
        allow_code: whether the file may name classes outside this package, which are then imported and called.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be read.
    """
    return load_checkpoint(resolve(str(checkpoint)), allow_code=allow_code)


def load_checkpoint(path: Path, processes: Mapping[str, Any] | None = None, *, allow_code: bool = False) -> Checkpoint:
    """Load a released checkpoint: nothing in the file decides what code runs.

    Args:
        path: the file.
        processes: processes per factor in place of those it was saved with; the caller answers for what they name.
        allow_code: whether the file may name classes outside this package, which are then imported and called.

    Raises:
        CheckpointError: the file is truncated, is not a checkpoint of a protein model, names what is not known here, or
            its weights do not fit its configuration.
    """
    released = read_released(path)
    config, metadata = released.config, released.metadata
    try:
        factors, (shortest, longest) = config["product"], metadata["provenance"]["length_range"]
        if not 1 <= shortest <= longest <= _LONGEST or len(factors.items()) > len(_SPACES):
            raise ValueError("no protein model has such lengths or factors")
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise _not_ours(path) from error
    network = released.network(allow_code=allow_code)
    with _naming(released):
        product = _protein_product(build_product(factors, allow_code=allow_code))
    if processes:
        product = build_product(factors, processes, allow_code=allow_code, allow_code_of_processes=True)
    return Checkpoint(network, product, config, metadata, released.digest, (shortest, longest))


_LONGEST = 1_000_000  # residues of a chain, more than any
_SPACES: Mapping[str, StateSpace] = {
    "translations": Euclidean(3),
    "rotations": Rotations(),
    "sequence": MaskedCategorical(20),
}


def _protein_product(product: dict[str, Factor]) -> dict[str, Factor]:
    """Return the product if it is that of a protein: its factors, in spaces that residues live in.

    Raises:
        UserInputError: naming what does not belong there.
    """
    spaces = {name: factor.process.path.space for name, factor in product.items()}
    if list(spaces) != list(_SPACES) or not all(map(_is_same, spaces.values(), _SPACES.values())):
        raise UserInputError(f"its factors are {_listed(spaces)}, not those of a protein, {_listed(_SPACES)}.")
    return product


def _is_same(space: StateSpace, wanted: StateSpace) -> bool:
    """Return whether two spaces have the same points; their units may differ."""
    if isinstance(space, Euclidean) and isinstance(wanted, Euclidean):
        return space.dim == wanted.dim
    return space == wanted


def _listed(spaces: Mapping[str, StateSpace]) -> str:
    return ", ".join(f"{name} in {space}" for name, space in spaces.items()) or "none"


@contextmanager
def _naming(released: "Released") -> Iterator[None]:
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

    def network(self, *, allow_code: bool = False) -> nn.Module:
        """Return the network in evaluation mode, single precision, on the CPU.

        Its shapes are compared with those of the file before any memory is taken for it.

        Args:
            allow_code: whether the file may name a network outside this package, which is then imported and called.

        Raises:
            CheckpointError: the network cannot be built, or the weights do not fit it.
        """
        with _naming(self):
            with torch.device("meta"):
                wanted = build_network(self.config["network"], allow_code=allow_code).state_dict()
            self._compare(wanted)
            network = build_network(self.config["network"], allow_code=allow_code)
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
        CheckpointError: the file is truncated or is not one of ours.
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
        provenance: what the training was: data, steps, samples, losses; of proteins it must hold `length_range`.
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
            f"checkpoint {path} cannot be read (it {error.reason}, more than any of ours). Give another {SUFFIX} file."
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
        raise _not_ours(path) from error
    return config, {"version": raw.get("version", "unknown"), "provenance": provenance}, weights


def _check_depth(content: Any, left: int = 32) -> None:
    """Refuse what is nested more deeply than any configuration, with ValueError."""
    if left == 0:
        raise ValueError("nested too deeply")
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _check_depth(item, left - 1)


def _not_ours(path: Path) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is a {SUFFIX} file without our metadata. Give one that `gm-multimodal train` wrote."
    )
