"""The tutorials of the library run as they stand, are short, and draw from the law of their data."""

import re
from pathlib import Path

import pytest
import torch

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[str]:
    return BLOCK.findall((TUTORIALS / f"{name}.md").read_text(encoding="utf-8"))


def run(name: str) -> dict:
    """Execute the code of a tutorial from its first block to its last, and return what it defines."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        names = {}
        exec("\n".join(blocks(name)), names)
    return names


def sliced_distance(a, b) -> float:
    """Wasserstein-1 distance of projections, averaged over 64 directions; of equal-sized samples [n, 2]."""
    angle = torch.pi * torch.arange(64) / 64
    axes = torch.stack([angle.cos(), angle.sin()])
    return float(((a @ axes).sort(0).values - (b @ axes).sort(0).values).abs().mean())


@pytest.mark.parametrize("name", ["flow_and_jump", "points_with_categories"])
def test_training_and_sampling_take_at_most_twenty_lines_without_a_deep_import(name):
    first = blocks(name)[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 20
    assert re.findall(r"^.*gm_multimodal.*$", first, re.MULTILINE) == ["import gm_multimodal as gm"]
    assert "gm.loss(" in first and "gm.sample(" in first


def test_flow_and_jump_draws_from_the_ring():
    """n = 2,000. Two draws of the data are .02 apart, a normal prior .25; the network of 4 s is .03 to .08 away."""
    made = run("flow_and_jump")
    x = made["samples"][:, 0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        data = made["ring"](len(x))[:, 0]
        assert sliced_distance(torch.randn_like(data), data) > 0.2
    assert sliced_distance(x, data) < 0.12
    radius = x.norm(dim=-1)
    assert abs(float(radius.mean()) - 1) < 0.05 and 0.06 < float(radius.std()) < 0.14
    assert float(((radius - 1).abs() > 0.4).float().mean()) < 0.02


def test_points_with_categories_draws_from_the_joint_law():
    """n = 2,000: shares within 4 standard deviations of .009 and .04 of the network; clouds are .7 apart, .1 wide."""
    made = run("points_with_categories")
    samples = {name: x[:, 0] for name, x in made["samples"].items()}
    shares = samples["kind"].bincount(minlength=5) / len(samples["kind"])
    assert len(shares) == 5 and float((shares - 0.2).abs().max()) < 0.076
    off = samples["x"] - 0.5 * (samples["kind"][:, None] - 2)
    assert float((off.norm(dim=-1) < 0.35).float().mean()) > 0.97
    assert float(off.mean(0).abs().max()) < 0.03 and 0.06 < float(off.std()) < 0.14
    assert float(((made["points"][:, 0] - 0.5).norm(dim=-1) < 0.35).float().mean()) > 0.97  # of the fourth cloud
    assert float((made["kinds"] == 3).float().mean()) > 0.97  # of a point in its middle
