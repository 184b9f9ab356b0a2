"""Settings of this process that must be made before torch is imported; they change speed and noise, never results."""

import ctypes
import logging
import os
import platform

_ENVIRONMENT = {
    # Idle OpenMP threads that spin take the processor from whoever else works on the machine.
    "OMP_WAIT_POLICY": "passive",
    # cuBLAS repeats its results only with a fixed workspace; it reads this once, when CUDA starts.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt(3)
_KEPT = 1 << 30  # bytes of freed memory kept for the next tensor


def prepare_process() -> None:
    """Let idle threads sleep and freed memory stay in the process, unless the environment says otherwise.

    By default glibc hands the memory of every large tensor back to the kernel, which zeroes it page by page for the
    next one: a quarter of a design's processor time at 200 residues.
    """
    # What other packages log of their insides is not for the user; errors are.
    logging.getLogger().setLevel(logging.ERROR)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if platform.libc_ver()[0] == "glibc" and not any(name.startswith("MALLOC_") for name in os.environ):
        libc = ctypes.CDLL(None)
        for threshold in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            libc.mallopt(threshold, _KEPT)
