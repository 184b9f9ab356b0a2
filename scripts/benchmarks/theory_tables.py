"""Measure finite steps, superpositions and chains against exact laws: the tables of docs/measurements/theory.md.

python -m scripts.benchmarks.theory_tables        # about five minutes on one core; --quick for a look in half a minute
"""

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gm_multimodal.noise import SharedNoise
from gm_multimodal.oracle import THERE, WEIGHTS, Oracle, distance, three_points, total_variation
from gm_multimodal.parameterizations.point_mass import PointMass
from gm_multimodal.paths.base import DensePath
from gm_multimodal.paths.fisher import FisherPath
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.paths.geodesic import GeodesicPath
from gm_multimodal.paths.mixture import MixturePath
from gm_multimodal.processes.base import ConditionalProcess, Process
from gm_multimodal.processes.ctmc import MaskingCTMC
from gm_multimodal.processes.euler import Euler
from gm_multimodal.processes.flow import Flow
from gm_multimodal.processes.jump import Jump
from gm_multimodal.processes.superposition import Superposition
from gm_multimodal.schedules import Concentration
from gm_multimodal.spaces.categorical import MaskedCategorical, draw_categorical
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.spaces.rotations import Rotations

RULES = ("euler", "improved", "coupling")
SO3 = Rotations()


def stream(seed: int) -> SharedNoise:
    """Return random numbers in double precision."""
    return SharedNoise(torch.Generator().manual_seed(seed), torch.float64)


def times(t: float, n: int) -> Tensor:
    """One time for all rows, [n]."""
    return torch.full((n,), t, dtype=torch.float64)


def row(*cells: object) -> str:
    """Format a row of a table."""
    return "| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells) + " |"


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """Format a table."""
    return "\n".join([row(*head), "|---" * len(head) + "|", *(row(*cells) for cells in rows)])


def walk(process: ConditionalProcess, x: Tensor, z: Tensor, grid: Sequence[float], seed: int) -> Tensor:
    """Make the conditional transitions of a process along a grid of times."""
    noise, n = stream(seed), len(x)
    for t, t_next in pairwise(grid):
        x = process.conditional(x, times(t, n), times(t_next, n), z, noise)
    return x


def grid(start: float, end: float, steps: int) -> list[float]:
    """Return equal steps."""
    return torch.linspace(start, end, steps + 1, dtype=torch.float64).tolist()


def given_z(
    path: DensePath, z: Tensor, n: int, columns: Sequence[tuple[float, float, int]], value: Callable[[Tensor], Tensor]
) -> list[list[object]]:
    """Return a row per rule and one for the noise floor: total variation at (time, horizon, steps to the horizon)."""
    at = z.expand(n, *path.space.event_shape)

    def drawn(t: float, seed: int) -> Tensor:
        noise = stream(seed)
        return value(path.sample(path.space.prior((n,), noise), at, times(t, n), noise))

    rows: list[list[object]] = []
    for rule in RULES:
        cells: list[object] = []
        for t, horizon, steps in columns:
            x = path.space.prior((n,), stream(1))
            moved = walk(Jump(path, rule), x, at, grid(0, t, round(steps * t / horizon)), seed=2)
            cells.append(total_variation(value(moved), drawn(t, 3)))
        rows.append([rule, *cells])
    rows.append(["noise floor", *(total_variation(drawn(t, 4), drawn(t, 3)) for t, _, _ in columns)])
    return rows


def straight_lines(n: int) -> str:
    """The canonical jump of CondOT on R^1 towards z = 1, equal steps on [0, 1]."""
    columns = [(0.5, 1.0, k) for k in (10, 20, 50, 100)] + [(0.9, 1.0, k) for k in (10, 20, 50, 100)]
    head = ["rule", *(f"t = {t}, n = {k}" for t, _, k in columns)]
    z = torch.ones(1, dtype=torch.float64)
    return table(head, given_z(GaussianPath(Euclidean(1)), z, n, columns, lambda x: x[:, 0]))


def fisher(n: int) -> str:
    """The canonical jump of the Fisher path on SO(3), kappa = 201^(4 t) - 1, equal steps on [0, 0.6]."""
    columns = [(t, 0.6, k) for k in (12, 30, 60) for t in (0.1, 0.3, 0.6)]
    head = ["rule", *(f"n = {k}, t = {t}" for t, _, k in columns)]
    z = three_points(SO3)[0]
    path = FisherPath(SO3, Concentration(201.0**4 - 1))
    return table(head, given_z(path, z, n, columns, lambda x: SO3.log(z.expand_as(x), x).norm(dim=-1)))


