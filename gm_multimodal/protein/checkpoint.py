"""Checkpoints of networks over proteins, those that come with the package among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import nn

from gm_multimodal.errors import CheckpointError, UserInputError
from gm_multimodal.product import Factor
from gm_multimodal.protein.catalogue import CATALOGUE
from gm_multimodal.protein.factors import PARTS, REQUIRED, spaces
from gm_multimodal.spaces.base import StateSpace
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.training.build import build_product
from gm_multimodal.training.checkpoints import SUFFIX, naming, not_ours, read_released

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"


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
        if not 1 <= shortest <= longest <= _LONGEST or len(factors.items()) > len(spaces(PARTS)):
            raise ValueError("no protein model has such lengths or factors")
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise not_ours(path) from error
    network = released.network(CATALOGUE, allow_code=allow_code)
    with naming(released):
        product = _protein_product(build_product(factors, CATALOGUE, allow_code=allow_code))
    if processes:
        product = build_product(factors, CATALOGUE, processes, allow_code=allow_code, allow_code_of_processes=True)
    return Checkpoint(network, product, config, metadata, released.digest, (shortest, longest))


_LONGEST = 1_000_000  # residues of a chain, more than any


def _protein_product(product: dict[str, Factor]) -> dict[str, Factor]:
    """Return the product if it is that of a protein: its factors, in spaces that residues live in.

    Raises:
        UserInputError: naming what does not belong there.
    """
    found = {name: factor.process.path.space for name, factor in product.items()}
    required, known = spaces(REQUIRED), spaces(PARTS)
    is_one = list(found)[: len(required)] == list(required) and set(found) <= set(known)
    if not is_one or not all(_is_same(space, known[name]) for name, space in found.items()):
        raise UserInputError(f"its factors are {_listed(found)}, not those of a protein, {_listed(required)}.")
    return product


def _is_same(space: StateSpace, wanted: StateSpace) -> bool:
    """Return whether two spaces have the same points; their units may differ."""
    if isinstance(space, Euclidean) and isinstance(wanted, Euclidean):
        return space.dim == wanted.dim
    return space == wanted


def _listed(spaces: Mapping[str, StateSpace]) -> str:
    return ", ".join(f"{name} in {space}" for name, space in spaces.items()) or "none"
