"""The terminal: what goes to stdout and to stderr, TensorFlow's noise, progress, exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, TypedDict

from tracer.core.outcomes import Ending
from tracer.core.spec import BACKENDS
from tracer.errors import SpecError, TracerError
from tracer.progress import Progress, silent
from tracer.system import heap, interrupt, leftovers

if TYPE_CHECKING:
    from rich.progress import Progress as Drawing
    from rich.progress import TaskID

EXIT_SAME, EXIT_DIVERGED, EXIT_TROUBLE = Ending.SAME, Ending.DIVERGED, Ending.TROUBLE

_PROGRESS_AFTER = 2.0  # seconds; a bar for less is a flicker
_FILES = 64  # more than are open when the command line has just been read
_NARROW, _PIPED, _WIDE = 80, 100, 140

# What TensorFlow, XLA, absl and JAX say on every start, also when all is well.  Errors pass, but for the ones that
# only say that there is no GPU.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} [\d:. ]+\d+ [\w./-]+:\d+\]"
    rb"|E\d{4} [\d:. ]+\d+ (cuda_\w+|cudart_\w+|computation_placer)\.cc:\d+\]"
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IW] "
    rb"|\d{4}-\d\d-\d\d [\d:.]+: E [\w/]*(cuda_\w+|cudart_\w+|computation_placer)\.cc:\d+\]"
    rb"|To enable the following instructions: "
    rb"|(WARNING|INFO):absl:"
    rb"|(WARNING|INFO):\d{4}-\d\d-\d\d [\d:,.]+:jax\."
)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def debugging() -> bool:
    """Whether TRACER_DEBUG asks for tracebacks and for all that the backends say."""
    return os.environ.get("TRACER_DEBUG", "") not in ("", "0")


def emit(text: str) -> None:
    """Prints a result; what the terminal's encoding lacks becomes a question mark, not a crash.

    Raises:
        TracerError: if it can't be written.
        BrokenPipeError: if who read it is gone.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = "it is closed" if error.errno == errno.EBADF else error.strerror
        raise TracerError(f"can't write the result to standard output: {reason}.") from error


def emit_report(text: str) -> None:
    """Prints a result for reading: on a terminal, a first line that is too long is wrapped at a space.

    Only there: in a file or a pipe the first line is the whole verdict.
    """
    first, end, rest = text.partition("\n")
    emit("\n".join(_fold(first, width())) + end + rest if sys.stdout.isatty() else text)


