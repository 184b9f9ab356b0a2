"""One function over many tasks in processes of their own, so that none takes the run down by a crash or a hang.

A pool of the standard library ends with the first of its processes that dies. Here a process that dies, or takes too
long, costs its one task. Processes are spawned (the same on Linux, macOS and Windows) and end with the process that
owns them, however that ends.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, final

Task = TypeVar("Task")
Result = TypeVar("Result")


@final
@dataclass(frozen=True)
class Lost:
    """A task without result; `reason` is one line."""

    reason: str


def run_each(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int, seconds: float
) -> Iterator[tuple[Task, Result | Lost]]:
    """Yield every task with its result, in the order in which they are done.

    Args:
        function: of a module, so that other processes can import it; what it raises is raised here.
        tasks: taken one by one, as processes come free.
        workers: number of processes.
        seconds: after which a task is given up and its process ended.
    """
    waiting = iter(tasks)
    hands: list[_Hand[Task, Result]] = []
    try:
        for task in waiting:
            hands.append(_Hand(function))
            hands[-1].give(task)
            if len(hands) == workers:
                break
        while busy := [hand for hand in hands if hand.is_busy]:
            wait([hand.connection for hand in busy], timeout=max(0.0, min(hand.until(seconds) for hand in busy)))
            for hand in busy:
                done = hand.take(seconds)
                if done is not None:
                    for task in waiting:
                        hand.give(task)
                        break
                    yield done
    finally:
        for hand in hands:
            hand.end()


class _Hand(Generic[Task, Result]):
    """One process, its task and when that began."""

    def __init__(self, function: Callable[[Task], Result]) -> None:
        self.function = function
        self.is_busy = False
        self._start()

    def give(self, task: Task) -> None:
        self.task, self.since, self.is_busy = task, time.monotonic(), True
        self.connection.send(task)

    def until(self, seconds: float) -> float:
        """Seconds that are left for the task."""
        return self.since + seconds - time.monotonic()

    def take(self, seconds: float) -> tuple[Task, Result | Lost] | None:
        """Return the task and its result, or None while it goes on."""
        if self.connection.poll():
            try:
                result = self.connection.recv()
            except (EOFError, OSError):
                self.process.join()
                result = Lost(f"reading it ended its process (exit code {self.process.exitcode})")
                self._start()
        elif self.until(seconds) <= 0:
            result = Lost(f"reading it took more than {seconds:g} seconds")
            self.end()
            self._start()
        else:
            return None
        self.is_busy = False
        if isinstance(result, BaseException):
            raise result
        return self.task, result

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.function), daemon=True)
        self.process.start()
        theirs.close()  # so that a process that dies is seen as the end of its messages


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Answer tasks until whoever gives them is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that owns this one
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            result = function(task)
        except Exception as error:
            result = error
        connection.send(result)
