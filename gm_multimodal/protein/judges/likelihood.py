"""How likely a model of proteins finds a structure and its sequence."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gm_multimodal.network import Network
from gm_multimodal.noise import SharedNoise
from gm_multimodal.product import Known, Product
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.batch import single_chain
from gm_multimodal.protein.factors import SEQUENCE, STRUCTURE, TRANSLATIONS, encode, parts_of
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.tasks import place_origin
from gm_multimodal.sampling.flow_density import flow_density
from gm_multimodal.sampling.grids import ShrinkingGrid
from gm_multimodal.sampling.masking_bound import MaskingTerms, masking_terms

BLUR: Final = 0.01
"""Path time that is left where densities are taken: 0.1 Angstrom for positions, 1.3 degrees for rotations."""

_SEQUENCE, _STRUCTURE = 0, 1


@final
@dataclass(frozen=True)
class Nats:
    """An estimate with its standard error.

    Attributes:
        mean: of independent estimates (nat).
        error: standard error of the mean (nat).
        per_residue: what every residue takes of it, [L] (nat); empty where that has no meaning.
    """

    mean: float
    error: float
    per_residue: npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Likelihood:
    """A trained model, ready to say how likely it finds proteins.

    Attributes:
        network: in evaluation mode, on `device`.
        product: its factors.
        device: where to compute.
        seed: with the backbone, determines every draw, so that sequences of one backbone are compared on equal draws.
    """

    network: Network
    product: Product
    device: torch.device
    seed: int = 0

    def sequence_given_structure(self, subject: Backbone, *, rounds: int = 8, levels: int = 8) -> Nats:
        """Estimate the bound of -log p(sequence | structure): what the model pays to fill in the residue types.

        Args:
            subject: the structure and the sequence.
            rounds: independent estimates, at least 2; their scatter gives the error.
            levels: network calls of each, spread evenly over the number of hidden residues.
        """
        found = []
        for number in range(rounds):
            known = self._known(subject, levels, given=STRUCTURE)
            noise = self._noise(subject, _SEQUENCE, number)
            found.append(masking_terms(self.network, self.product, known, SEQUENCE, noise))
        totals = torch.stack([terms.totals.double().mean() for terms in found])
        pooled = MaskingTerms(torch.cat([x.weights for x in found]), torch.cat([x.losses for x in found]))
        return _nats(totals, pooled.per_site.double().cpu().numpy())

    def structure(self, subject: Backbone, *, estimates: int = 4, steps: int = 20, given: bool = False) -> Nats:
        """Estimate the nats that tell the backbone frames, up to a blur, from all else the model could have made.

        That is E log p_t(x | z) - log p_t(x), x ~ p_t(. | z) at the time when BLUR is left. Low for what the model
        finds likely. No residue has a share of its own in it.

        Args:
            subject: the structure and the sequence.
            estimates: independent ones, at least 2; their scatter gives the error.
            steps: of the way back to the prior, three network calls each; 10 and 80 differ by less than the error.
            given: whether the sequence is known (folding), or nothing is.
        """
        known = self._known(subject, estimates, given=(SEQUENCE,) if given else ())
        noise = self._noise(subject, _STRUCTURE, 0)
        grid = ShrinkingGrid(steps, BLUR)
        density = flow_density(self.network, self.product, known, STRUCTURE, grid, noise)
        return _nats(density.description.double(), np.empty(0))

    def _known(self, subject: Backbone, rows: int, given: Sequence[str]) -> Known:
        length = len(subject.tokens)
        present = torch.ones(rows, length, dtype=torch.bool, device=self.device)
        exact = replace(subject, coordinates=subject.coordinates.astype(np.float64))
        clean, absent = encode([exact], parts_of(self.product))
        clean[TRANSLATIONS] = clean[TRANSLATIONS] - clean[TRANSLATIONS].mean(1, keepdim=True)
        values = {
            name: (x.float() if x.is_floating_point() else x).to(self.device).expand(rows, *x.shape[1:])
            for name, x in clean.items()
        }
        mask = {name: torch.full_like(present, name in given) for name in self.product}
        unknown = {name: x.to(self.device).expand(rows, -1) for name, x in absent.items()}
        return place_origin(Known(values, mask, single_chain(present), absent=unknown))

    def _noise(self, subject: Backbone, *use: int) -> SharedNoise:
        digest = hashlib.blake2b(np.ascontiguousarray(subject.coordinates, dtype=np.float32).tobytes(), digest_size=8)
        key = int.from_bytes(digest.digest(), "little")
        return SharedNoise.keyed(self.seed, key, *use, device=self.device)


def _nats(estimates: Tensor, per_residue: npt.NDArray[np.float64]) -> Nats:
    error = estimates.std().item() / len(estimates) ** 0.5
    return Nats(estimates.mean().item(), error, per_residue)


@final
class LikelihoodJudge:
    """Adds what the model pays for sequence and backbone, per residue.

    Args:
        model: the model.
        name: of its checkpoint, with its digest.
        version: of this package.
    """

    def __init__(self, model: Likelihood, name: str, version: str) -> None:
        self._model, self._name, self._version = model, name, version

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Nats of the sequence given the structure and of the structure, each with its standard error."""

        def define(text: str) -> Definition:
            tool = f"gm_multimodal, checkpoint {self._name}, seed {self._model.seed}"
            return Definition(text, tool, self._version, atoms="N, CA, C")

        return {
            "model_sequence_nats": define(
                "Bound of -log p(sequence | backbone) under the model, per residue (nat; evidence lower bound of the "
                "masking process, random masks; lower is likelier)."
            ),
            "model_sequence_error": define("Standard error of model_sequence_nats."),
            "model_structure_nats": define(
                "E log p_t(x | z) - log p_t(x) per residue (nat): what tells the backbone frames z, blurred by 0.1 "
                "Angstrom and 1.3 degrees, from all else the model could have made of this length, its sequence "
                "unknown; density along the probability flow with a stochastic trace; lower is likelier."
            ),
            "model_structure_error": define("Standard error of model_structure_nats."),
            "model_joint_nats": define(
                "model_structure_nats + model_sequence_nats: the whole design, per residue (nat; lower is likelier)."
            ),
        }

    def judge(self, subjects: Sequence[Backbone]) -> Sequence[Mapping[str, float | str | None]]:
        """Estimate every structure by itself, whatever its company."""
        return [self._judge_one(subject) for subject in subjects]

    def _judge_one(self, subject: Backbone) -> dict[str, float | str | None]:
        length = len(subject.tokens)
        sequence = self._model.sequence_given_structure(subject)
        structure = self._model.structure(subject) if length > 1 else None  # one residue has no shape
        return {
            "model_sequence_nats": sequence.mean / length,
            "model_sequence_error": sequence.error / length,
            "model_structure_nats": structure.mean / length if structure else None,
            "model_structure_error": structure.error / length if structure else None,
            "model_joint_nats": (structure.mean + sequence.mean) / length if structure else None,
        }
