"""The exception tree: everything this package raises on purpose is a `TracerError`.

A mismatch between two models is a value (`tracer.Report`), not an exception; only a door turns it into one.
"""

from __future__ import annotations

from typing import Generic, TypeVar

_Report = TypeVar("_Report")  # `tracer.Report`, which knows this module and isn't known here


def printable(text: str) -> str:
    """A name or value in one line, whatever it holds: nothing in it breaks the line or moves a cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class TracerError(Exception):
    """Something kept the comparison from being made: the message names the place, what was received, what to do."""

    def __str__(self) -> str:
        """The message; what came from a file into it can't move a cursor or ring a bell."""
        return "\n".join(map(printable, super().__str__().split("\n")))


class SpecError(TracerError):
    """A model specification can't be understood, or names nothing that exists."""


class ModelError(TracerError):
    """A model can't be loaded, built, saved or run."""


class TrustError(ModelError):
    """A model file could run code, read other files or take all memory, and nobody said that it is trusted."""


class InputError(TracerError):
    """The inputs don't fit the model: name, shape, dtype or file."""


class MemoryLimitError(TracerError):
    """A run needs more memory than `--memory-limit` allows."""


class FixtureError(TracerError):
    """A fixture or a saved report can't be read, or belongs to something else."""


class WorkerError(TracerError):
    """An isolated environment can't be made, or the worker in it failed."""


class DivergenceError(AssertionError, Generic[_Report]):
    """Two sides differ. Carries the report that says where and why.

    Attributes:
        report: the `tracer.Report` that was asked to raise.
    """

    def __init__(self, message: str, report: _Report) -> None:
        super().__init__(message)
        self.report = report
