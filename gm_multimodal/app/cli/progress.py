"""How far a command is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with what is newly done; a log file gets a line now and then, a terminal a bar.

    Args:
        name: of what is done.
        total: how much there is of it; nothing is shown where all is done before.
        unit: of what is counted.
        done: how much of it was done before.
    """
    interval = 0.2 if sys.stderr.isatty() else 30.0
    with tqdm(total=total, desc=name, unit=unit, initial=done, mininterval=interval, disable=done >= total) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance
