"""ProteinMPNN as a teacher: the law of every hidden residue type, given the backbone and the types that are revealed.

The network is that of the package, its layers are evaluated anew: every question here is about the same encoded
backbone. The first matrix of a message is split by what it multiplies, so that what it makes of residues is computed
per residue and, in the decoder, what it makes of edges once for all patterns and draws; the third is applied after the
sum over neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from gm_multimodal.protein.chains import Row
from gm_multimodal.protein.judges.protein_mpnn import load_network
from gm_multimodal.protein.residues import RESIDUES

NEIGHBOURS: Final = 48  # of a residue; shorter chains are not to be padded, because the decoder looks at padding


@dataclass(frozen=True)
class Encoded:
    """Backbones side by side, as the decoder sees them; H = 128, K neighbours.

    Attributes:
        present: True = a residue, bool [B, N].
        nodes: what the encoder says of residues, [B, N, H].
        neighbours: of every residue, int64 [B, N, K].
        edges: share of every decoder layer's first product that the edges give, [B, N, K, H] each.
        hidden: the same of a neighbour whose type is not seen, [B, N, H] each.
    """

    present: Tensor
    nodes: Tensor
    neighbours: Tensor
    edges: Sequence[Tensor]
    hidden: Sequence[Tensor]


class Teacher:
    """The teacher at one temperature.

    Args:
        temperature: of its laws; on native sequences 0.9 is best (it is too careful).
        dtype: of what is computed per edge; bfloat16 is four times as fast on a processor with AMX.
    """

    def __init__(self, temperature: float = 0.9, dtype: torch.dtype = torch.bfloat16) -> None:
        self.temperature, self.dtype = temperature, dtype
        self._network: Any = load_network()

    @torch.inference_mode()
    def encode(self, rows: Sequence[Row]) -> Encoded:
        """Encode the backbones of some rows; those of at most 48 residues must be of equal length."""
        lengths = {len(row) for row in rows}
        assert len(lengths) == 1 or min(lengths) > NEIGHBOURS, f"lengths {sorted(lengths)} in one batch"
        centred = [row.backbone.coordinates - row.backbone.coordinates[:, 1].mean(0) for row in rows]
        xyz = pad_sequence([torch.from_numpy(x) for x in centred], batch_first=True)
        # read within a chain only
        number = pad_sequence([torch.from_numpy(row.backbone.position) for row in rows], batch_first=True)
        chain = pad_sequence([torch.from_numpy(row.backbone.chain + 1) for row in rows], batch_first=True)
        mask = (chain > 0).float()
        network = self._network
        with torch.autocast("cpu", torch.bfloat16, self.dtype == torch.bfloat16):
            features, neighbours = network.features(xyz, mask, number, chain)
            edges = network.W_e(features).to(self.dtype)
        nodes = torch.zeros(*mask.shape, edges.shape[-1])
        for layer in network.encoder_layers:
            nodes, edges = self._encode(layer, nodes, edges, neighbours)
        of_edge, of_hidden = [], []
        for layer in network.decoder_layers:
            _, edge, _, node = layer.W1.weight.chunk(4, -1)
            of_edge.append(self._linear(edges, edge))
            of_hidden.append(functional.linear(nodes, node))
        return Encoded(mask.bool(), nodes, neighbours, of_edge, of_hidden)

    @torch.inference_mode()
    def conditionals(self, encoded: Encoded, tokens: Tensor, is_revealed: Tensor, order: Tensor) -> Tensor:
        """Return log p(type of i | backbone, revealed types) of every hidden residue at once, [B, N, 20].

        A residue sees those of lower rank; hidden residues share the last rank, so that they see the revealed ones and
        not each other. At revealed residues the law is that of their place in the order.

        Args:
            encoded: the backbones.
            tokens: residue types, read where revealed, int64 [B, N].
            is_revealed: bool [B, N].
            order: numbers in [0, 1) whose order is that of the revealed residues, [B, N].
        """
        rank = torch.where(is_revealed, order, 1.0)
        sees = _gather(rank[..., None], encoded.neighbours)[..., 0] < rank[..., None]
        nodes, types = encoded.nodes, self._network.W_s(tokens)
        for layer, edge, hidden in zip(self._network.decoder_layers, encoded.edges, encoded.hidden, strict=True):
            seen = self._seen(layer, types, nodes)
            near = torch.where(
                sees[..., None],
                _gather(seen.to(self.dtype), encoded.neighbours),
                _gather(hidden.to(self.dtype), encoded.neighbours),
            )
            nodes = self._update(layer, nodes, edge + near)
        return self._log_probs(nodes)

    @torch.inference_mode()
    def draw(self, encoded: Encoded, order: Tensor, uniform: Tensor) -> Tensor:
        """Draw the types of all residues one after another, int64 [B, N].

        Args:
            encoded: the backbones.
            order: numbers whose order is that of the draws, [B, N].
            uniform: one draw from [0, 1) for every residue, [B, N].
        """
        rows = torch.arange(len(order))
        layers = self._network.decoder_layers
        known = [hidden.to(self.dtype, copy=True) for hidden in encoded.hidden]
        tokens = torch.zeros(order.shape, dtype=torch.int64)
        for site in torch.where(encoded.present, order, 2.0).argsort(-1).T:
            near, node, inputs = encoded.neighbours[rows, site], encoded.nodes[rows, site], []
            for number, layer in enumerate(layers):
                inputs.append(node)
                message = encoded.edges[number][rows, site] + known[number][rows[:, None], near]
                node = self._update(layer, node, message)
            cumulative = self._log_probs(node).exp().cumsum(-1)
            token = (cumulative < uniform[rows, site][:, None] * cumulative[:, -1:]).sum(-1)
            tokens[rows, site] = token
            types = self._network.W_s(token)
            for number, layer in enumerate(layers):
                known[number][rows, site] = self._seen(layer, types, inputs[number]).to(self.dtype)
        return torch.where(encoded.present, tokens, 0)

    @staticmethod
    def _seen(layer: Any, types: Tensor, nodes: Tensor) -> Tensor:
        """Return the share of a layer's first product that a neighbour gives whose type is seen."""
        _, _, of_type, of_node = layer.W1.weight.chunk(4, -1)
        return functional.linear(types, of_type) + functional.linear(nodes, of_node)

    def _encode(self, layer: Any, nodes: Tensor, edges: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
        """Return residues and edges after one layer of the encoder."""
        _, of_edge, of_node = layer.W1.weight.chunk(3, -1)
        near = _gather(functional.linear(nodes, of_node).to(self.dtype), neighbours)
        nodes = self._update(layer, nodes, self._linear(edges, of_edge) + near)
        own, of_edge, of_node = layer.W11.weight.chunk(3, -1)
        near = _gather(functional.linear(nodes, of_node).to(self.dtype), neighbours)
        near += functional.linear(nodes, own, layer.W11.bias).to(self.dtype)[..., None, :]
        second = self._linear(functional.gelu(self._linear(edges, of_edge) + near), layer.W12.weight, layer.W12.bias)
        moved = self._linear(functional.gelu(second), layer.W13.weight, layer.W13.bias)
        norm = layer.norm3
        weight, bias = norm.weight.to(self.dtype), norm.bias.to(self.dtype)
        return nodes, functional.layer_norm(edges + moved, norm.normalized_shape, weight, bias, norm.eps)

    def _update(self, layer: Any, nodes: Tensor, near: Tensor) -> Tensor:
        """Return the residues [*B, H] after one layer; `near` is the neighbours' share of its first product."""
        own = functional.linear(nodes, layer.W1.weight[:, : nodes.shape[-1]], layer.W1.bias).to(self.dtype)
        first = functional.gelu(own[..., None, :] + near)
        second = self._linear(first, layer.W2.weight, layer.W2.bias)
        total = functional.gelu(second).sum(-2, dtype=torch.float32)
        moved = functional.linear(total, layer.W3.weight, near.shape[-2] * layer.W3.bias) / layer.scale
        nodes = layer.norm1(nodes + moved)
        return layer.norm2(nodes + layer.dense(nodes))

    def _linear(self, edges: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.linear(edges, weight.to(self.dtype), None if bias is None else bias.to(self.dtype))

    def _log_probs(self, nodes: Tensor) -> Tensor:
        return (self._network.W_out(nodes)[..., : len(RESIDUES)] / self.temperature).log_softmax(-1)


def _gather(nodes: Tensor, neighbours: Tensor) -> Tensor:
    """Return what neighbours [B, N, K] have, [B, N, K, H]."""
    return nodes[torch.arange(len(nodes))[:, None, None], neighbours]