def follow(process: Process, path: DensePath, x: Tensor, along: Sequence[float], seed: int) -> Tensor:
    """Simulate with a draw of the exact joint posterior of three rotations in the network's place."""
    oracle, reads, noise, n = Oracle(path, three_points(SO3), WEIGHTS), PointMass(SO3), stream(seed), len(x)
    for t, t_next in pairwise(along):
        at = times(t, n)
        prediction = reads(oracle.emit(reads, x, at, noise), x, at)
        x = process.transition(x, at, times(t_next, n), prediction, noise)
    return x


def superposition(n: int) -> str:
    """Superposed flow and jump on SO(3), 30 steps: laws at t = 0.5, and the weights of three rotations at the end."""
    data, rows = three_points(SO3), []

    def seen(x: Tensor) -> list[Tensor]:
        v = SO3.log(data[0].expand_as(x), x)
        return [v.norm(dim=-1), v[:, 0], v[:, 2]]

    def error(x: Tensor) -> float:
        shares = distances(x).argmin(0).bincount(minlength=3) / n
        return float((shares - WEIGHTS).abs().sum() / 2)

    for name, path in (("geodesic", GeodesicPath(SO3)), ("Fisher", FisherPath(SO3))):

        def drawn(seed: int, path: DensePath = path) -> list[Tensor]:
            noise = stream(seed)
            z = data[draw_categorical(WEIGHTS.expand(n, 3), noise)]
            return seen(path.sample(SO3.prior((n,), noise), z, times(0.5, n), noise))

        direct, again = drawn(5), drawn(6)
        floor = max(total_variation(a, b) for a, b in zip(direct, again, strict=True))
        parts = Flow(path, marginal="sample"), Jump(path)
        for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
            process = Superposition(parts, (1 - weight, weight))
            halfway = follow(process, path, SO3.prior((n,), stream(1)), grid(0, 0.5, 15), seed=2)
            law = max(total_variation(a, b) for a, b in zip(seen(halfway), direct, strict=True))
            ends = [follow(process, path, halfway, grid(0.5, 1, 15), seed=3)]
            ends += [follow(process, path, SO3.prior((n,), stream(k)), grid(0, 1, 30), seed=10 * k) for k in (2, 3, 4)]
            off = sum(map(error, ends)) / len(ends)
            rows.append([name, f"{weight:g}", law, floor, off, min(map(arrived, ends))])
        if name == "geodesic":
            lost = SO3.prior((n,), stream(1))
            end = follow(Superposition(parts, (0.5, 0.5)), path, lost, grid(0.7, 1, 30), seed=3)
            rows.append(["geodesic, from the prior at t = 0.7", "0.5", "", "", "", arrived(end)])
    head = ["path", "weight of the jump", "TV at t = 0.5", "noise floor", "error of the weights at t = 1", "arrived"]
    floor = float((WEIGHTS * (1 - WEIGHTS) / (2 * torch.pi * n)).sqrt().sum())
    note = (
        f"The error of the weights is the mean of four runs; {n:,} independent draws are off by {floor:.4f} on average."
    )
    return f"{table(head, rows)}\n\n{note}"


def distances(x: Tensor) -> Tensor:
    """Return the distances from the three data points, [3, n]."""
    return torch.stack([distance(SO3, x, z.expand_as(x)) for z in three_points(SO3)])


def arrived(x: Tensor) -> float:
    """Return the share of points that are data points."""
    return float((distances(x).amin(0) < THERE).double().mean())


def mean_flow(n: int) -> str:
    """The flow of the posterior mean on SO(3): distance from a walk of 1,600 steps at t = 0.5, and the fitted order."""
    path, data = GeodesicPath(SO3), three_points(SO3)
    oracle, process = Oracle(path, data, WEIGHTS), Flow(path)

    def run(steps: int) -> Tensor:
        x = SO3.prior((n,), stream(1))
        for t, t_next in pairwise(grid(0, 0.5, steps)):
            p = oracle.posterior(x, times(t, n))
            mean = torch.einsum("nk,nkd->nd", p, SO3.log(x[:, None], data))
            x = process.transition(x, times(t, n), times(t_next, n), Towards(mean), stream(2))
        return x

    fine, counts = run(1600), (20, 50, 100, 200)
    errors = [float(distance(SO3, run(k), fine).median()) for k in counts]
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    return table(
        ["steps", *counts, "order"], [["median distance (rad)", *(f"{e:.5f}" for e in errors), f"{order:.2f}"]]
    )


class Towards:
    """A prediction by its mean displacement alone, [n, 3]."""

    def __init__(self, mean: Tensor) -> None:
        self.mean_displacement = mean

    def displacement(self) -> Tensor:
        """Return the mean displacement."""
        return self.mean_displacement

    def loss(self, z: Tensor) -> Tensor:
        """Never trained."""
        raise NotImplementedError

    def mean(self) -> Tensor:
        """Never shown."""
        raise NotImplementedError


MASKING = MixturePath(MaskedCategorical(20))


