"""The commands there are. A new one is a line here, `configs/<name>.yaml`, a schema and a function.

The name of a command is one word, or two of which the first is a family: the file of `images train` is
`configs/images_train.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Registered:
    """Where a command's schema and function are, as "module:name"; imported only when the command runs.

    `settled` names options of other commands that this one cannot have, and says why.
    """

    schema: str
    function: str
    settled: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "design": Registered("gm_multimodal.app.design.options:DesignConfig", "gm_multimodal.app.design.command:design"),
    "prepare": Registered(
        "gm_multimodal.app.prepare.options:PrepareConfig", "gm_multimodal.app.prepare.command:prepare"
    ),
    "train": Registered("gm_multimodal.app.train.train_options:TrainConfig", "gm_multimodal.app.train.train:train"),
    "finetune": Registered(
        "gm_multimodal.app.train.finetune_options:FinetuneConfig",
        "gm_multimodal.app.train.finetune:finetune",
        settled={
            "network": "the network is that of the checkpoint; another one is trained from scratch by `train`",
            "product": "paths, clocks and weights are those of the checkpoint; others are trained by `train`",
        },
    ),
    "evaluate": Registered(
        "gm_multimodal.app.evaluate.options:EvaluateConfig",
        "gm_multimodal.app.evaluate.command:evaluate",
    ),
    "images train": Registered(
        "gm_multimodal.app.images.train_options:ImageTrainConfig", "gm_multimodal.app.images.train:train"
    ),
    "images sample": Registered(
        "gm_multimodal.app.images.sample_options:ImageSampleConfig", "gm_multimodal.app.images.sample:sample"
    ),
    "images benchmark": Registered(
        "gm_multimodal.app.images.benchmark_options:ImageBenchmarkConfig",
        "gm_multimodal.app.images.benchmark:benchmark",
    ),
    "doctor": Registered("gm_multimodal.app.doctor.options:DoctorConfig", "gm_multimodal.app.doctor.command:doctor"),
}


def load(place: str) -> Any:
    """Import what "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
