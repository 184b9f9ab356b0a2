"""Randomness as a value: who draws, for which design, at which step, for which factor.

Nothing in the package touches a global random state. A function that needs randomness takes a `Noise`; the sampler
takes a `NoiseSource` and asks it for one `Noise` per (step, factor).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor


@runtime_checkable
class Noise(Protocol):
    """A stream of independent draws; the first axis of `shape` is the batch."""

    @property
    def device(self) -> torch.device:
        """Where the drawn numbers are."""
        ...

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers, `shape`."""
        ...

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw uniform numbers in [0, 1), `shape`."""
        ...


@runtime_checkable
class NoiseSource(Protocol):
    """A family of independent streams, one per simulation step and factor."""

    def at(self, step: int, factor: str) -> Noise:
        """Return the stream of one factor at one step (step -1 is the prior)."""
        ...


@final
@dataclass(frozen=True)
class SharedNoise:
    """One `torch.Generator` for the whole batch: training and tests, where rows need no identity of their own."""

    rng: torch.Generator
    dtype: torch.dtype = torch.float32

    @property
    def device(self) -> torch.device:
        """The generator's device."""
        return self.rng.device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers on the generator's device, `shape`."""
        return torch.randn(tuple(shape), generator=self.rng, device=self.rng.device, dtype=self.dtype)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw uniform numbers in [0, 1) on the generator's device, `shape`."""
        return torch.rand(tuple(shape), generator=self.rng, device=self.rng.device, dtype=self.dtype)

    @staticmethod
    def keyed(*key: int, device: torch.device | str = "cpu") -> "SharedNoise":
        """Return a stream that depends on the key alone, such as (seed, step, rank)."""
        rng = torch.Generator(device)
        rng.manual_seed(_digest(*key) % 2**63)
        return SharedNoise(rng)

    def at(self, step: int, factor: str) -> "SharedNoise":
        """Return itself: successive draws of one generator are independent already."""
        return self


@final
@dataclass(frozen=True)
class RowNoise:
    """Row b is filled from generator b alone, so that no draw of one design depends on another design."""

    rows: tuple[np.random.Generator, ...]
    device: torch.device
    dtype: torch.dtype = torch.float32

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers row by row, `shape` = (number of rows, ...)."""
        return self._fill(shape, lambda row, rest: row.standard_normal(rest))

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw uniform numbers in [0, 1) row by row, `shape` = (number of rows, ...)."""
        # A double just below 1 rounds to 1 in single precision, and would leave a site masked at the end of time.
        largest = 1 - torch.finfo(self.dtype).eps / 2
        return self._fill(shape, lambda row, rest: row.random(rest)).clamp(max=largest)

    def _fill(self, shape: Sequence[int], draw: "_Draw") -> Tensor:
        if shape[0] != len(self.rows):
            raise ValueError(
                f"{shape[0]} rows are drawn, but the noise has streams for {len(self.rows)}: give one for each."
            )
        values = np.stack([draw(row, tuple(shape[1:])) for row in self.rows])
        return torch.from_numpy(values).to(device=self.device, dtype=self.dtype)


@final
@dataclass(frozen=True)
class NoiseOfSome:
    """The draws of some entries of a batch, as if all were drawn: who is left out changes nothing for the others.

    Attributes:
        noise: of the whole batch.
        chosen: whose draws are returned, bool [*B]; shapes begin with their number in the place of *B.
    """

    noise: Noise
    chosen: Tensor

    @property
    def device(self) -> torch.device:
        """Where the drawn numbers are."""
        return self.noise.device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers, `shape`."""
        return self.noise.normal((*self.chosen.shape, *shape[1:]))[self.chosen]

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw uniform numbers in [0, 1), `shape`."""
        return self.noise.uniform((*self.chosen.shape, *shape[1:]))[self.chosen]


class _Draw(Protocol):
    def __call__(self, row: np.random.Generator, rest: tuple[int, ...], /) -> np.ndarray: ...


@final
@dataclass(frozen=True)
class DesignNoise:
    """Streams keyed by (seed, design, step, factor): design i is the same in whatever company it is computed.

    The key of a design seeds a counter-based generator (Philox); step and factor select the counter, so that streams
    never overlap and none has to be advanced to reach another. Numbers are drawn on the CPU whatever the device.
    """

    seed: int
    designs: tuple[int, ...]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def at(self, step: int, factor: str) -> RowNoise:
        """Return the stream of `factor` at `step` with one independent row per design."""
        # The lowest 64 bits of the counter count the draws; the rest holds the address of the stream.
        counter = _digest(step, factor) << 64
        rows = (np.random.Philox(key=_digest(self.seed, design), counter=counter) for design in self.designs)
        return RowNoise(tuple(np.random.Generator(row) for row in rows), self.device, self.dtype)


def _digest(*key: int | str) -> int:
    """Return 128 bits that depend on the key alone (Python's hash does not tell -1 from -2)."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=16).digest(), "little")
