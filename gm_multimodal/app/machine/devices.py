"""The device and the number of threads that a command asks for."""

import torch

from gm_multimodal.errors import UserInputError


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; auto takes CUDA, then MPS, then the CPU.

    On CUDA only operations that repeat their results bit by bit are used from here on.

    Raises:
        UserInputError: This PyTorch does not see such a device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_there in available.items() if is_there)
    if not available[name]:
        there = ", ".join(kind for kind, is_there in available.items() if is_there)
        raise UserInputError(
            f"device={name} is not available: PyTorch {torch.__version__} sees {there} here. Give device=auto."
        )
    if name == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)


def set_threads(threads: int | str) -> int:
    """Let PyTorch use that many CPU threads, or as many as it likes (auto), and return their number."""
    if isinstance(threads, int):
        torch.set_num_threads(threads)
    return torch.get_num_threads()
