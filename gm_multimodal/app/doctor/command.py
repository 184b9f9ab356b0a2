"""`gm-multimodal doctor`: what is installed here, what a design would use, and whether that works."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import torch

from gm_multimodal import __version__
from gm_multimodal.app.cli.terminal import show
from gm_multimodal.app.doctor.options import DoctorConfig
from gm_multimodal.app.machine.devices import resolve_device, set_threads
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.checkpoint import load_checkpoint, resolve

_PACKAGES = ("torch", "e3nn", "biotite", "lightning", "hydra-core", "numpy", "pandas", "pyarrow", "safetensors")


def doctor(config: DoctorConfig) -> None:
    """Print versions, platform, devices, threads and checkpoint; everything is printed before anything is refused.

    Raises:
        UserInputError: A package is missing, or the device or the checkpoint cannot be used.
    """
    problems: list[UserInputError] = []
    _line("gm_multimodal", __version__)
    _line("python", f"{platform.python_version()} ({sys.executable})")
    _line("platform", f"{platform.platform()}, {os.cpu_count()} processors")
    for package in _PACKAGES:
        try:
            _line(package, version(package))
        except PackageNotFoundError:
            _line(package, "missing")
            problems.append(UserInputError(f"{package} is not installed: install gm_multimodal again with pip."))
    _line("devices", ", ".join(_devices()))
    for look in (_look_at_device, _look_at_checkpoint):
        try:
            look(config)
        except UserInputError as problem:
            problems.append(problem)
    if problems:
        raise UserInputError(" ".join(str(problem) for problem in problems))
    show("Everything works: `gm-multimodal design` will run.")


def _look_at_device(config: DoctorConfig) -> None:
    _line("threads", str(set_threads(config.threads)))
    device = resolve_device(config.device)
    torch.ones(2, device=device).sum().item()
    _line("device", f"{device.type} (device={config.device})")


def _look_at_checkpoint(config: DoctorConfig) -> None:
    path = resolve(config.checkpoint)
    _line("checkpoint", f"{path} (checkpoint={config.checkpoint})")
    checkpoint = load_checkpoint(path, allow_code=config.allow_code)
    parameters = sum(parameter.numel() for parameter in checkpoint.network.parameters())
    shortest, longest = checkpoint.length_range
    _line("  loads", f"digest {checkpoint.digest}, {parameters:,} parameters, trained on {shortest}-{longest} residues")
    _line("  written by", f"gm_multimodal {checkpoint.metadata['version']}")
    for key, value in checkpoint.metadata["provenance"].items():
        text = _in_short(value)
        if len(text) <= 100:  # whole configurations belong into files
            _line(f"  {key}", text)


def _in_short(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_short(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _devices() -> list[str]:
    found = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(torch.cuda.device_count())]
    return ["cpu", *found, *(["mps"] if torch.backends.mps.is_available() else [])]


def _line(name: str, value: str) -> None:
    show(f"{name:<16}{value}")
