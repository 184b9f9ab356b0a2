"""The canonical jump of any path with a density."""

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from gm_multimodal.errors import IncompatibleProcess
from gm_multimodal.generators import DensityJump
from gm_multimodal.noise import Noise, NoiseOfSome
from gm_multimodal.paths.base import DensePath
from gm_multimodal.processes.base import ConditionalProcess
from gm_multimodal.spaces.base import expand_as


@final
@dataclass(frozen=True)
class Jump(ConditionalProcess):
    """Rest or jump: rate lambda = [d/dt log p_t(x | z)]_-, landing law J ~ [d/dt p_t(. | z)]_+ (2410.20587, sec. 4).

    Attributes:
        path: the path that the jumps keep; every part of a point jumps on its own.
        rule: how a step of finite size is made. "coupling" stays with probability min(1, p_{t'}(x) / p_t(x)) and
            otherwise lands at y ~ [p_{t'} - p_t]_+: exact at any size. "improved" is the paper's scheduler, with
            probability exp(-lambda_t * elapsed) to stay, and "euler" stays with probability 1 - h lambda_t; both land
            by J_t and are first order in the step.
    """

    path: DensePath
    rule: Literal["coupling", "improved", "euler"] = "coupling"

    def __post_init__(self) -> None:
        """Refuse a path without a density, and a rule without meaning."""
        if not isinstance(self.path, DensePath):
            raise IncompatibleProcess(f"Jump needs a path with a density; {type(self.path).__name__} has none.")
        if self.rule not in ("coupling", "improved", "euler"):
            raise ValueError(f"Jump: rule is {self.rule!r}; choose 'coupling', 'improved' or 'euler'.")

    def target(self, x: Tensor, t: Tensor, z: Tensor) -> DensityJump:
        """Return the canonical jump."""
        return canonical_jump(self.path, x, t, z)

    def conditional(self, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
        """Stay or land, [*B, *E]."""
        before_end = t_next.clamp(max=1 - torch.finfo(t_next.dtype).eps)
        if self.rule == "coupling":
            moved = couple(self.path, x, t, before_end, z, noise)
            moved = torch.where(expand_as(t_next >= 1, x), z, moved)
        else:
            jump = canonical_jump(self.path, x, t, z)
            h = self.path.elapsed(t, before_end) if self.rule == "improved" else t_next - t
            exponent = expand_as(h, jump.rate) * jump.rate
            leaves = -torch.expm1(-exponent) if self.rule == "improved" else exponent
            is_leaving = noise.uniform(leaves.shape).to(leaves) < leaves
            moved = torch.where(expand_as(is_leaving, x), jump.land(noise), x)
        return torch.where(expand_as(t_next > t, x), moved, x)


def canonical_jump(path: DensePath, x: Tensor, t: Tensor, z: Tensor, *, backwards: bool = False) -> DensityJump:
    """Return the jump with rate [d/dt log p_t(x | z)]_- that lands by [d/dt p_t]_+; with the signs changed, backwards.

    Forwards it solves d/dt p = L* p, backwards -d/dt p = L* p.
    """
    change = path.log_prob_rate(x, t, z)
    rate = (change if backwards else -change).clamp(min=0)
    return DensityJump(rate, lambda noise: path.sample_landing(t, z, noise, backwards=backwards))


def couple(path: DensePath, x: Tensor, t: Tensor, t_next: Tensor, z: Tensor, noise: Noise) -> Tensor:
    """Move x ~ p_t(. | z) to p_{t_next}(. | z) by the maximal coupling, forwards or backwards in time; [*B, *E].

    Stays with probability min(1, p_{t_next}(x) / p_t(x)), otherwise lands at y ~ [p_{t_next} - p_t]_+. Where p_t(x) = 0
    the ratio is taken for 0, so that a point off the path is put back on it.
    """
    now, then = path.log_prob(x, t, z), path.log_prob(x, t_next, z)
    is_on = now > -torch.inf
    stay = torch.where(is_on, torch.exp(then - torch.where(is_on, now, 0.0)), 0.0)
    jumps = noise.uniform(stay.shape).to(stay) >= stay
    # In a small step few points jump, and where each has a z of its own the landing law costs much more than the rest.
    # Even if none jumps the draws are made: what follows must not depend on whether another row has one that does.
    leaves = jumps.flatten(t.ndim).any(-1) if jumps.ndim > t.ndim else jumps
    landed = x.clone()
    landed[leaves] = path.sample_increase(t[leaves], t_next[leaves], z[leaves], NoiseOfSome(noise, leaves)).to(x)
    return torch.where(expand_as(jumps, x), landed, x)
