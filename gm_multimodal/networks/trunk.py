"""What trunks over residues share: what is known of a site alone, the moves of its frame, and the heads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.errors import UserInputError
from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.networks.frames import (
    LOCAL_FEATURES,
    NEIGHBOURS,
    Frames,
    chain_neighbours,
    local_features,
)
from gm_multimodal.networks.layers import TimeEmbedding, Transition, in_full_precision, scaled_init_
from gm_multimodal.networks.site_part import SitePart
from gm_multimodal.product import State
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.rotations import rotation_exp

FACTORS = ("translations", "rotations", "sequence")

CONDITION_STATES = 4
"""States of every condition: 0 = unknown, and the states 1, 2 and 3."""

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
class TrunkLayer(nn.Module):
    """Look at the chain neighbours, attend, transform, and propose a move of the frame."""

    def __init__(self, width: int, attention: nn.Module, transition: int) -> None:
        super().__init__()
        self.local = nn.Linear(LOCAL_FEATURES, width)
        self.attention = attention
        self.transition = Transition(width, transition)
        self.move_norm = nn.LayerNorm(width)
        self.move = scaled_init_(nn.Linear(width, 6), 0.02)

    def forward(
        self, hidden: Tensor, frames: Frames, neighbours: Tensor, bias: Tensor, padding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new features [B, N, width] and a move [B, N, 3 + 3] in the local frame."""
        hidden = hidden + self.local(local_features(frames, neighbours))
        hidden = hidden + self.attention(hidden, frames, bias, padding)
        hidden = hidden + self.transition(hidden)
        return hidden, self.move(self.move_norm(hidden))


def _condition_table(width: int) -> nn.Embedding:
    """Return one vector for each state, zero at first; that of the unknown state 0 stays zero."""
    table = nn.Embedding(CONDITION_STATES, width, padding_idx=0)
    nn.init.zeros_(table.weight)
    return table


class Trunk(nn.Module, ABC):
    """SE(3)-equivariant network on frames and types: invariant features, geometry only through local frames.

    Every layer moves an estimate of the clean frames, which starts at x_t and is scaled by the time that remains:
    x_hat = x_t + (1 - t + REACH) sum R_hat u and R_hat = R_t exp((1 - tau) sum w). A given frame (time 1) stays exactly
    where it is.

    Args:
        width: channels of a site.
        pairs: makes what the layers read of pairs of sites.
        layers: each maps features, frames, neighbours, its bias and the padding to new features and a move of the
            frames.
        types: number of types that data can take; the mask is `types`.
        components: of the mixture that describes rotations.
        conditions: names of what the network may be told of a site; untrained ones change nothing.
        parts: further factors.
    """

    HEADS: ClassVar = ("move_norm", "move", "head_norm", "log_scale", "components", "types_head", "parts")
    """Names of the parts that turn features of sites into frames and types."""

    def __init__(
        self,
        width: int,
        pairs: nn.Module,
        layers: Sequence[nn.Module],
        types: int,
        components: int,
        conditions: Sequence[str] = (),
        parts: Sequence[SitePart] = (),
    ) -> None:
        super().__init__()
        self.types = types
        self.time = TimeEmbedding(len(FACTORS))
        fed_back = 1 + types + 3 + 9 + LOCAL_FEATURES
        self.embed = nn.Linear(types + 1 + self.time.width + len(NEIGHBOURS) + LOCAL_FEATURES + fed_back, width)
        self.pairs = pairs
        self.layers = nn.ModuleList(layers)
        self.head_norm = nn.LayerNorm(width)
        self.log_scale = scaled_init_(nn.Linear(width, components), 0.1)
        # Of several components, each has an offset from the tangent of the trunk and a logit.
        self.components = scaled_init_(nn.Linear(width, 4 * components), 0.1) if components > 1 else None
        self.types_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, types))
        self.conditions = nn.ModuleDict({name: _condition_table(width) for name in conditions})
        self.parts = nn.ModuleList(parts)

    def forward(
        self, state: State, times: Mapping[str, Tensor], sites: Sites, previous: State | None
    ) -> Mapping[str, Tensor]:
        """Return what the parameterizations of the three factors, and of further ones, read.

        Args:
            state: translations [B, N, 3] (nm), rotations [B, N, 3, 3], sequence int64 [B, N].
            times: path time of every site, [B, N] per factor.
            sites: padding, positions along chains, and conditions, int64 [B, N]; one that is left out is unknown.
            previous: means of the last prediction: translations, rotations, and type probabilities [B, N, types].

        Returns:
            translations: endpoint in the frame of the input, [B, N, 3] (nm); rotations: means, log scales and, of
            several components, logits of the scaled tangent in the frame of R_t, [B, N, 4] or [B, N, 5 K]; sequence:
            logits, [B, N, types].

        Raises:
            UserInputError: the sites have a condition that the network was not built for.
        """
        start = Frames(state["translations"], state["rotations"])
        fed_back = None if previous is None else Frames(previous["translations"], previous["rotations"])
        neighbours = chain_neighbours(sites).to(start.translations)
        hidden = self._embed(state, times, start, previous, fed_back, neighbours)
        for name, states in sites.context.items():
            if name not in (INDEX, CHAIN):
                hidden = hidden + self._table(name)(states)
        for part in self._parts():
            before = None if previous is None else previous[part.factor]
            hidden = hidden + part.embed(state[part.factor], times[part.factor], before)
        padding = torch.where(sites.present, 0.0, PADDING_BIAS).to(hidden)
        hidden, biases = self._read_pairs(hidden, start, fed_back, sites, padding)
        left = 1 - times["translations"][..., None]
        remaining = torch.where(left > 0, left + REACH, left), 1 - times["rotations"][..., None]
        frames, tangent = start, torch.zeros_like(start.translations)
        for layer, bias in zip(self.layers, biases, strict=True):
            hidden, move = layer(hidden, frames, neighbours, bias, padding)
            frames, tangent = _moved(start, frames, tangent, move.to(tangent), remaining)
        hidden = self.head_norm(hidden)
        return {
            "translations": frames.translations,
            "rotations": self._mixture(hidden, tangent),
            "sequence": self.types_head(hidden),
            **{part.factor: part.emit(hidden) for part in self._parts()},
        }

    @abstractmethod
    def _read_pairs(
        self, hidden: Tensor, start: Frames, fed_back: Frames | None, sites: Sites, padding: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Return the features [B, N, width] after a look at all pairs, and what each layer adds to its logits."""

    def _parts(self) -> list[SitePart]:
        return [part for part in self.parts if isinstance(part, SitePart)]

    def _table(self, condition: str) -> nn.Module:
        if condition not in self.conditions:
            takes = ", ".join(self.conditions) or "none"
            raise UserInputError(
                f"the network cannot be told {condition}: it takes the conditions {takes}. Leave it out, or use a "
                f"checkpoint whose network was trained with conditions=[{condition}]."
            )
        return self.conditions[condition]

    def _mixture(self, hidden: Tensor, tangent: Tensor) -> Tensor:
        """Describe the law of the scaled tangent, [B, N, 4] or [B, N, 5 K]."""
        log_scales = self.log_scale(hidden)
        if self.components is None:
            return torch.cat([tangent, log_scales], -1)
        k = log_scales.shape[-1]
        offsets, logits = self.components(hidden).split([3 * k, k], -1)
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
