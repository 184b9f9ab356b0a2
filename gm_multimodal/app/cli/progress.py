"""How far a part of an evaluation is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(name: str, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Yield a function to be called with what is newly done; a log file gets a line now and then, a terminal a bar."""
    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(total=total, desc=name, unit=unit, mininterval=interval, disable=total == 0) as bar:
        yield bar.update
