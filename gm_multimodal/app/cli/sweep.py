"""Every combination of comma-separated values, by Hydra's sweeper and launcher."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gm_multimodal.app.cli.arguments import quote
from gm_multimodal.app.cli.failures import report_failure


def sweep(hydra: Any, main: str, overrides: list[str], job: Callable[[DictConfig, int], None], command: str) -> int:
    """Run every job, telling failures as they happen.

    Args:
        hydra: at work.
        main: name of the main file of the configuration.
        overrides: what was typed, in Hydra's grammar.
        job: what to do with the configuration and the number of a job.
        command: whose jobs they are, for messages.

    Returns:
        The exit code: the worst of all jobs.
    """
    codes = [0]
    owner = os.getpid()

    def told(config: DictConfig) -> None:
        try:
            job(config, HydraConfig.get().job.num)
        except Exception as error:
            if os.getpid() != owner:
                raise  # a launcher plugin's worker: Hydra carries the error home
            codes.append(report_failure(error, command))

    hydra.multirun(main, told, overrides)
    return max(codes, key=_severity)


@contextmanager
def quiet(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Yield the settings by which Hydra writes no file, keeps no folder and logs nothing; the user's own go first."""
    # Hydra makes it, in a sweep alone; its name cannot be foreseen, so that what goes is ours.
    folder = Path(tempfile.gettempdir()) / f"gm-multimodal-sweep-{secrets.token_hex(8)}"
    settings = {
        "hydra.run.dir": ".",
        "hydra.sweep.dir": quote(str(folder)),
        "hydra.output_subdir": "null",
        "hydra/job_logging": "disabled",
        "hydra/hydra_logging": "disabled",
    }
    given = {override.partition("=")[0] for override in overrides}
    try:
        yield [f"{key}={value}" for key, value in settings.items() if key not in given]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _severity(code: int) -> int:
    return {0: 0, 2: 1}.get(code, 2)
