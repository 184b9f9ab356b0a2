"""A modality that training has never heard of: it trains, resumes, is released, read back and sampled."""

import csv

import pytest
import torch

from gm_multimodal.sampling.sampler import sample
from gm_multimodal.training.callbacks import Recipe
from gm_multimodal.training.catalogue import GENERAL
from gm_multimodal.training.checkpoints import read_released
from gm_multimodal.training.module import MatchingModule
from gm_multimodal.training.optimisation import Optimisation
from gm_multimodal.training.run import CURVE, LAST, fit
from tests.training.points import CENTRE, PRODUCT, SITES, Perceptron, PointData

STEPS = 60
NETWORK = {"_target_": "tests.training.points.Perceptron", "width": 32}


def train(out, stop_after=STEPS):
    torch.manual_seed(0)
    module = MatchingModule(Perceptron(32), PRODUCT, Optimisation(learning_rate=0.03, warmup_steps=1), seed=0)

    class Stopping(PointData):
        """Asks to stop after some steps, as `max_time` does."""

        def on_after_batch_transfer(self, batch, dataloader_idx):
            self.trainer.should_stop |= module.global_step + 1 >= stop_after
            return batch

    trainer = {"max_steps": STEPS, "accelerator": "cpu", "devices": 1, "val_check_interval": 15}
    recipe = Recipe({"network": NETWORK}, {"data": "points"})
    return fit(module, Stopping(), recipe, out, trainer | {"enable_progress_bar": False}, ema_decay=0.9)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    return train(tmp_path_factory.mktemp("points"))


def test_the_held_out_loss_falls(released):
    rows = list(csv.DictReader((released.parent / CURVE).open()))
    losses = [float(row["validation/loss"]) for row in rows]
    assert losses == [float(row["validation/points"]) for row in rows], "the only factor, with weight 1"
    assert losses[-1] < 0.5 * losses[0]
    assert [int(row["points_seen"]) for row in rows] == [15 * 16 * SITES * k for k in (1, 2, 3, 4)]


def test_stopping_and_resuming_leaves_no_trace(released, tmp_path):
    train(tmp_path, stop_after=22)
    assert torch.load(tmp_path / LAST, weights_only=True)["global_step"] == 22
    assert train(tmp_path).read_bytes() == released.read_bytes()


def test_what_is_released_is_read_back_and_sampled(released):
    network = read_released(released).network(GENERAL, allow_code=True)
    points = sample(network, PRODUCT, sites=SITES, count=200, steps=20, seed=1)["points"].flatten(0, 1)
    assert (points.mean(0) - CENTRE).abs().max() < 0.3  # after 60 steps; the prior is 3 away
    assert points.std(0).max() < 0.7
