"""Temporary folders and files that a killed process leaves are removed by the next one; a live one's never are.

Whoever uses one holds a lock on it, which the system releases when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

_LOCK: Final = ".in-use"
_BESIDE: Final = ".tracer-"
# Seconds after which something without a lock isn't one that is just being made.
_SETTLED: Final = 10.0
# Nobody else's `tracer-results` may be taken for ours.
_OURS: Final = re.compile(r"\.?tracer-(\d+)-\w{8}|\..*\.(\d+)\.tmp", re.DOTALL)


@contextlib.contextmanager
def temporary_folder(beside: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards, or after the next run where this one is killed.

    Args:
        beside: a file that is to get something from it by renaming; None for the system's temporary folder.
    """
    parent = Path(tempfile.gettempdir()) if beside is None else beside.resolve().parent
    start = "tracer-" if beside is None else _BESIDE
    sweep(parent, f"{start}*")
    with (
        # What can't be removed now, because something is still written there, is removed by the next run.
        tempfile.TemporaryDirectory(prefix=f"{start}{os.getpid()}-", dir=parent, ignore_cleanup_errors=True) as folder,
        (Path(folder) / _LOCK).open("w", encoding="utf-8") as held,
    ):
        hold(held)
        yield Path(folder)


@contextlib.contextmanager
def own_temporary_files() -> Iterator[None]:
    """Within it, all temporary files that Python makes are in a `temporary_folder`, those of Keras too.

    For processes of our own alone: in somebody else's, other threads may have files that are to stay.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # nothing can be written there; who has to, says so
            folder = stack.enter_context(temporary_folder())
            stack.callback(setattr, tempfile, "tempdir", tempfile.gettempdir())
            tempfile.tempdir = str(folder)
        yield


def own_folders() -> Iterator[Path]:
    """The temporary folders of this process that aren't beside a file."""
    place, start = Path(tempfile.gettempdir()), f"tracer-{os.getpid()}-"
    yield from [place] if place.name.startswith(start) else place.glob(f"{start}*")


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[IO[bytes]]:
    """A stream to write a file to, which gets the file's name once all of it is on the disk.

    After an error, of whoever writes or of the disk, the file is as it was before, and nothing is beside it.  It is
    written in the same folder, because a rename is atomic within one file system only.

    Raises:
        OSError: if it can't be written.
    """
    sweep(target.parent, f".{_escaped(target.name)}.*.tmp")
    temporary = target.with_name(f".{target.name}.{threading.get_ident()}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            hold(stream)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def hold(stream: IO[Any]) -> None:
    """Say that a file is in use, as long as it is open; where the file system knows no locks, nothing is said."""
    with contextlib.suppress(ImportError, OSError):
        _lock(stream)


def _lock(stream: IO[Any]) -> None:
    import fcntl  # POSIX has it: elsewhere nothing is known to be left, and nothing is removed

    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sweep_temporary() -> None:
    """Remove what dead processes left in the system's temporary folder."""
    with contextlib.suppress(OSError):  # there may be no such folder
        sweep(Path(tempfile.gettempdir()), "tracer-*")


def sweep(parent: Path, pattern: str) -> None:
    """Remove what dead processes left in a folder; what can't be removed, or is somebody else's, stays.

    Args:
        parent: the folder.
        pattern: glob of the names; only those that `temporary_folder` and `written_whole` give are looked at.
    """
    with contextlib.suppress(OSError):
        for item in parent.glob(pattern):
            process = _OURS.fullmatch(item.name)
            if process is not None and not item.is_symlink() and _is_left(item, int(process[1] or process[2])):
                _remove(item)


def _is_left(item: Path, process: int) -> bool:
    """Whether nobody holds it: its process is gone, or, if another one has got the number, the lock is."""
    try:
        info, lives = item.stat(), _lives(process)
        is_new = time.time() - info.st_mtime < _SETTLED
        if info.st_uid != os.getuid() or (lives and is_new):
            return False
        file = item / _LOCK if item.is_dir() else item
        if not file.exists():  # without a lock: it is just being made
            return not lives and not is_new
        with file.open("rb") as stream:
            _lock(stream)
    except (ImportError, OSError):  # held, or gone by now
        return False
    return True


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; or no number of a process
        return True
    return True


def _remove(item: Path) -> None:
    if item.is_dir():
        shutil.rmtree(item, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            item.unlink()


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)
