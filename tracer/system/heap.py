"""How the C library keeps what layers free.

By default glibc gives every thread an arena of its own, and large blocks back to the system as soon as they are free.
A model that runs in a thread then gets each activation as fresh pages, which the system has to clear one by one: a
third of all that the cores do for an EfficientNetB7.  A process that is ours keeps its blocks instead, and gives them
back when they have become too many.

(TensorFlow has a pool of its own for the asking, `TF_CPU_ALLOCATOR_USE_BFC`.  It clears no page twice, but never gives
one back: an EfficientNetB7 took 290 to 485 MiB in it from one time to the next, here it is 372 to 414.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Any

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1  # <malloc.h>
_NEVER = (1 << 31) - 1
# Larger blocks go back at once.  Backends ask for aligned blocks, for which the hole that an equal one has left is a
# few bytes too small: with the largest activations in it, the heap of a B7 is a third larger than what is in use.
_LARGEST = 32 << 20  # the most that every glibc takes
_STEP = 8 << 20  # bytes computed between two looks at what is kept: asking the system takes as long as a small layer
# How much there may be over what there was at the start of a run before what is free goes back: this much of a small
# model, and of a large one what its widest layer takes in any case, with inputs and outputs of both sides.  And so much
# more than the last time was left: what is in use, or in holes of the heap, doesn't go back however often it is asked.
_SPARE, _WIDEST = 64 << 20, 5


def settle() -> None:
    """Keep freed memory in one arena from now on; for a process of our own, before it starts threads.

    Does nothing where the C library isn't glibc.
    """
    library = _library("mallopt")
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Give what is free back to the system."""
    library = _library("malloc_trim")
    if library is not None:
        library.malloc_trim(0)


class Spare:
    """Watches what a run keeps, and gives freed memory back when it is too much."""

    def __init__(self) -> None:
        give_back()  # what an earlier run has left is no measure for this one
        self._start = _held()
        self._passed = self._widest = self._left = 0

    def passed(self, size: int) -> None:
        """A call site has returned so many bytes; what it had before may be free by now."""
        self._passed, self._widest = self._passed + size, max(self._widest, size)
        if self._passed > _STEP:
            self._passed = 0
            if _held() > max(self._start + max(_SPARE, _WIDEST * self._widest), self._left + _SPARE):
                give_back()
                self._left = _held()


def _held() -> int:
    """Bytes of this process in memory; 0 on another system than Linux, where none of this is done."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _library(function: str) -> Any:
    """The C library, if it has such a function."""
    with contextlib.suppress(OSError, TypeError):  # another system
        library = ctypes.CDLL(None)
        if hasattr(library, function):
            return library
    return None
