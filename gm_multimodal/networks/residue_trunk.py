"""The equivariant trunk over sites that carry a frame and a type."""

from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.network import Context
from gm_multimodal.networks.attention import InvariantPointAttention
from gm_multimodal.networks.frames import (
    LOCAL_FEATURES,
    NEIGHBOURS,
    PAIR_GEOMETRY,
    PAIR_OFFSETS,
    Frames,
    chain_neighbours,
    local_features,
    offset_features,
    offset_table,
    pair_features,
)
from gm_multimodal.networks.layers import TimeEmbedding, Transition, in_full_precision, scaled_init_
from gm_multimodal.product import State
from gm_multimodal.spaces.rotations import rotation_exp

FACTORS = ("translations", "rotations", "sequence")
POOLS = 4
PADDING_BIAS = -1e9
REACH = 0.1
"""How far an origin that is not given can move at any time, as a share of time: bounds what late times ask for."""


@in_full_precision
def _moved(
    start: Frames, frames: Frames, tangent: Tensor, move: Tensor, remaining: tuple[Tensor, Tensor]
) -> tuple[Frames, Tensor]:
    """Shift the origins within the moved frames, and turn the start by the sum of all turns so far."""
    shift = (frames.rotations @ move[..., :3, None]).squeeze(-1)
    tangent = tangent + move[..., 3:]
    rotations = start.rotations @ rotation_exp(remaining[1] * tangent)
    return Frames(frames.translations + remaining[0] * shift, rotations), tangent


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
        self, sites: Tensor, frames: Frames, previous: Frames | None, context: Context, padding: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return the biases of every layer, [B, heads, N, N] each, and the messages [B, N, width].

        The first layer is split as W f_ij + W' s_i + W'' s_j, so that nothing of size N x N x 2 width is made. Channels
        come first, [channels, B, N, N]: each layer is one matrix product over all pairs, without a transposed copy.
        """
        b, n, _ = sites.shape
        features = frames.translations.new_empty(2 * PAIR_GEOMETRY + PAIR_OFFSETS, b, n, n)
        here, before, along = features.split([PAIR_GEOMETRY, PAIR_GEOMETRY, PAIR_OFFSETS])
        pair_features(frames, here)
        if previous is None:
            before.zero_()
        else:
            pair_features(previous, before)
        offset_features(context, self.offset_table, along)
        # Contiguous, because a sum takes the layout of its terms.
        first, second = self.ends(sites).permute(2, 0, 1).contiguous().chunk(2)
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
class TrunkLayer(nn.Module):
    """Look at the chain neighbours, attend, transform, and propose a move of the frame."""

    def __init__(self, width: int, heads: int, transition: int) -> None:
        super().__init__()
        self.local = nn.Linear(LOCAL_FEATURES, width)
        self.attention = InvariantPointAttention(width, heads)
        self.transition = Transition(width, transition)
        self.move_norm = nn.LayerNorm(width)
        self.move = scaled_init_(nn.Linear(width, 6), 0.02)

    def forward(
        self, sites: Tensor, frames: Frames, neighbours: Tensor, bias: Tensor, padding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new sites [B, N, width] and a move [B, N, 3 + 3] in the local frame."""
        sites = sites + self.local(local_features(frames, neighbours))
        sites = sites + self.attention(sites, frames, bias, padding)
        sites = sites + self.transition(sites)
        return sites, self.move(self.move_norm(sites))


