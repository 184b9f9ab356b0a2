"""One structure file to the stretches of chains that are fit to train on, and a reason for everything that is not."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import StructureError
from gm_multimodal.protein.backbone import Backbone, ResidueId
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.metrics.secondary_structure import Shares, secondary_structure, shares
from gm_multimodal.protein.preparation.sources import Source
from gm_multimodal.protein.reading_notes import KINDS, MIRRORED, MODELS, notes_of
from gm_multimodal.protein.structure import DUPLICATES, NOT_FINITE, NUCLEOTIDES, Chain, ProteinFile, chains_of
from gm_multimodal.protein.structure_file import StructureFile, open_structure

MOST_CHAINS: Final = 5000
"""Chains of a file beyond which it is refused as a whole; the largest virus capsids have 1,400."""

LOW_PLDDT: Final = "mean pLDDT below"
"""How the reason begins for which a prediction is refused."""

_BOND_LENGTHS: Final = ((0, 1, 1.459), (1, 2, 1.525), (2, 3, 1.231))  # N-CA, CA-C, C=O (Angstrom)
_BOND_TOLERANCE: Final = 0.2
_CLASH: Final = 3.0  # Angstrom between CA more than two residues apart


@final
@dataclass(frozen=True)
class Criteria:
    """What is taken from a file.

    Attributes:
        chains: all, longest, or names of chains with commas between them.
        models: first or all.
        gaps: split (into stretches), mark (keep the chain, its positions jump) or reject (the chain).
        predicted: auto (by the header), true or false: whether B-factors are pLDDT.
        min_length: residues of a stretch.
        max_length: residues of a stretch.
        max_resolution: Angstrom; None takes any. Files without a resolution pass.
        max_coil: share of residues in neither helix nor strand by hydrogen bonds; None takes any.
        max_gyration_ratio: radius of gyration over 2.2 L^0.38 Angstrom; None takes any.
        min_plddt: mean over a stretch of a prediction, 0 to 100; None takes any.
        max_broken: share of residues with a bond off by 0.2 Angstrom, or with CA closer than 3 Angstrom to another.
        max_bytes: of a file, unpacked.
    """

    chains: str
    models: str
    gaps: str
    predicted: str
    min_length: int
    max_length: int
    max_resolution: float | None
    max_coil: float | None
    max_gyration_ratio: float | None
    min_plddt: float | None
    max_broken: float
    max_bytes: int


@final
@dataclass(frozen=True)
class Rejection:
    """Why something is not in the dataset.

    Attributes:
        file: name of the file.
        chain: name of the chain; empty if all of the file is meant.
        residues: first and last residue of the stretch, as 5-27; empty if all of the chain is meant.
        reason: in a few words, the same for the same reason; what follows a colon is particular.
        number: the figure that decided; None where there is none.
    """

    file: str
    chain: str
    residues: str
    reason: str
    number: float | None = None


@final
@dataclass(frozen=True)
class Stretch:
    """Consecutive residues of a chain that go into the dataset as one row; other fields as its columns (`shards`)."""

    id: str
    source: str
    chain: str
    model: int
    backbone: Backbone
    shares: Shares
    gyration_ratio: float
    resolution: float | None
    plddt: float | None


@final
@dataclass(frozen=True)
class Outcome:
    """What one file gave."""

    accepted: Sequence[Stretch]
    rejected: Sequence[Rejection]


def examine(task: tuple[Source, Criteria]) -> Outcome:
    """Read one file; nothing in a file raises, a malformed one is a rejection."""
    source, criteria = task
    accepted: list[Stretch] = []
    rejected: list[Rejection] = []
    try:
        for item in _items(source, criteria):
            (accepted if isinstance(item, Stretch) else rejected).append(item)  # type: ignore[arg-type]
    except StructureError as error:
        accepted, rejected = [], [Rejection(source.name, "", "", error.reason)]
    except Exception as error:  # what no parser foresaw must not end a run over a thousand other files
        accepted, rejected = [], [Rejection(source.name, "", "", f"cannot be read: {type(error).__name__}: {error}")]
    return Outcome(accepted, rejected)


def _items(source: Source, criteria: Criteria) -> Iterator[Stretch | Rejection]:
    file = open_structure(source.path, max_bytes=criteria.max_bytes)
    if _exceeds(file.resolution, criteria.max_resolution):
        reason = f"resolution above {criteria.max_resolution:g} Angstrom"
        yield Rejection(source.name, "", "", reason, file.resolution)
        return
    for model in range(1, (file.models if criteria.models == "all" else 1) + 1):
        chains = chains_of(file, model)
        if len(chains) > MOST_CHAINS:
            yield Rejection(source.name, "", "", f"more than {MOST_CHAINS} chains", len(chains))
            return
        yield from _notes(source, ProteinFile(file.path, file.models, tuple(chains)), criteria)
        chosen = _chosen(chains, source.chain or criteria.chains)
        if not any(len(chain) or chain.faults for chain in chains):
            yield Rejection(source.name, "", "", "no protein")
        for chain in chains:
            if len(chain) and chain.id not in chosen:
                yield Rejection(source.name, chain.id, "", "chain not asked for", len(chain))
            elif len(chain) or chain.faults:
                yield from _stretches(source, file, model, chain, criteria)
        for name in sorted(chosen - {chain.id for chain in chains}):
            yield Rejection(source.name, name, "", "no such chain")


def _notes(source: Source, file: ProteinFile, criteria: Criteria) -> Iterator[Rejection]:
    """Yield what is left out of a file of which the rest may be taken."""
    if any(map(len, file.chains)):
        for note in notes_of(file):
            if note.kind in KINDS and not (note.kind == MODELS and criteria.models == "all"):
                yield Rejection(source.name, "", "", f"{note.kind}: {note.text}", note.number)


def _chosen(chains: Sequence[Chain], choice: str) -> set[str]:
    if choice == "all":
        return {chain.id for chain in chains}
    if choice == "longest":
        # of equally long ones the first of the file
        return {max(chains, key=len).id} if chains else set()
    return {name.strip() for name in choice.split(",")}


def _stretches(
    source: Source, file: StructureFile, model: int, chain: Chain, criteria: Criteria
) -> Iterator[Stretch | Rejection]:
    """Yield the stretches of one chain, or why there are none."""

    def refuse(reason: str, number: float | None = None) -> Rejection:
        return Rejection(source.name, chain.id, "", reason, number)

    if chain.faults.get(NUCLEOTIDES, 0) > len(chain):
        yield refuse("nucleic acid", chain.faults[NUCLEOTIDES])
        return
    for fault in (DUPLICATES, NOT_FINITE):
        if fault in chain.faults:
            yield refuse(fault, chain.faults[fault])
            return
    if not len(chain):
        fault, number = max(chain.faults.items(), key=lambda item: item[1])
        yield refuse(f"only {fault}", number)
        return
    if chain.is_mirrored:
        yield refuse(MIRRORED, len(chain))
        return
    breaks = ~chain.backbone.is_bonded
    if criteria.gaps == "reject" and breaks.any():
        yield refuse("gaps", int(breaks.sum()))
        return
    cuts = np.flatnonzero(breaks) + 1 if criteria.gaps == "split" else np.zeros(0, dtype=np.int64)
    for start, stop in zip([0, *cuts], [*cuts, len(chain)], strict=True):
        yield _judge(source, file, model, chain, slice(int(start), int(stop)), criteria)


def _judge(
    source: Source, file: StructureFile, model: int, chain: Chain, part: slice, criteria: Criteria
) -> Stretch | Rejection:
    """Return the residues `part` of a chain as a row, or why they are none."""
    backbone = chain.backbone[part]
    xyz, first, last = backbone.coordinates, backbone.names[0], backbone.names[-1]
    residues = f"{first.number}{first.insertion_code}-{last.number}{last.insertion_code}"

    def refuse(reason: str, number: float) -> Rejection:
        return Rejection(source.name, chain.id, residues, reason, round(number, 4))

    length = len(xyz)
    if length < criteria.min_length:
        return refuse(f"shorter than {criteria.min_length} residues", length)
    if length > criteria.max_length:
        return refuse(f"longer than {criteria.max_length} residues", length)
    plddt = _plddt(file, chain.b_factors[part], criteria.predicted)
    if plddt is not None and criteria.min_plddt is not None and plddt < criteria.min_plddt:
        return refuse(f"{LOW_PLDDT} {criteria.min_plddt:g}", plddt)
    if (broken := broken_share(xyz)) > criteria.max_broken:
        return refuse("broken geometry", broken)
    ratio = gyration_ratio(xyz)
    if _exceeds(ratio, criteria.max_gyration_ratio):
        return refuse(f"radius of gyration above {criteria.max_gyration_ratio:g} x 2.2 L^0.38 Angstrom", ratio)
    found = shares(secondary_structure(backbone))
    if _exceeds(found.coil, criteria.max_coil):
        return refuse(f"coil share above {criteria.max_coil:g}", found.coil)
    return Stretch(
        id=_id(source, first, model if criteria.models == "all" and file.models > 1 else None),
        source=source.name,
        chain=chain.id,
        model=model,
        backbone=replace(backbone, position=backbone.position - backbone.position[0]),
        shares=found,
        gyration_ratio=ratio,
        resolution=file.resolution,
        plddt=plddt,
    )


def broken_share(coordinates: npt.NDArray[np.floating]) -> float:
    """Share of residues with a bond that is off by more than 0.2 Angstrom, or CA within 3 Angstrom of another one's."""
    atoms = np.asarray(coordinates, dtype=np.float64)
    is_broken = np.zeros(len(atoms), dtype=bool)
    for first, second, length in _BOND_LENGTHS:
        is_broken |= np.abs(np.linalg.norm(atoms[:, first] - atoms[:, second], axis=-1) - length) > _BOND_TOLERANCE
    ca = atoms[:, 1]
    distances = np.linalg.norm(ca[:, None] - ca, axis=-1)
    site = np.arange(len(ca))
    is_broken |= ((distances < _CLASH) & (np.abs(site[:, None] - site) > 2)).any(-1)
    return float(is_broken.mean())


def _plddt(file: StructureFile, b_factors: npt.NDArray[np.float32], predicted: str) -> float | None:
    """Return the mean pLDDT, 0 to 100, or None where B-factors are something else; some programs write shares."""
    if predicted == "false" or (predicted == "auto" and not file.is_predicted):
        return None
    scale = 100.0 if b_factors.max() <= 1.0 else 1.0
    return scale * float(np.mean(b_factors, dtype=np.float64))


def _exceeds(value: float | None, bound: float | None) -> bool:
    return value is not None and bound is not None and not math.isnan(value) and value > bound


def _id(source: Source, first: ResidueId, model: int | None) -> str:
    name = source.name.lower().removesuffix(".gz")
    stem = source.name[: name.rindex(".")].replace("/", "_")
    name = f"{stem}_{first.chain or '-'}_{first.number}{first.insertion_code}"
    return name + (f"_m{model}" if model is not None else "")
