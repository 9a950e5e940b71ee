"""What the thread that compares tells the thread of a model, which stands at a call site and waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tracer.core.source import Patch, Value


class Abandoned(BaseException):
    """Unwinds the model's thread when nobody wants the rest of the run."""


@dataclass(frozen=True, slots=True)
class Go:
    """Command: go on, with these outputs where given."""

    outputs: tuple[Value, ...] | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Command: call the layer again on these inputs."""

    inputs: tuple[Value, ...]
    context: Mapping[str, str]
    inner: Mapping[str, tuple[Value, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Command: call the layer again on these inputs, changed for the time of this call."""

    mend: Patch
    inputs: tuple[Value, ...]
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Abandon:
    """Command: end the run here."""


Command: TypeAlias = Go | Again | Attempt | Abandon
