"""What the system says of running processes, wherever psutil knows how to ask; and a process that reads a file first.

psutil is imported where it is needed: a worker in another environment hasn't got it, and needs none of this.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1
_LAST_WORDS: Final = 1500  # characters


def run_in_silence(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a short-lived process to its end, which nobody hears or speaks to; it is ended with this one's Ctrl-C.

    Args:
        command: the words that start it.
        variables: of its environment, beside this process' own.

    Returns:
        Its exit code; where a signal ended it, the signal's number as a negative one.
    """
    nothing = subprocess.DEVNULL
    own = {**os.environ, **variables}
    return subprocess.run(command, stdin=nothing, stdout=nothing, stderr=nothing, env=own, check=False).returncode


def ending_with_this(words: Sequence[str]) -> list[str]:
    """The words that start a program which the system ends when this process ends, however that ends; on Linux.

    Args:
        words: that start the program alone.
    """
    if sys.platform != "linux" or not sys.executable:
        return [*words]
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *words]


def end_with_parent() -> None:
    """Have the system end this process when the one that started it ends, however that ends; Linux alone can do it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def resident(processes: Iterable[int]) -> int | None:
    """Bytes in memory of all of them; None where the system doesn't say."""
    try:
        import psutil

        return sum(int(psutil.Process(process).memory_info().rss) for process in processes)
    except ImportError:
        return None
    except psutil.Error:  # a worker that has just died, which is said elsewhere
        return None


def end_below(process: int, chosen: Callable[[int], bool] = lambda child: True) -> None:
    """Ends the chosen children of a process, with all that they started: a worker has a session of its own."""
    try:
        import psutil
    except ImportError:
        return
    for child in _children(process):
        with contextlib.suppress(psutil.Error):
            if chosen(child):
                end_below(child)
                psutil.Process(child).kill()


def end_group(process: int) -> None:
    """Ends a process that leads a group, and all that it started; safe where there is none any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


@contextlib.contextmanager
def killed_if_left(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Within it, a process is waited for; if that is interrupted, it is killed."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def last_words(log: IO[bytes]) -> str:
    """The end of what a process has said, from a file that it has written to."""
    log.seek(0)
    return log.read().decode(errors="replace").strip()[-_LAST_WORDS:]


def give_up_first(process: int) -> None:
    """Where memory runs out, the system ends this process before others; does nothing where that can't be said."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/oom_score_adj").write_text("1000", encoding="ascii")


def _children(process: int) -> tuple[int, ...]:
    import psutil

    try:
        return tuple(int(child.pid) for child in psutil.Process(process).children())
    except psutil.Error:  # it has ended
        return ()


def command_line(process: int) -> tuple[str, ...]:
    """The words that a process was started with; none where it has ended, or the system doesn't say."""
    try:
        import psutil

        return tuple(map(str, psutil.Process(process).cmdline()))
    except ImportError:
        return ()
    except psutil.Error:
        return ()


if __name__ == "__main__":
    end_with_parent()
    if os.getppid() == int(sys.argv[1]):  # or it has ended already
        os.execvp(sys.argv[2], sys.argv[2:])
