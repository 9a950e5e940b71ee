"""Running processes: their memory, their command lines, and the end of all that one has started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from tracer.system import processes

_SLEEP = "import time; time.sleep(60)"
# A child in a session of its own, as workers are, and a grandchild below it.
_PARENT = f"""
import subprocess, sys
below = [sys.executable, "-c", {_SLEEP!r}]
child = "import subprocess, sys; print(subprocess.Popen(" + repr(below) + ").pid, flush=True); " + {_SLEEP!r}
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
{_SLEEP}
"""
_WITHOUT_PSUTIL = """
import sys
sys.modules["psutil"] = None
from tracer.system import heap, interrupt, processes
import os
heap.settle()
heap.Spare().passed(1 << 30)
processes.end_below(os.getpid())
print(processes.resident({os.getpid()}), processes.command_line(os.getpid()))
interrupt.end_now()
"""


@pytest.fixture
def family() -> Iterator[tuple[int, ...]]:
    """A process, its child and its grandchild."""
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            grandchild = int(parent.stdout.readline())
            yield parent.pid, psutil.Process(grandchild).ppid(), grandchild
        finally:
            processes.end_below(parent.pid)
            parent.kill()


def runs(process: int) -> bool:
    """Whether it does; one that has ended and isn't waited for doesn't."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended(process: int) -> bool:
    """Whether it has, within seconds."""
    until = time.monotonic() + 5
    while runs(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not runs(process)


def test_what_a_process_has_started_ends_with_all_below_it(family: tuple[int, ...]) -> None:
    parent, child, grandchild = family
    processes.end_below(parent)
    assert ended(child) and ended(grandchild)
    assert runs(parent)


def test_what_is_not_chosen_stays_with_all_below_it(family: tuple[int, ...]) -> None:
    asked: list[int] = []
    processes.end_below(family[0], lambda child: bool(asked.append(child)))
    assert asked == [family[1]]
    assert all(map(runs, family))


def test_a_process_that_has_ended_has_nothing_below_it() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    processes.end_below(done.pid)
    assert processes.command_line(done.pid) == ()
    assert processes.resident({os.getpid(), done.pid}) is None


def test_the_memory_of_several_is_their_sum(family: tuple[int, ...]) -> None:
    until = time.monotonic() + 10  # one that has just been started has next to nothing
    while min(processes.resident({process}) or 0 for process in family) <= 1 << 20 and time.monotonic() < until:
        time.sleep(0.05)
    each = [processes.resident({process}) or 0 for process in family]
    assert min(each) > 1 << 20
    assert abs((processes.resident(family) or 0) - sum(each)) < 1 << 20


def test_a_command_line_is_what_the_process_was_started_with(family: tuple[int, ...]) -> None:
    assert processes.command_line(family[0])[1:] == ("-c", _PARENT)


def test_a_worker_without_psutil_runs_and_ends_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT_PSUTIL], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "None ()\n"), done.stderr


def test_the_process_that_is_to_go_first_when_memory_runs_out(family: tuple[int, ...]) -> None:
    process = family[0]
    processes.give_up_first(process)
    with open(f"/proc/{process}/oom_score_adj", encoding="ascii") as said:
        assert said.read() == "1000\n"


def test_a_process_in_silence_says_nothing_and_its_end_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    script = "import os, sys; print(1); sys.stderr.write(sys.stdin.read()); os._exit(int(os.environ['CODE']))"
    assert processes.run_in_silence([sys.executable, "-c", script], {"CODE": "3"}) == 3
    assert processes.run_in_silence([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], {}) == -9
    assert capfd.readouterr() == ("", "")


def test_a_process_that_says_so_ends_with_the_one_that_started_it() -> None:
    child = f"from tracer.system import processes; processes.end_with_parent(); print(1, flush=True); {_SLEEP}"
    script = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {child!r}]).pid, flush=True); {_SLEEP}"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        below, _ = int(parent.stdout.readline()), parent.stdout.readline()
        assert runs(below)
        parent.kill()
        assert ended(below)


def test_of_a_process_that_has_ended_nothing_is_asked() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    processes.give_up_first(done.pid)
    processes.end_group(done.pid)
