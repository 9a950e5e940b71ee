"""Ctrl-C: the process ends within a second, with 130, and nothing of it lives on or is left half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tracer.system import leftovers
from tracer.system.processes import command_line, end_below

EXIT_INTERRUPTED = 130

# What unwinding takes where all goes well is a tenth of it.  What swallows the exception (a destructor, a callback of a
# backend) or waits for something else must not keep the user waiting.
_PATIENCE = 0.7


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """Within it, the first SIGINT unwinds as KeyboardInterrupt; the second one, or a slow first, ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _unwind(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, lambda *_: end_now())
    threading.Thread(target=_end_later, name="tracer: ends an interrupted process", daemon=True).start()
    raise KeyboardInterrupt


def _end_later() -> NoReturn:
    time.sleep(_PATIENCE)
    end_now()


def end_now() -> NoReturn:
    """Ends this process with what it has started, and removes its folders."""
    own = command_line(os.getpid())
    # The fork that carries stderr to the terminal has this process' command line, and ends by itself.
    end_below(os.getpid(), lambda child: command_line(child) != own)
    for folder in leftovers.own_folders():
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError), Path("/dev/tty").open("wb", buffering=0) as terminal:
        terminal.write(b"\x1b[?25h")  # a bar may have hidden the cursor
    os.write(2, b"tracer: interrupted\n")
    leave()


def leave(code: int = EXIT_INTERRUPTED) -> NoReturn:
    """Ends this process at once, without taking it apart."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
