"""The trunk whose attention looks at learned points: the network of `base` in its first release."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.networks.attention import InvariantPointAttention
from gm_multimodal.networks.frames import (
    PAIR_GEOMETRY,
    PAIR_OFFSETS,
    Frames,
    offset_features,
    offset_table,
    pair_features,
)
from gm_multimodal.networks.layers import scaled_init_
from gm_multimodal.networks.trunk import Trunk, TrunkLayer
from gm_multimodal.sites import Sites

POOLS = 4


@final
class PairBiases(nn.Module):
    """Pair features, once per network call: the attention biases of all layers, and a pooled message per site.

    Args:
        width: channels of a site.
        pair_width: channels of a pair.
        layers: number of layers.
        heads: attention heads of a layer.
    """

    def __init__(self, width: int, pair_width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.layers, self.heads = layers, heads
        self.features = nn.Linear(2 * PAIR_GEOMETRY + PAIR_OFFSETS, pair_width, bias=False)
        self.ends = nn.Linear(width, 2 * pair_width)
        # No constant: it would drop out of every softmax.
        self.biases = nn.Linear(pair_width, layers * heads + POOLS, bias=False)
        self.message = scaled_init_(nn.Linear(POOLS * pair_width, width), 0.3)
        self.register_buffer("offset_table", offset_table(), persistent=False)
        self.offset_table: Tensor

    def forward(
        self, hidden: Tensor, frames: Frames, previous: Frames | None, sites: Sites, padding: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return the biases of every layer, [B, heads, N, N] each, and the messages [B, N, width].

        The first layer is split as W f_ij + W' s_i + W'' s_j, so that nothing of size N x N x 2 width is made. Channels
        come first, [channels, B, N, N]: each layer is one matrix product over all pairs, without a transposed copy.
        """
        b, n, _ = hidden.shape
        features = frames.translations.new_empty(2 * PAIR_GEOMETRY + PAIR_OFFSETS, b, n, n)
        here, before, along = features.split([PAIR_GEOMETRY, PAIR_GEOMETRY, PAIR_OFFSETS])
        pair_features(frames, here)
        if previous is None:
            before.zero_()
        else:
            pair_features(previous, before)
        offset_features(sites, self.offset_table, along)
        # Contiguous, because a sum takes the layout of its terms.
        first, second = self.ends(hidden).permute(2, 0, 1).contiguous().chunk(2)
        ends = (first[..., :, None] + second[..., None, :]).flatten(1)
        pairs = functional.relu(torch.addmm(ends, self.features.weight, features.flatten(1)), inplace=True)
        logits = (self.biases.weight @ pairs).unflatten(1, (b, n, n))
        # One split: every further slice would cost a full-size copy in the backward pass.
        *biases, pools = logits.split([self.heads] * self.layers + [POOLS])
        shares = (pools + padding[:, None, :]).softmax(-1).flatten(1, 2).permute(1, 2, 0)  # [B * N, N, POOLS]
        pooled = pairs.view(-1, b * n, n).transpose(0, 1) @ shares  # [B * N, pair_width, POOLS]
        message = self.message(pooled.mT.reshape(b, n, -1))
        return [bias.transpose(0, 1) for bias in biases], message


@final
class ResidueTrunk(Trunk):
    """A trunk with learned query, key and value points, whose pair features also send a message to the sites.

    Args:
        width: channels of a site.
        heads: attention heads.
        layers: number of layers.
        pair_width: channels of a pair.
        transition: hidden channels of the transitions over channels.
        types: number of types that data can take; the mask is `types`.
        components: of the mixture that describes rotations.
    """

    def __init__(
        self,
        width: int = 192,
        heads: int = 8,
        layers: int = 6,
        pair_width: int = 48,
        transition: int = 3,
        types: int = 20,
        components: int = 1,
    ) -> None:
        pairs = PairBiases(width, pair_width, layers, heads)
        super().__init__(
            width,
            pairs,
            [TrunkLayer(width, InvariantPointAttention(width, heads), transition) for _ in range(layers)],
            types,
            components,
        )

    def _read_pairs(
        self, hidden: Tensor, start: Frames, fed_back: Frames | None, sites: Sites, padding: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        biases, message = self.pairs(hidden, start, fed_back, sites, padding)
        return hidden + message, [bias.to(start.translations) for bias in biases]
