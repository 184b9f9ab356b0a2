import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import os, resource
import numpy as np
from gm_multimodal.app.cli.startup import prepare_process
prepare_process()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(2_000_000)
before = faults()
for _ in range(20):
    np.ones(2_000_000)
print(faults() - before, os.environ["OMP_WAIT_POLICY"])
"""


def run(**variables: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "OMP_"))}
    command = [sys.executable, "-c", SCRIPT]
    out = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True).stdout
    faults, policy = out.split()
    return int(faults), policy


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_used_again():
    assert run()[0] < 100  # pages; each of the twenty arrays has 3,900


@pytest.mark.skipif(sys.platform == "win32", reason="counts page faults by POSIX means")
def test_the_environment_has_the_last_word():
    assert run(OMP_WAIT_POLICY="active", MALLOC_TRIM_THRESHOLD_="131072")[1] == "active"
    assert run()[1] == "passive"
