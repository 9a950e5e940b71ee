"""Ctrl-C: the process ends within a second, with 130, and nothing of it lives on or is left half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

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
    for child in _children():
        with contextlib.suppress(OSError):
            if os.getpgid(child) == child:
                os.killpg(child, signal.SIGKILL)
            else:
                os.kill(child, signal.SIGKILL)
    for folder in Path(tempfile.gettempdir()).glob(f"{folder_prefix()}*"):
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


def folder_prefix() -> str:
    """What the names of this process' temporary folders begin with."""
    return f"tracer-{os.getpid()}-"


def _children() -> Iterator[int]:
    """Processes that this one has started, but for the fork that carries stderr to the terminal: it ends by itself."""
    own = _command(os.getpid())
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and _command(int(entry.name)) != own:
                yield int(entry.name)


def _command(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes() if Path("/proc").is_dir() else b""
