"""What `gm-multimodal images sample` accepts. Defaults and help texts stand in `configs/images_sample.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.schemas.checks import at_least, check_filled, check_threads, literal, one_of, within
from gm_multimodal.app.schemas.design import DEVICES

SAMPLERS = (
    "flow",
    "flow-second-order",
    "sde",
    "jump-euler",
    "jump-improved",
    "jump-coupling",
    "superposition",
    "mixed",
)
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ImageSampleConfig:
    """One set of samples.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    sampler: str
    calls: int
    num_samples: int
    seed: int
    jump_weight: float
    noise: float
    trajectory: bool
    device: str
    precision: str
    sample_batch: int
    threads: int | str
    checkpoint: str = literal()
    out: str = literal()

    def __post_init__(self) -> None:
        one_of("sampler", self.sampler, SAMPLERS)
        at_least("calls", self.calls, 1)
        at_least("num_samples", self.num_samples, 1)
        at_least("seed", self.seed, 0)
        check_simulation(self.jump_weight, self.noise, self.sample_batch, self.precision, self.device)
        check_threads(self.threads)
        check_filled("checkpoint", self.checkpoint)
        check_filled("out", self.out)


def check_simulation(jump_weight: float, noise: float, sample_batch: int, precision: str, device: str) -> None:
    """Raise unless the settings of a simulation are within their bounds.

    Raises:
        UserInputError: One is not.
    """
    within("jump_weight", jump_weight, 0, 1)
    at_least("noise", noise, 0)
    at_least("sample_batch", sample_batch, 1)
    one_of("precision", precision, PRECISIONS)
    one_of("device", device, DEVICES)
