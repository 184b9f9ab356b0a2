"""What `gm-multimodal images benchmark` accepts. Defaults and help texts stand in `configs/images_benchmark.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import at_least, check_filled, literal, one_of
from gm_multimodal.app.images.sample_options import SAMPLERS, SimulationConfig
from gm_multimodal.app.images.train_options import ImageTrainConfig
from gm_multimodal.errors import UserInputError


@dataclass(frozen=True, kw_only=True)
class ImageBenchmarkConfig(ImageTrainConfig, SimulationConfig):
    """One table of samplers by network calls, and the training before it.

    Raises:
        UserInputError: A value lies outside its bounds.
    """

    calls: list[int]
    num_samples: int
    seeds: int
    samplers: str = literal()
    checkpoint: str | None = literal()
    inception: str | None = literal()

    def __post_init__(self) -> None:
        ImageTrainConfig.__post_init__(self)
        SimulationConfig.__post_init__(self)
        for sampler in self.chosen:
            one_of("samplers", sampler, SAMPLERS)
        if not self.calls:
            raise UserInputError("calls=[] leaves nothing to compare: give for example calls=[10,50].")
        for number in self.calls:
            at_least("calls", number, 2)
        at_least("num_samples", self.num_samples, 65, "moments of 64 features need more samples than that")
        at_least("seeds", self.seeds, 1)
        for key, path in {"checkpoint": self.checkpoint, "inception": self.inception}.items():
            if path is not None:
                check_filled(key, path)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The samplers, in the order of the table."""
        return SAMPLERS if self.samplers == "all" else tuple(self.samplers.split(","))
