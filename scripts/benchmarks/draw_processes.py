"""Train toy models on R^1 and R^2, and draw flow, diffusion, jump and superposition of them side by side.

python scripts/benchmarks/draw_processes.py        # about two minutes: docs/measurements/processes.png and .csv
"""

import argparse
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")  # draws into files, wherever there is no screen

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor
from toys import LINE, NAME, PLANE, Toy, generate, sliced_distance, train

from gm_multimodal.noise import SharedNoise
from gm_multimodal.sampling.sampler import Step

PROCESSES: Final = ("flow", "diffusion", "jump", "superposition")
STEPS: Final = (5, 10, 25, 50, 100, 200)
INK, LIGHT, DATA = "#1f4e79", "#7f9fbf", "#d9822b"


class Trace:
    """Keeps the positions of the first points at every step."""

    def __init__(self, points: int) -> None:
        self.points = points
        self.positions: list[Tensor] = []

    def __call__(self, step: Step) -> None:
        """Take note of one step."""
        if not self.positions:
            self.positions.append(step.state[NAME][: self.points, 0])
        self.positions.append(step.next_state[NAME][: self.points, 0])

    def value(self) -> Tensor:
        """Return the positions, [steps + 1, points, d]."""
        return torch.stack(self.positions)


def measure(name: str, toy: Toy, network: torch.nn.Module, samples: int) -> list[dict[str, object]]:
    """Return a row for the distance of two samples of the data, and one per process and number of steps."""
    data = toy.draw(samples, SharedNoise.keyed(101))
    pairs = [[toy.draw(samples, SharedNoise.keyed(100 * i + j)) for j in (2, 3)] for i in range(10)]
    floor = sum(sliced_distance(a, b) for a, b in pairs) / len(pairs)
    rows: list[dict[str, object]] = [{"data": name, "process": "data again", "steps": "", "distance": round(floor, 4)}]
    for process in PROCESSES:
        for steps in STEPS:
            x = generate(toy, process, network, samples, steps)
            rows.append(
                {"data": name, "process": process, "steps": steps, "distance": round(sliced_distance(x, data), 4)}
            )
    return rows


def draw_line(axes: Axes, law: Axes, trace: Tensor, final: Tensor, data: Tensor) -> None:
    """Draw paths over time, and the law at the end beside that of the data."""
    t = torch.linspace(0, 1, len(trace))
    axes.plot(t, trace[..., 0], color=INK, linewidth=0.5, alpha=0.5)
    axes.set(xlim=(0, 1), ylim=(-2.4, 2.4), xticks=[0, 1], yticks=[])
    edges = torch.linspace(-2.4, 2.4, 121).tolist()
    law.hist(final[:, 0].numpy(), bins=edges, orientation="horizontal", color=LIGHT, density=True)
    law.hist(data[:, 0].numpy(), bins=edges, orientation="horizontal", color=DATA, density=True, histtype="step")
    law.set(ylim=(-2.4, 2.4), xlim=(0, 2.6))
    law.axis("off")


def draw_plane(axes: Axes, trace: Tensor, final: Tensor, data: Tensor) -> None:
    """Draw the points at the end over those of the data, and some paths."""
    axes.scatter(*data[:2000].T, s=1.2, color=DATA, alpha=0.5, linewidths=0)
    axes.scatter(*final[:2000].T, s=1.2, color=INK, linewidths=0)
    for k in range(trace.shape[1]):
        axes.plot(*trace[:, k].T, color=LIGHT, linewidth=0.6)
    axes.set(xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), xticks=[], yticks=[], aspect="equal")


def draw(file: Path, networks: dict[str, torch.nn.Module], samples: int, steps: int = 100) -> None:
    """Draw both toys, a column per process."""
    figure = plt.figure(figsize=(11, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 8, width_ratios=[3, 1] * 4)
    for column, process in enumerate(PROCESSES):
        for number, (name, toy) in enumerate((("line", LINE), ("plane", PLANE))):
            trace = Trace(60 if toy is LINE else 6)
            final = generate(toy, process, networks[name], samples, steps, observers=(trace,))
            data = toy.draw(samples, SharedNoise.keyed(101))
            if toy is LINE:
                axes = figure.add_subplot(grid[number, 2 * column])
                axes.set_title(process)
                draw_line(axes, figure.add_subplot(grid[number, 2 * column + 1]), trace.value(), final, data)
            else:
                draw_plane(figure.add_subplot(grid[number, 2 * column : 2 * column + 2]), trace.value(), final, data)
    figure.savefig(file, dpi=110)


def main() -> None:
    """Train, draw and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("docs/measurements"), help="folder for processes.png and processes.csv"
    )
    parser.add_argument("--training-steps", type=int, default=2500)
    parser.add_argument("--samples", type=int, default=4000, help="points of every sample")
    arguments = parser.parse_args()
    toys = {"line": LINE, "plane": PLANE}
    networks = {name: train(toy, arguments.training_steps) for name, toy in toys.items()}
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw(arguments.out / "processes.png", networks, arguments.samples)
    table = pd.DataFrame(
        [row for name, toy in toys.items() for row in measure(name, toy, networks[name], arguments.samples)]
    )
    table.to_csv(arguments.out / "processes.csv", index=False)
    print(table.pivot_table(index=["data", "process"], columns="steps", values="distance", sort=False).to_string())


if __name__ == "__main__":
    main()
