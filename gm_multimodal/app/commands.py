"""The commands there are. A new one is a line here, `configs/<name>.yaml`, a schema and a function."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """Where a command's schema and function are, as "module:name"; imported only when the command runs."""

    schema: str
    function: str


COMMANDS = {
    "design": Entry("gm_multimodal.app.schemas.design:DesignConfig", "gm_multimodal.app.design:design"),
    "prepare": Entry("gm_multimodal.app.schemas.prepare:PrepareConfig", "gm_multimodal.app.prepare:prepare"),
    "train": Entry("gm_multimodal.app.schemas.train:TrainConfig", "gm_multimodal.app.train:train"),
    "doctor": Entry("gm_multimodal.app.schemas.doctor:DoctorConfig", "gm_multimodal.app.doctor:doctor"),
}
