"""Designing a block of proteins: the sampler's tensors in, backbones and sequences out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from gm_multimodal.network import Network
from gm_multimodal.noise import DesignNoise
from gm_multimodal.product import Product, State
from gm_multimodal.protein.backbone import backbone_from_frames
from gm_multimodal.protein.batch import ROTATIONS, SEQUENCE, TRANSLATIONS
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.tasks import codesign
from gm_multimodal.sampling.grids import TimeGrid
from gm_multimodal.sampling.observers import ChosenProbability, StateRecorder, StepCallback
from gm_multimodal.sampling.sampler import Observer, Sampler


@final
@dataclass(frozen=True)
class Trajectory:
    """The way from noise to a protein, t = 0 first.

    Attributes:
        coordinates: N, CA, C, O, [T, L, 4, 3] float32 (Angstrom).
        tokens: residue types, [T, L] int64; 20 where still masked.
    """

    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class Design:
    """One designed protein.

    Attributes:
        index: position i in the run.
        coordinates: N, CA, C, O, [L, 4, 3] float32 (Angstrom).
        tokens: residue types, [L] int64 in 0 ... 19.
        confidence: probability, at temperature 1, that the model gave the chosen type when it was last unmasked, [L].
        trajectory: the states in between, if they were recorded.
    """

    index: int
    coordinates: npt.NDArray[np.float32]
    tokens: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    trajectory: Trajectory | None


def sample_block(
    network: Network,
    product: Product,
    *,
    length: int,
    indices: Sequence[int],
    seed: int,
    grid: TimeGrid,
    device: torch.device,
    record_trajectory: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Design]:
    """Design the proteins of a block together; each depends on (seed, its index) and the size of the block alone.

    Args:
        network: in evaluation mode, on `device`.
        product: the factors.
        length: residues of each.
        indices: which designs of the run.
        seed: of the run.
        grid: sampling times; one network call a step.
        device: where to compute.
        record_trajectory: keep every state.
        progress: called after every network call.

    Returns:
        One design per index, in that order.
    """
    known, context = codesign(len(indices), length, product, device)
    confidence, recorder = ChosenProbability(SEQUENCE, MASK), StateRecorder()
    observers: list[Observer] = [confidence]
    if record_trajectory:
        observers.append(recorder)
    if progress is not None:
        observers.append(StepCallback(progress))
    noise = DesignNoise(seed, tuple(indices), device)
    final_state = Sampler(grid)(network, product, known, context, noise, observers)
    coordinates, tokens = _to_arrays(final_state)
    states = [_to_arrays(state) for state in recorder.states]
    certain = confidence.value().cpu().numpy()
    return [
        Design(
            index,
            coordinates[row],
            tokens[row],
            certain[row],
            Trajectory(np.stack([x[row] for x, _ in states]), np.stack([s[row] for _, s in states]))
            if states
            else None,
        )
        for row, index in enumerate(indices)
    ]


def _to_arrays(state: State) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return backbones [B, L, 4, 3], centred (Angstrom), and tokens [B, L] of a state."""
    x = state[TRANSLATIONS]
    coordinates = backbone_from_frames(x - x.mean(1, keepdim=True), state[ROTATIONS])
    return coordinates.float().cpu().numpy(), state[SEQUENCE].cpu().numpy()
