"""Small trunks with weights far from their initial ones, and random states for them."""

import inspect

import pytest
import torch

from gm_multimodal.networks.chain_context import CHAIN, INDEX
from gm_multimodal.networks.frame_trunk import FrameTrunk
from gm_multimodal.networks.residue_trunk import ResidueTrunk
from gm_multimodal.networks.trunk import Trunk
from gm_multimodal.noise import SharedNoise
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.rotations import Rotations

TYPES = 20


KINDS = {"frames": FrameTrunk, "learned points": ResidueTrunk}
every_kind = pytest.mark.parametrize("kind", KINDS)


def small_trunk(kind: str, layers: int = 2, components: int = 1, **more) -> Trunk:
    sizes = {"width": 16, "heads": 2, "layers": layers, "pair_width": 8, "transition": 2, "components": components}
    made = KINDS[kind]
    return made(**{name: size for name, size in sizes.items() if name in inspect.signature(made).parameters}, **more)


def random_trunk(dtype: torch.dtype = torch.float64, seed: int = 0, kind: str = "frames", **sizes) -> Trunk:
    """Every layer moves the frames by about a tenth of a nm and of a radian; nothing is near zero by initialisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = small_trunk(kind, **sizes)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in trunk.named_parameters():
            spread = p.shape[-1] ** -0.5 if p.ndim > 1 else 0.3
            if p.ndim == 2 and name.startswith("conditions."):
                p[1:].normal_(generator=rng)  # the vector of the unknown state stays zero
                continue
            p.add_(spread * (0.3 if ".move." in name else 1.0) * torch.randn(p.shape, generator=rng))
    return trunk.to(dtype).eval().requires_grad_(False)


def random_state(rows: int, sites: int, dtype: torch.dtype = torch.float64, seed: int = 0, types: int = TYPES):
    """Chains about as compact as proteins (nm), some residues masked."""
    noise = SharedNoise(torch.Generator().manual_seed(seed), dtype)
    return {
        "translations": noise.normal((rows, sites, 3)),
        "rotations": Rotations().prior((rows, sites), noise),
        "sequence": torch.randint(types + 1, (rows, sites), generator=noise.rng),
    }


def random_times(rows: int, sites: int, dtype: torch.dtype = torch.float64, seed: int = 0):
    """A time in (0, 0.9) for every site and factor."""
    noise = SharedNoise(torch.Generator().manual_seed(1000 + seed), dtype)
    return {name: 0.9 * noise.uniform((rows, sites)) for name in ("translations", "rotations", "sequence")}


def random_previous(rows: int, sites: int, dtype: torch.dtype = torch.float64, seed: int = 0):
    """What self-conditioning feeds back: frames and type probabilities."""
    state = random_state(rows, sites, dtype, 2000 + seed)
    logits = SharedNoise(torch.Generator().manual_seed(seed), dtype).normal((rows, sites, TYPES))
    return {**state, "sequence": logits.softmax(-1)}


def sites_of(present: torch.Tensor, chain: torch.Tensor | None = None) -> Sites:
    """Positions count within each chain; one chain where `chain` is not given."""
    rows, sites = present.shape
    chain = torch.zeros(rows, sites, dtype=torch.int64) if chain is None else chain
    index = torch.stack([torch.stack([(row[:i] == row[i]).sum() for i in range(sites)]) for row in chain])
    return Sites(present, {INDEX: index, CHAIN: chain})
