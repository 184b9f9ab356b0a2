"""What `gm-multimodal images sample` accepts. Defaults and help texts stand in `configs/images_sample.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import at_least, check_device, check_filled, check_threads, literal, one_of, within

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


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """How images are sampled.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    jump_weight: float
    noise: float
    late: float
    device: str
    precision: str
    sample_batch: int
    allow_code: bool

    def __post_init__(self) -> None:
        within("jump_weight", self.jump_weight, 0, 1)
        at_least("noise", self.noise, 0)
        within("late", self.late, 0, 20)
        at_least("sample_batch", self.sample_batch, 1)
        one_of("precision", self.precision, PRECISIONS)
        check_device(self.device)


@dataclass(frozen=True, kw_only=True)
class ImageSampleConfig(SimulationConfig):
    """One set of samples.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    sampler: str
    calls: int
    num_samples: int
    max_megabytes: int
    seed: int
    trajectory: bool
    threads: int | str
    checkpoint: str = literal()
    out: str = literal()

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("sampler", self.sampler, SAMPLERS)
        at_least("calls", self.calls, 1)
        at_least("num_samples", self.num_samples, 1)
        at_least("max_megabytes", self.max_megabytes, 1)
        at_least("seed", self.seed, 0)
        check_threads(self.threads)
        check_filled("checkpoint", self.checkpoint)
        check_filled("out", self.out)