@final
class ResidueTrunk(nn.Module):
    """SE(3)-equivariant network on frames and types: invariant features, geometry only through local frames.

    Every layer moves an estimate of the clean frames, which starts at x_t and is scaled by the time that remains:
    x_hat = x_t + (1 - t + REACH) sum R_hat u and R_hat = R_t exp((1 - tau) sum w). A given frame (time 1) stays exactly
    where it is.

    Args:
        width: channels of a site.
        heads: attention heads.
        layers: number of layers.
        pair_width: channels of a pair.
        transition: hidden channels of the transitions over channels.
        types: number of types that data can take; the mask is `types`.
        components: of the mixture that describes rotations.
    """

    HEADS: ClassVar = ("move_norm", "move", "head_norm", "log_scale", "components", "types_head")
    """Names of the parts that turn features of sites into frames and types."""

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
        super().__init__()
        self.types = types
        self.time = TimeEmbedding(len(FACTORS))
        fed_back = 1 + types + 3 + 9 + LOCAL_FEATURES
        self.embed = nn.Linear(types + 1 + self.time.width + len(NEIGHBOURS) + LOCAL_FEATURES + fed_back, width)
        self.pairs = PairBiases(width, pair_width, layers, heads)
        self.layers = nn.ModuleList(TrunkLayer(width, heads, transition) for _ in range(layers))
        self.head_norm = nn.LayerNorm(width)
        self.log_scale = scaled_init_(nn.Linear(width, components), 0.1)
        # Of several components, each has an offset from the tangent of the trunk and a logit.
        self.components = scaled_init_(nn.Linear(width, 4 * components), 0.1) if components > 1 else None
        self.types_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, types))

    def forward(
        self, state: State, times: Mapping[str, Tensor], context: Context, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return what the three factors' parameterizations read.

        Args:
            state: translations [B, N, 3] (nm), rotations [B, N, 3, 3], sequence int64 [B, N].
            times: path time of every site, [B, N] per factor.
            context: chain positions and padding.
            previous: means of the last prediction: translations, rotations, and type probabilities [B, N, types].

        Returns:
            translations: endpoint in the frame of the input, [B, N, 3] (nm); rotations: means, log scales and, of
            several components, logits of the scaled tangent in the frame of R_t, [B, N, 4] or [B, N, 5 K]; sequence:
            logits, [B, N, types].
        """
        start = Frames(state["translations"], state["rotations"])
        fed_back = None if previous is None else Frames(previous["translations"], previous["rotations"])
        neighbours = chain_neighbours(context).to(start.translations)
        sites = self._embed(state, times, start, previous, fed_back, neighbours)
        padding = torch.where(context.present, 0.0, PADDING_BIAS).to(sites)
        biases, message = self.pairs(sites, start, fed_back, context, padding)
        sites = sites + message
        left = 1 - times["translations"][..., None]
        remaining = torch.where(left > 0, left + REACH, left), 1 - times["rotations"][..., None]
        frames, tangent = start, torch.zeros_like(start.translations)
        for layer, bias in zip(self.layers, biases, strict=True):
            sites, move = layer(sites, frames, neighbours, bias.to(start.translations), padding)
            frames, tangent = _moved(start, frames, tangent, move.to(tangent), remaining)
        sites = self.head_norm(sites)
        return {
            "translations": frames.translations,
            "rotations": self._mixture(sites, tangent),
            "sequence": self.types_head(sites),
        }

    def _mixture(self, sites: Tensor, tangent: Tensor) -> Tensor:
        """Describe the law of the scaled tangent, [B, N, 4] or [B, N, 5 K]."""
        log_scales = self.log_scale(sites)
        if self.components is None:
            return torch.cat([tangent, log_scales], -1)
        k = log_scales.shape[-1]
        offsets, logits = self.components(sites).split([3 * k, k], -1)
        return torch.cat([tangent.repeat(1, 1, k) + offsets, log_scales, logits], -1)

    def _embed(
        self,
        state: State,
        times: Mapping[str, Tensor],
        start: Frames,
        previous: State | None,
        fed_back: Frames | None,
        neighbours: Tensor,
    ) -> Tensor:
        """Embed everything that is known of a site alone, [B, N, width]."""
        x = start.translations
        known = [
            functional.one_hot(state["sequence"], self.types + 1).to(x),
            self.time(torch.stack([times[name] for name in FACTORS], -1)),
            neighbours,
            local_features(start, neighbours),
        ]
        if previous is None or fed_back is None:
            known.append(x.new_zeros(*x.shape[:2], 1 + self.types + 3 + 9 + LOCAL_FEATURES))
        else:
            known += [
                x.new_ones(*x.shape[:2], 1),
                previous["sequence"],
                start.to_local(fed_back.translations),
                (start.rotations.mT @ fed_back.rotations).flatten(-2),
                local_features(fed_back, neighbours),
            ]
        return self.embed(torch.cat(known, -1))
