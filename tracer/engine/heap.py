"""How the C library keeps what layers free.

By default glibc gives every thread an arena of its own, and large blocks back to the system as soon as they are free.
A model that runs in a thread then gets each activation as fresh pages, which the system has to clear one by one: 1.5 to
3 s of an EfficientNetB7's 9.  A process that is ours keeps its blocks instead, and gives them back when they have
become too many.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Any

from tracer.processes import resident

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # <malloc.h>
_NEVER = 1 << 30
_STEP = 8 << 20  # bytes computed between two looks at what is kept: asking the system takes as long as a small layer
_SPARE = 64 << 20  # bytes over what there was at the start of a run; beyond them what is free is given back


def settle() -> None:
    """Keep freed memory in one arena from now on; for a process of our own, before it starts threads.

    Does nothing where the C library isn't glibc.
    """
    library = _library("mallopt")
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, _NEVER)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Give what is free back to the system."""
    library = _library("malloc_trim")
    if library is not None:
        library.malloc_trim(0)


class Spare:
    """Watches what a run keeps, and gives freed memory back when it is too much."""

    def __init__(self) -> None:
        self._start = _held()
        self._passed = 0

    def passed(self, size: int) -> None:
        """So many bytes were computed, and may be free by now."""
        self._passed += size
        if self._passed > _STEP:
            self._passed = 0
            if _held() > self._start + _SPARE:
                give_back()


def _held() -> int:
    return resident({os.getpid()}) or 0


def _library(function: str) -> Any:
    """The C library, if it has such a function."""
    with contextlib.suppress(OSError, TypeError):  # another system
        library = ctypes.CDLL(None)
        if hasattr(library, function):
            return library
    return None
