import multiprocessing
import os
import sys
import time

import pytest

from gm_multimodal.app.machine.process_pool import Lost, run_each


def square(task: float) -> float:
    if task == 3:
        os._exit(7)
    if task == 5:
        time.sleep(60)
    if task == 6:
        raise ZeroDivisionError("a mistake of ours")
    return task**2


def test_a_crash_and_a_hang_cost_their_task_alone():
    results = dict(run_each(square, [1, 2, 3, 4, 5, 7], workers=2, seconds=3))
    assert {task: result for task, result in results.items() if task not in (3, 5)} == {1: 1, 2: 4, 4: 16, 7: 49}
    assert results[3] == Lost("reading it ended its process (exit code 7)")
    assert results[5] == Lost("reading it took more than 3 seconds")
    assert not multiprocessing.active_children()


def test_mistakes_are_raised_here():
    with pytest.raises(ZeroDivisionError, match="a mistake of ours"):
        list(run_each(square, [6], workers=1, seconds=30))
    assert not multiprocessing.active_children()


def test_nothing_to_do_starts_nothing():
    assert list(run_each(square, [], workers=4, seconds=1)) == []


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for task in (10, 11, 12, 13):
            taken.append(task)
            yield task

    results = run_each(square, tasks(), workers=1, seconds=30)
    assert next(results) == (10, 100)
    assert taken == [10, 11]
    results.close()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_processes_end_with_their_owner(tmp_path):
    import signal
    import subprocess

    script = tmp_path / "owner.py"
    script.write_text(
        "import time\nfrom gm_multimodal.app.machine.process_pool import run_each\n"
        "if __name__ == '__main__':\n"
        "    for _ in run_each(abs, [1], workers=1, seconds=99):\n"
        "        import multiprocessing\n"
        "        print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "        time.sleep(99)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        worker = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{worker}")
