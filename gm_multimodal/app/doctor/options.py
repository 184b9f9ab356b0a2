"""What `gm-multimodal doctor` accepts. Defaults and help texts stand in `configs/doctor.yaml`."""

from dataclasses import dataclass

from gm_multimodal.app.cli.checks import check_device, check_filled, check_threads, literal


@dataclass(frozen=True)
class DoctorConfig:
    """What a later `design` would be asked for: the checkpoint, the device and the threads to look at.

    Raises:
        UserInputError: A value lies outside its choices.
    """

    device: str
    threads: int | str
    allow_code: bool
    checkpoint: str = literal()

    def __post_init__(self) -> None:
        check_device(self.device)
        check_threads(self.threads)
        check_filled("checkpoint", self.checkpoint)
