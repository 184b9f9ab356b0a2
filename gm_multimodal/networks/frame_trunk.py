"""The trunk whose attention looks at frames: fewer operations than with learned points."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.networks.frame_attention import FrameAttention
from gm_multimodal.networks.frames import (
    PAIR_GEOMETRY,
    PAIR_OFFSETS,
    Frames,
    offset_features,
    offset_table,
    pair_features,
)
from gm_multimodal.networks.site_part import SitePart
from gm_multimodal.networks.trunk import Trunk, TrunkLayer
from gm_multimodal.sites import Sites


@final
class PairBias(nn.Module):
    """W' relu(W f_ij) for all layers and heads at once, where the features f_ij are constants for the gradient.

    Args:
        pair_width: hidden channels of a pair.
        layers: number of layers.
        heads: attention heads of a layer.
    """

    def __init__(self, pair_width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.layers, self.heads = layers, heads
        self.features = nn.Linear(PAIR_OFFSETS + 2 * PAIR_GEOMETRY, pair_width, bias=False)
        # No constant: it would drop out of every softmax.
        self.biases = nn.Linear(pair_width, layers * heads, bias=False)
        self.register_buffer("offset_table", offset_table(), persistent=False)
        self.offset_table: Tensor

    def forward(self, frames: Frames, previous: Frames | None, sites: Sites) -> Sequence[Tensor]:
        """Return the biases of every layer, [heads * B, N, N] each; without `previous` its features are left out.

        Channels come first, so that products over all pairs leave what attention reads without a copy.
        """
        known = [frames] if previous is None else [frames, previous]
        b, n, _ = frames.translations.shape
        features = frames.translations.new_empty(PAIR_OFFSETS + PAIR_GEOMETRY * len(known), b, n, n)
        along, *geometry = features.split([PAIR_OFFSETS] + [PAIR_GEOMETRY] * len(known))
        offset_features(sites, self.offset_table, along)
        for some, out in zip(known, geometry, strict=True):
            pair_features(some, out)
        hidden = functional.relu(self.features.weight[:, : len(features)] @ features.flatten(1), inplace=True)
        return (self.biases.weight @ hidden).view(self.layers, self.heads * b, n, n).unbind()


@final
class FrameTrunk(Trunk):
    """A trunk whose attention looks at the frames themselves, and whose pair features are biases and nothing else.

    Args:
        width: channels of a site.
        heads: attention heads.
        layers: number of layers.
        pair_width: hidden channels of a pair.
        transition: hidden channels of the transitions over channels.
        types: number of types that data can take; the mask is `types`.
        components: of the mixture that describes rotations.
        conditions: names of what the network may be told of a site; untrained ones change nothing.
        parts: further factors.
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
        conditions: Sequence[str] = (),
        parts: Sequence[SitePart] = (),
    ) -> None:
        made = [TrunkLayer(width, FrameAttention(width, heads), transition) for _ in range(layers)]
        super().__init__(width, PairBias(pair_width, layers, heads), made, types, components, conditions, parts)

    def _read_pairs(
        self, hidden: Tensor, start: Frames, fed_back: Frames | None, sites: Sites, padding: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        return hidden, self.pairs(start, fed_back, sites)
