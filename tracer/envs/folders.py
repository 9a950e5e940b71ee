"""Where this package keeps what it can make again: a folder of the user's cache."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tracer.errors import WorkerError
from tracer.system.leftovers import written_whole

VARIABLE = "TRACER_CACHE"


def cache_folder() -> Path:
    """`TRACER_CACHE`, or the folder for caches that this system has.

    Raises:
        WorkerError: if neither can be told.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        from platformdirs import user_cache_path
    except ImportError as error:
        raise WorkerError(
            f"can't tell where this system keeps caches: platformdirs isn't installed. Set {VARIABLE} to a folder, or "
            "install it: pip install 'keras-layer-tracer[envs]'."
        ) from error
    return Path(user_cache_path("keras-layer-tracer"))


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Within it, an error of the disk is one of the cache, and says so.

    Raises:
        WorkerError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise WorkerError(
            f"can't write to the cache {cache_folder()}: {error.strerror or error}. Set {VARIABLE} to a folder that "
            "can be written."
        ) from error


def write_whole(file: Path, text: str) -> None:
    """Writes a file whole or not at all, with its folder; nothing is left beside it, or until it is written again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as stream:
        stream.write(text.encode())


@contextlib.contextmanager
def locked(file: Path, *, wait: bool = True, shared: bool = False) -> Iterator[bool]:
    """Holds a lock that ends with the process; yields False where it is taken and `wait` isn't set."""
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    with file.open("a") as held:
        try:
            fcntl.flock(held, kind)
        except BlockingIOError:
            yield False
            return
        yield True