def _fold(line: str, columns: int) -> list[str]:
    """A line in pieces of at most so many columns, not counting colours, which begin and end it."""
    colours = len(line) - len(_COLOUR.sub("", line))
    pieces = textwrap.wrap(
        line, columns + colours, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return pieces or [line]


class Look(TypedDict):
    """How what is rendered has to look here, as the functions of `tracer.report` take it."""

    color: bool
    width: int


def look() -> Look:
    """Of this terminal, or of the file or pipe that stdout is."""
    return Look(color=use_color(), width=width())


def use_color() -> bool:
    """Colour is for terminals whose owner didn't refuse it, and for whoever asks for it; a refusal comes first."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns for a report: the terminal's within reason, and the same everywhere else."""
    if not sys.stdout.isatty():
        return _PIPED
    return min(max(shutil.get_terminal_size((_PIPED, 24)).columns, _NARROW), _WIDE)


@contextmanager
def work() -> Iterator[Progress]:
    """Around everything that imports Keras: results keep stdout for themselves, noise is held back.

    Whatever a model or a backend prints goes to stderr, so that stdout holds the result and nothing else.
    """
    _check_backend()
    leftovers.sweep_temporary()
    _silence_environment()
    heap.settle()
    here = _current_folder()
    if here not in sys.path and "" not in sys.path:
        # MODEL may name a module of the folder that the user is in; `python -m tracer` sees it, `tracer` must too.
        sys.path.insert(0, here)
    sys.stdout.flush()
    sys.stderr.flush()
    stdout, stderr = os.dup(1), os.dup(2)
    pump = None if debugging() else _start_pump()
    os.dup2(2, 1)
    try:
        with (
            os.fdopen(os.dup(stderr), "w", encoding="utf-8", errors="replace") as screen,
            redirect_stdout(sys.stderr),
            leftovers.own_temporary_files(),
            interrupt.ending(),
            _progress(screen) as report,
        ):
            yield report
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        if pump is not None:
            _end_pump(pump)


def _current_folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError as error:
        raise SpecError("the current folder has been removed; change into another one.") from error


def _check_backend() -> None:
    """Before Keras is imported, which would say it in a traceback."""
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend not in BACKENDS:
        raise SpecError(f"KERAS_BACKEND is {backend!r}; choose one of {', '.join(BACKENDS)}, or unset it.")


def _silence_environment() -> None:
    """Before Keras is imported, and inherited by workers; what the user has set is kept."""
    if debugging():
        return
    for name, value in (
        ("TF_CPP_MIN_LOG_LEVEL", "2"),
        ("GRPC_VERBOSITY", "ERROR"),
        ("PYTHONWARNINGS", "ignore"),
    ):
        os.environ.setdefault(name, value)
    if not sys.warnoptions and os.environ["PYTHONWARNINGS"] == "ignore":
        warnings.simplefilter("ignore")


def _start_pump() -> int | None:
    """Puts a process between stderr and the terminal that lets everything pass but known noise; its id.

    C++ writes to the file descriptor, past Python.  A process, not a thread: a thread can't run while C++ holds the
    interpreter, and would lose the last words of a crash.  It is forked before anything has started a thread.
    """
    if not hasattr(os, "fork") or {"tensorflow", "jax", "torch"} & sys.modules.keys():
        return None
    reading, writing = os.pipe()
    # One Ctrl-C reaches both: it has to wait until the new process has learnt that it isn't meant.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pump = os.fork()
        if pump == 0:
            _pump(reading)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    return pump


def _pump(reading: int) -> NoReturn:
    # Ctrl-C is for the tracer: what it still says must get through.  Its other files, stdout above all, must not be
    # held open here, or who reads them would wait for this process too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.dup2(reading, 0)
        os.dup2(2, 1)
        os.closerange(3, _FILES)
        with os.fdopen(0, "rb") as lines:
            for text in lines:
                if not _NOISE.match(text):
                    with contextlib.suppress(OSError):  # nobody reads it any more; whoever writes must not fail for it
                        os.write(2, text)
    finally:
        os._exit(0)


def _end_pump(pump: int) -> None:
    """Waits for the last words, but not for a process that inherited stderr and lives on."""
    for _ in range(100):
        if os.waitpid(pump, os.WNOHANG)[0]:
            return
        time.sleep(0.01)


@contextmanager
def _progress(screen: IO[str]) -> Iterator[Progress]:
    """A bar on stderr that appears when the work takes long; nothing at all where stderr is no terminal."""
    if not screen.isatty() or os.environ.get("TERM") == "dumb":
        yield silent
        return
    bar = _Bar(screen)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """Draws `progress(phase, done, total)`; holds the one bar that is on the screen.

    A timer puts it there, also where nothing reports: one phase may be all that a minute of loading says.
    """

    def __init__(self, screen: IO[str]) -> None:
        self._screen = screen
        self._lock = threading.Lock()
        self._latest = ("starting", 0, 0)
        self._shown: tuple[Drawing, TaskID] | None = None
        self._timer = threading.Timer(_PROGRESS_AFTER, self._show)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, phase: str, done: int, total: int) -> None:
        with self._lock:
            another = phase != self._latest[0]
            self._latest = (phase, done, total)
            if self._shown is not None:
                self._draw(another)

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            if self._shown is not None:
                self._shown[0].stop()

    def _show(self) -> None:
        with self._lock:
            if not self._timer.finished.is_set():  # not closed in the meantime
                self._shown = _drawn(self._screen)
                self._draw(another=True)

    def _draw(self, another: bool) -> None:
        assert self._shown is not None
        (progress, task), (phase, done, total) = self._shown, self._latest
        if another:  # the rate is the phase's own
            progress.reset(task, description=phase, completed=done, total=total or None)
        else:
            progress.update(task, completed=done, total=total or None)


def _drawn(screen: IO[str]) -> tuple[Drawing, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        """Of how many, how fast, and how long it still takes, where that is known."""

        def render(self, task: Task) -> Text:
            return Text(pace(int(task.completed), task.total, task.speed, task.time_remaining))

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), Pace(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(file=screen), transient=True, refresh_per_second=5)
    progress.start()
    return progress, progress.add_task("", total=None)


def pace(done: int, total: float | None, speed: float | None, remaining: float | None) -> str:
    """`12/239  8.1/s  28 s left`; nothing where nothing is counted."""
    if not total:
        return ""
    parts = [f"{done}/{total:.0f}"]
    if speed:
        parts.append(f"{speed:.1f}/s")
    if remaining is not None:
        minutes, seconds = divmod(round(remaining), 60)
        parts.append(f"{minutes} min {seconds:02d} s left" if minutes else f"{seconds} s left")
    return "  ".join(parts)