def one_site(n: int) -> str:
    """Share of masks under re-masking at rate 20: |found - (1 - t)| at t = 0.9, Euler and exact."""
    counts, chain = (5, 10, 20, 50, 100), MaskingCTMC(MASKING, remasking=20.0)
    z = torch.zeros(n, dtype=torch.int64)
    rows: list[list[object]] = []
    for name, process in (("Euler", Euler(chain)), ("exact", chain)):
        ends = [walk(process, MASKING.space.prior((n,), stream(1)), z, grid(0, 0.9, k), seed=2) for k in counts]
        rows.append([name, *(abs(float((x == MASKING.space.mask).double().mean()) - 0.1) for x in ends)])
    rows.append(["noise floor", *([(0.09 * 2 / np.pi / n) ** 0.5] * len(counts))])
    return table(["step", *(f"n = {k}" for k in counts)], rows)


def two_sites(n: int) -> str:
    """Two sites with equal letters, each drawn from its own exact posterior: total variation of the joint law."""
    counts, letters = (5, 10, 20, 50, 100, 200), 4
    path = MixturePath(MaskedCategorical(letters))
    prior = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    rows: list[list[object]] = []
    for eta in (0.0, 5.0, 20.0):
        chain, cells = MaskingCTMC(path, remasking=eta), []
        for k in counts:
            noise, x = stream(1), path.space.prior((n, 2), stream(1))
            for t, t_next in pairwise(grid(0, 1, k)):
                shown = x.amin(-1)  # the mask has the greatest number
                posterior = torch.where((shown == letters)[:, None], prior, torch.eye(letters + 1)[shown][:, :letters])
                z = draw_categorical(posterior[:, None].expand(n, 2, letters), noise)
                x = chain.conditional(x, times(t, 2 * n).view(n, 2), times(t_next, 2 * n).view(n, 2), z, noise)
            joint = (x[:, 0] * letters + x[:, 1]).bincount(minlength=letters**2) / n
            cells.append(float((joint - torch.diag(prior).flatten()).abs().sum() / 2))
        rows.append([f"re-masking {eta:g}", *cells])
    return table(["chain", *(f"n = {k}" for k in counts)], rows)


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/measurements/theory.md"))
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws, printed, and not written")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    n = {"line": 100_000 // share, "turn": 50_000 // share, "few": 2_000 // share, "posterior": 20_000 // share}
    start = time.process_time()
    page = PAGE.format(
        n=n,
        straight=straight_lines(n["line"]),
        fisher=fisher(n["turn"]),
        superposition=superposition(n["posterior"]),
        mean_flow=mean_flow(n["few"]),
        one_site=one_site(n["line"]),
        two_sites=two_sites(n["posterior"]),
        seconds=f"{time.process_time() - start:.0f}",
    )
    if arguments.quick:
        print(page)
    else:
        arguments.out.write_text(page, encoding="utf-8")


PAGE = """# Finite steps, measured

Every law of Generator Matching that the package relies on is a test (`scripts/test tests/theory`;
`python -m tests.theory.cases` lists the cases: paths, processes, ways to read a network). Here are the figures behind
them, as `python -m scripts.benchmarks.theory_tables` writes them in {seconds} CPU seconds. TV is total variation
between histograms of 40 bins of equal mass, which resolve narrow laws as well as wide ones; the noise floor is that of
two direct samples of the same size.

## The canonical jump on R^1

CondOT, z = 1, equal steps on [0, 1], {n[line]:,} draws. "euler" stays with probability 1 - h lambda, "improved" is the
scheduler of the paper, "coupling" stays with probability min(1, p_t'(x) / p_t(x)) and otherwise lands by
[p_t' - p_t]_+, which is exact at any step.

{straight}

## The canonical jump on SO(3)

Fisher path with kappa = 201^(4 t) - 1, the growth law of the paper's protein code; equal steps on [0, 0.6],
{n[turn]:,} draws; law of the angle to z.

{fisher}

## Superpositions on SO(3)

Each point follows the flow or jumps, by chance, 30 steps in all; z is drawn from the exact joint posterior over three
rotations of weights .5, .3, .2; {n[posterior]:,} points. In the last row of the geodesic path the points start where
the path has no mass at all: they are brought back.

{superposition}

## The flow of the mean on SO(3)

With the mean of the posterior in the place of a draw, a step is of first order: {n[few]:,} points.

{mean_flow}

## Chains on finite sets

One site, re-masking at rate 20, {n[line]:,} draws: error of the share of masks at t = 0.9.

{one_site}

Two sites that are always equal (laws .4, .3, .2, .1), each drawn from its own exact posterior, {n[posterior]:,} pairs:
sites drawn in one step do not know of each other, which costs one order of the step.

{two_sites}
"""

if __name__ == "__main__":
    main()
