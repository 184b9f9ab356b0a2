"""A small classifier trained on the same data, whose features and labels judge samples.

Fréchet distances in its features compare samplers on one data set. They are not FIDs, which are in Inception's features
(see `quality.inception`), and no figure of another data set or another classifier compares with them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from gm_multimodal.errors import CheckpointError, DatasetError, TooLarge
from gm_multimodal.files import write_atomically
from gm_multimodal.images.dataset import ImageSet
from gm_multimodal.reading import check_weights

FEATURES: Final = 64
"""Number d of features."""

MOST_CLASSES: Final = 100_000
"""Labels of a data set."""

_GREY_WIDTH, _COLOUR_WIDTH = 32, 64
_MOST_SIDE: Final = 4096
_LARGE_SIDE: Final = 16  # pictures beyond this many pixels are halved by the first convolution
_BATCH, _LEAST_STEPS, _EPOCHS = 128, 800, 6
_RATE, _WEIGHT_DECAY, _WARM = 3e-3, 0.05, 0.1
_CHUNK: Final = 1000
_KEY: Final = "gm_multimodal_classifier"


@final
class ConvNet(nn.Module):
    """Four convolutions at two resolutions, the mean over the picture, and one linear layer.

    Args:
        channels: of the pictures.
        side: their greater side, in pixels.
        classes: number of labels.
    """

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        width = _GREY_WIDTH if channels == 1 else _COLOUR_WIDTH
        self.stem = _block(channels, width, stride=2 if side > _LARGE_SIDE else 1)
        self.body = nn.Sequential(_block(width, width), _block(width, FEATURES, stride=2), _block(FEATURES, FEATURES))
        self.head = nn.Linear(FEATURES, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs

    def features(self, points: Tensor) -> Tensor:
        """Return the mean activations of the last convolution, [N, d]."""
        activations: Tensor = self.body(self.stem(points))
        return activations.mean((-2, -1))

    def forward(self, points: Tensor) -> Tensor:
        """Return the logits of the labels, [N, K]."""
        logits: Tensor = self.head(self.features(points))
        return logits


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


@final
@dataclass(frozen=True)
class Classifier:
    """P(label | image), and the features before its last layer.

    Attributes:
        network: in evaluation mode.
        shape: (C, H, W) of the images.
        classes: number K of labels.
        data: name of the data set that it was trained on.
    """

    network: ConvNet
    shape: tuple[int, int, int]
    classes: int
    data: str

    @torch.inference_mode()
    def features(self, points: Tensor) -> Tensor:
        """Return the features of images [N, C, H, W] in [-1, 1], float32 [N, d]."""
        return torch.cat([self.network.features(part) for part in self._parts(points)]).cpu()

    @torch.inference_mode()
    def probabilities(self, points: Tensor) -> Tensor:
        """Return P(label | image) of images [N, C, H, W] in [-1, 1], [N, K]."""
        return torch.cat([self.network(part).softmax(-1) for part in self._parts(points)])

    def accuracy(self, images: ImageSet) -> float:
        """Return the share of images whose likeliest label is theirs."""
        labels = labels_of(images)
        return float((self.probabilities(images.points()).argmax(-1).cpu() == labels).double().mean())

    def save(self, path: str | Path) -> None:
        """Write the classifier as safetensors, atomically."""
        settings = json.dumps({"shape": self.shape, "classes": self.classes, "data": self.data})
        weights = {name: value.cpu().contiguous() for name, value in self.network.state_dict().items()}
        write_atomically(path, safetensors.torch.save(weights, metadata={_KEY: settings}))

    def _parts(self, points: Tensor) -> tuple[Tensor, ...]:
        assert points.shape[1:] == self.shape, (points.shape, self.shape)
        return points.to(self.network.head.weight).split(_CHUNK)


def load_classifier(path: str | Path) -> Classifier:
    """Read what `Classifier.save` wrote.

    Raises:
        CheckpointError: The file is missing, too large, or not a classifier of images.
    """
    try:
        check_weights(Path(path))
        with safe_open(path, "pt") as file:
            settings = json.loads((file.metadata() or {})[_KEY])
            weights = {name: file.get_tensor(name) for name in file.keys()}
        (channels, height, width), classes, data = settings["shape"], settings["classes"], str(settings["data"])
        _check_sizes(channels, height, width, classes)
        network = ConvNet(channels, max(height, width), classes)
        network.load_state_dict(weights)
    except TooLarge as error:
        raise CheckpointError(f"{path} cannot be read as a classifier of images (it {error.reason})") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} cannot be read as a classifier of images ({reason})") from error
    return Classifier(network.eval(), (channels, height, width), classes, data)


def _check_sizes(channels: object, height: object, width: object, classes: object) -> None:
    """Raise before a network of absurd size is made for them."""
    bounds = {"channels": (channels, 3), "height": (height, _MOST_SIDE), "width": (width, _MOST_SIDE)}
    for name, (size, most) in {**bounds, "classes": (classes, MOST_CLASSES)}.items():
        if type(size) is not int or not 1 <= size <= most:
            raise ValueError(f"its {name} are {str(size)[:20]}, not 1 to {most}")


def train_classifier(images: ImageSet, *, seed: int, device: torch.device | None = None) -> Classifier:
    """Train on labelled images by cross-entropy: seconds for the digits, minutes for Fashion-MNIST on a CPU.

    On a CPU equal seeds and numbers of threads give equal classifiers.

    Raises:
        DatasetError: The images have no labels, or only one.
    """
    labels = labels_of(images)
    classes = int(labels.max()) + 1
    device = device or torch.device("cpu")
    # layers draw their first weights from the global state, which is as it was when this is left
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ConvNet(images.shape[0], max(images.shape[1:]), classes)
    network.to(device)
    _fit(network, images.points().to(device), labels.to(device), torch.Generator().manual_seed(seed))
    return Classifier(network.eval(), images.shape, classes, images.name)


def _fit(network: ConvNet, points: Tensor, labels: Tensor, rng: torch.Generator) -> None:
    points = points.contiguous(memory_format=torch.channels_last)
    batch = min(_BATCH, len(points))
    steps = max(_LEAST_STEPS, _EPOCHS * (len(points) // batch))
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=_WARM)
    order = torch.zeros(0, dtype=torch.int64)
    network.train()
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(points), generator=rng).to(points.device)
        chosen, order = order[:batch], order[batch:]
        loss = functional.cross_entropy(network(points[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def labels_of(images: ImageSet) -> Tensor:
    """Return the labels of images that a classifier can learn, int64 [N].

    Raises:
        DatasetError: The images have no labels, or only one.
    """
    if images.labels is None:
        raise DatasetError(f"data {images.name} has no labels, which a classifier needs; put classes into folders")
    if len(images.labels.unique()) < 2:
        raise DatasetError(f"data {images.name} has one label for all images; a classifier needs two or more")
    if int(images.labels.max()) >= MOST_CLASSES:
        raise DatasetError(f"data {images.name} has the label {int(images.labels.max())}; give 0 to {MOST_CLASSES - 1}")
    return images.labels
