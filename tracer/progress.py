"""How long work says how far it is: `progress(phase, done, total)`, total 0 where nobody knows."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def under(progress: Progress, name: str) -> Progress:
    """The same for a part of the work: its phases are called `NAME, PHASE`."""
    return lambda phase, done, total: progress(f"{name}, {phase}", done, total)


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody is told of."""
