"""How well sequence and backbone fit each other, by ProteinMPNN."""

from collections.abc import Mapping, Sequence
from typing import final

from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.judges.protein_mpnn import MODEL, ProteinMPNN
from gm_multimodal.protein.metrics.figures import Definition

ORDERS = 8
"""Random orders over which the score of a given sequence is averaged."""


@final
class SequenceFit:
    """Scores the sequence of every structure, and draws others for its backbone.

    Args:
        mpnn: the network.
        sequences: how many to draw for each backbone.
        temperature: of the draws.
        seed: of draws and orders.
    """

    def __init__(self, mpnn: ProteinMPNN, *, sequences: int, temperature: float = 0.1, seed: int) -> None:
        self._mpnn, self._sequences, self._temperature, self._seed = mpnn, sequences, temperature, seed

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Scores of the own and of the drawn sequences, and how many residues agree."""
        how = f"temperature {self._temperature:g}, seed {self._seed}"
        drawn = f"{self._sequences} sequences drawn for the backbone ({how})"

        def define(text: str) -> Definition:
            return Definition(text, f"ProteinMPNN {MODEL}", self._mpnn.version, atoms="N, CA, C, O")

        return {
            "mpnn_score_own": define(
                "Mean over the residues of -log p of the structure's own sequence given its backbone (nat per residue; "
                f"lower is better; mean over {ORDERS} random orders, seed {self._seed})."
            ),
            "mpnn_score_mean": define(f"Mean of the scores of {drawn} (nat per residue), each in its own order."),
            "mpnn_score_best": define(f"Lowest of the scores of {drawn} (nat per residue)."),
            "mpnn_recovery": define(
                f"Share of the own residue types among {drawn}, on average (MultiFlow's average PMPNN consistency)."
            ),
            "mpnn_recovery_best": define(
                f"Share of the own residue types in the most alike of {drawn} (MultiFlow's max PMPNN consistency)."
            ),
        }

    def judge(self, subjects: Sequence[Backbone]) -> Sequence[Mapping[str, float | str | None]]:
        """Score every structure by itself, whatever its company."""
        return [self._judge_one(subject) for subject in subjects]

    def _judge_one(self, subject: Backbone) -> dict[str, float | str | None]:
        own = self._mpnn.score(subject.coordinates, subject.tokens, orders=ORDERS, seed=self._seed)
        drawn = self._mpnn.design(
            subject.coordinates, count=self._sequences, temperature=self._temperature, seed=self._seed
        )
        agreement = (drawn.tokens == subject.tokens).mean(-1)
        return {
            "mpnn_score_own": float(own.mean()),
            "mpnn_score_mean": float(drawn.scores.mean()),
            "mpnn_score_best": float(drawn.scores.min()),
            "mpnn_recovery": float(agreement.mean()),
            "mpnn_recovery_best": float(agreement.max()),
        }
