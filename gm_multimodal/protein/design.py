"""Designing a block of proteins: the sampler's tensors in, backbones and sequences out."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from gm_multimodal.network import Network
from gm_multimodal.noise import DesignNoise
from gm_multimodal.product import Known, Product, State
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.batch import bonded_sites
from gm_multimodal.protein.blueprint import Blueprint, Mask, to_known
from gm_multimodal.protein.confidence import confidence, sequence_fit
from gm_multimodal.protein.factors import ROTATIONS, SEQUENCE, TRANSLATIONS, decode, side_chains, windows
from gm_multimodal.protein.idealise import idealise
from gm_multimodal.protein.residues import MASK
from gm_multimodal.protein.side_chains import SideChain
from gm_multimodal.sampling.grids import TimeGrid
from gm_multimodal.sampling.observers import ChosenProbability, StateRecorder, StepCallback
from gm_multimodal.sampling.sampler import Observer, Sampler
from gm_multimodal.schedules import Window


@final
@dataclass(frozen=True)
class Design:
    """One designed protein.

    Attributes:
        index: position i in the run.
        blueprint: what was given of it.
        backbone: the protein, in the frame of the input; without one, centred.
        confidence: probability, at temperature 1, that the model gave the chosen type when it was last unmasked, [L].
        fit: confidence in the design as a whole, of sequence and backbone together, in (0, 1) (see `confidence`).
        chosen: whether the model chose the type, bool [L]; elsewhere it is of the input, and the confidence 1.
        trajectory: the way from noise to the design, t = 0 first, if it was recorded.
    """

    index: int
    blueprint: Blueprint
    backbone: Backbone
    confidence: npt.NDArray[np.float32]
    fit: float
    chosen: Mask
    trajectory: tuple[Backbone, ...] | None

    def side_chains(self) -> dict[int, SideChain]:
        """Return the atoms beyond the backbone, by residue: those of the input, and those that the model placed."""
        taken = {number for number, source in enumerate(self.blueprint.source) if source is not None}
        placed = {number: atoms for number, atoms in side_chains(self.backbone).items() if number not in taken}
        return {**placed, **self.blueprint.side_chains}


def staged(product: Product, *, structure_end: float, sequence_start: float) -> Product:
    """Return the product whose structure arrives early and whose sequence sets out late, as shares of the run.

    A residue type that is chosen late is chosen for a backbone that is nearly settled. Training shows the network every
    pair of a structure's and a sequence's time.
    """
    share = windows(product, structure_end, sequence_start)
    return {
        name: dataclasses.replace(factor, clock=Window(factor.clock, *share[name])) for name, factor in product.items()
    }


def sample_block(
    network: Network,
    product: Product,
    *,
    blueprints: Sequence[Blueprint],
    indices: Sequence[int],
    seed: int,
    grid: TimeGrid,
    device: torch.device,
    ideal_bonds: bool,
    record_trajectory: bool = False,
    progress: Callable[[], None] | None = None,
) -> list[Design]:
    """Design the proteins of a block together; each depends on (seed, index, blueprint) and the block's shape alone.

    Args:
        network: in evaluation mode, on `device`.
        product: the factors.
        blueprints: what is given of each; they may differ in length.
        indices: which designs of the run they are.
        seed: of the run.
        grid: sampling times; one network call a step. A grid that begins after 0 needs whole proteins as blueprints.
        device: where to compute.
        ideal_bonds: end with the small motion that makes the bonds of designed residues ideal.
        record_trajectory: keep every state; the last one is the design.
        progress: called after every network call.

    Returns:
        One design per index, in that order.
    """
    known, origins = to_known(blueprints, product, device)
    choices, recorder = ChosenProbability(SEQUENCE, MASK), StateRecorder()
    observers: list[Observer] = [choices]
    if record_trajectory:
        observers.append(recorder)
    if progress is not None:
        observers.append(StepCallback(progress))
    noise = DesignNoise(seed, tuple(indices), device)
    final_state = Sampler(grid)(network, product, known, noise, observers)
    if ideal_bonds:
        final_state = _with_ideal_bonds(final_state, known)
    fits = confidence(sequence_fit(network, product, final_state, known.sites), known.sites.present).tolist()
    certain, chosen = choices.value().cpu().numpy(), choices.chosen().cpu().numpy()
    designs = []
    for row, (index, blueprint, origin) in enumerate(zip(indices, blueprints, origins, strict=True)):
        backbone = _to_backbone(final_state, row, blueprint, origin)
        trajectory = None
        if record_trajectory:
            before = (_to_backbone(state, row, blueprint, origin) for state in recorder.states[:-1])
            trajectory = (*before, backbone)
        own = slice(len(blueprint))
        designs.append(Design(index, blueprint, backbone, certain[row, own], fits[row], chosen[row, own], trajectory))
    return designs


def _with_ideal_bonds(state: State, known: Known) -> State:
    """Return the state after the last small motion of the residues whose structure is designed."""
    present, linked = known.sites.present, bonded_sites(known.sites)
    movable = known.free(TRANSLATIONS) & known.free(ROTATIONS)
    if not movable.any():  # inverse folding
        return state
    x, r = idealise(state[TRANSLATIONS], state[ROTATIONS], present=present, linked=linked, movable=movable)
    return {**state, TRANSLATIONS: x, ROTATIONS: r}


def _to_backbone(state: State, row: int, blueprint: Blueprint, origin: npt.NDArray[np.float32]) -> Backbone:
    """Return the protein of a row, with what was given exactly as it was."""
    points = {name: x[row, : len(blueprint)] for name, x in state.items()}
    if not blueprint.structure_given.any():
        points[TRANSLATIONS] = points[TRANSLATIONS] - points[TRANSLATIONS].mean(0)
    backbone = decode(points, blueprint.backbone)
    given = blueprint.structure_given[:, None, None]
    coordinates = np.where(given, blueprint.backbone.coordinates, backbone.coordinates + origin)
    return dataclasses.replace(backbone, coordinates=coordinates)
