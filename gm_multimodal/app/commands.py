"""The commands there are. A new one is a line here, `configs/<name>.yaml`, a schema and a function.

The name of a command is one word, or two of which the first is a family: the file of `images train` is
`configs/images_train.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """Where a command's schema and function are, as "module:name"; imported only when the command runs.

    `settled` names options of other commands that this one cannot have, and says why.
    """

    schema: str
    function: str
    settled: Mapping[str, str] = field(default_factory=dict)


COMMANDS = {
    "design": Entry("gm_multimodal.app.schemas.design:DesignConfig", "gm_multimodal.app.design:design"),
    "prepare": Entry("gm_multimodal.app.schemas.prepare:PrepareConfig", "gm_multimodal.app.prepare:prepare"),
    "train": Entry("gm_multimodal.app.schemas.train:TrainConfig", "gm_multimodal.app.train:train"),
    "finetune": Entry(
        "gm_multimodal.app.schemas.finetune:FinetuneConfig",
        "gm_multimodal.app.finetune:finetune",
        settled={
            "network": "the network is that of the checkpoint; another one is trained from scratch by `train`",
            "product": "paths, clocks and weights are those of the checkpoint; others are trained by `train`",
        },
    ),
    "evaluate": Entry("gm_multimodal.app.schemas.evaluate:EvaluateConfig", "gm_multimodal.app.evaluate:evaluate"),
    "images train": Entry(
        "gm_multimodal.app.schemas.images_train:ImageTrainConfig", "gm_multimodal.app.images.train:train"
    ),
    "images sample": Entry(
        "gm_multimodal.app.schemas.images_sample:ImageSampleConfig", "gm_multimodal.app.images.sample:sample"
    ),
    "images benchmark": Entry(
        "gm_multimodal.app.schemas.images_benchmark:ImageBenchmarkConfig",
        "gm_multimodal.app.images.benchmark:benchmark",
    ),
    "doctor": Entry("gm_multimodal.app.schemas.doctor:DoctorConfig", "gm_multimodal.app.doctor:doctor"),
}
