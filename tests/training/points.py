"""A third modality, made of what training offers alone: points of the plane, four to a row."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gm_multimodal.noise import SharedNoise
from gm_multimodal.parameterizations.velocity import VelocityMean
from gm_multimodal.paths.gaussian import GaussianPath
from gm_multimodal.processes.flow import Flow
from gm_multimodal.product import Factor, State
from gm_multimodal.schedules import Linear
from gm_multimodal.sites import Sites
from gm_multimodal.spaces.euclidean import Euclidean
from gm_multimodal.training.batches import Shuffled
from gm_multimodal.training.data import BatchData, Epochs, ResumableLoader

PATH = GaussianPath(Euclidean(2))
PRODUCT = {"points": Factor(Flow(PATH), VelocityMean(PATH), Linear())}
SITES, CENTRE = 4, torch.tensor([3.0, -1.0])


def draw(rows: int, seed: int) -> Tensor:
    """Points around one centre, [rows, 4, 2]."""
    return CENTRE + 0.3 * SharedNoise.keyed(seed).normal((rows, SITES, 2))


class Perceptron(nn.Module):
    """The velocity of a point from its place and time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, state, times, sites, previous):
        return {"points": self.layers(torch.cat([state["points"], times["points"][..., None]], -1))}


@dataclass(frozen=True)
class PointBatch:
    state: State
    sites: Sites

    def to(self, device, *_, **__):
        return self

    def counted(self) -> dict[str, int]:
        return {"points_seen": self.sites.present.numel()}


class Rows(Dataset[PointBatch]):
    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __getitem__(self, indices):
        return PointBatch({"points": self.points[indices]}, Sites.all_present(len(indices), SITES))


class PointData(BatchData):
    has_validation = True

    def train_dataloader(self):
        return ResumableLoader(Rows(draw(64, 0)), Epochs(Shuffled(64, 16, seed=0), self.training_share()))

    def val_dataloader(self):
        batches = self.validation_share().of(Shuffled(32, 16, seed=0).epoch(0))
        return DataLoader(Rows(draw(32, 1)), batch_size=None, sampler=batches)
