"""Temporary folders and files that a killed process leaves are removed by the next one; a live one's never are.

Whoever uses one holds a lock on it, which the system releases when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
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
        tempfile.TemporaryDirectory(prefix=f"{start}{os.getpid()}-", dir=parent) as folder,
        (Path(folder) / _LOCK).open("w", encoding="utf-8") as held,
    ):
        hold(held)
        yield Path(folder)


def temporary_name(target: Path) -> Path:
    """What a file is called until it is whole and gets its name; those that were left of it are removed first."""
    sweep(target.parent, f".{_escaped(target.name)}.*.tmp")
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


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
        pattern: glob of the names; only those that `temporary_folder` and `temporary_name` give are looked at.
    """
    with contextlib.suppress(OSError):
        for item in parent.glob(pattern):
            process = _OURS.fullmatch(item.name)
            if process is not None and not item.is_symlink() and _is_left(item, int(process[1] or process[2])):
                _remove(item)


def _is_left(item: Path, process: int) -> bool:
    """Whether nobody holds it: its process is gone, or, if another one has got the number, the lock is."""
    try:
        info, lives = item.stat(), Path(f"/proc/{process}").exists()
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


def _remove(item: Path) -> None:
    if item.is_dir():
        shutil.rmtree(item, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            item.unlink()


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)
