"""How much memory a run needs, from what is alive when; and sizes as text.

Memory means: what the processes that run the models take beside the loaded models, at the worst moment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tracer.errors import SpecError

# While a layer computes: a convolution unfolds its input, a batch normalization and an activation make an intermediate.
_WORK: Final = 1.0  # times its outputs
# A backend's own buffers and compiled kernels, and the blocks that two tensors are compared in.
FIXED: Final = 64 << 20
_UNITS: Final = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call, in execution order.

    Attributes:
        takes: keys of the tensors that it is given.
        gives: bytes of the tensors that it returns, by key.
        inside: bytes that a graph inside needs at its worst, its outputs included; 0 for a layer without one.
    """

    takes: tuple[int, ...]
    gives: Mapping[int, int]
    inside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What one run of a model needs, in bytes.

    Attributes:
        peak: tensors alive at the worst moment, and what the layer that runs then works with.
        widest: of the outputs of the widest call.
        complete: False where layers run code of their own, whose tensors can't be foreseen: then it is a lower bound.
    """

    peak: int
    widest: int
    complete: bool = True


def footprint(steps: Sequence[Step], inputs: Mapping[int, int], outputs: Iterable[int], *, complete: bool) -> Footprint:
    """Of a run that drops each tensor after its last use.

    Args:
        steps: the calls.
        inputs: bytes of the tensors that are there at the start, by key.
        outputs: keys of the tensors that are wanted in the end.
        complete: see `Footprint`.
    """
    uses = Counter(key for step in steps for key in step.takes)
    uses.update(outputs)
    alive = dict(inputs)
    peak = widest = 0
    for step in steps:
        given = sum(step.gives.values())
        works = max(step.inside, round((1 + _WORK) * given))
        peak, widest = max(peak, sum(alive.values()) + works), max(widest, given)
        alive.update(step.gives)
        uses.subtract(step.takes)
        for key in (*step.takes, *step.gives):
            if uses[key] <= 0:
                alive.pop(key, None)
    return Footprint(peak=max(peak, sum(alive.values())), widest=widest, complete=complete)


def needed(*sides: Footprint) -> int:
    """Bytes for one side; or for two in lock-step: the widest layer is called again, and one side is a call ahead."""
    together = round((2 + _WORK) * max(side.widest for side in sides)) if len(sides) > 1 else 0
    return sum(side.peak for side in sides) + together + FIXED


def parse_size(text: str) -> int:
    """Bytes, from `450MB`, `2GB`, `1.5GiB` or a plain number.

    Raises:
        SpecError: if it is none, or nothing.
    """
    match = _SIZE.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise SpecError(f"{text!r} is no size: give one as 450MB, 2GB or 1.5GiB.")
    number, unit, binary = match.groups()
    power = " KMGT".index(unit.upper() or " ")
    return round(float(number) * float((1024 if binary else 1000) ** power))


def size_text(count: float) -> str:
    """Bytes in words, which `parse_size` reads back, rounded up to three digits."""
    unit, size = next(((unit, size) for unit, size in _UNITS if count >= size), ("KB", 1000))
    value = count / size
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{-(-value * 10**digits // 1) / 10**digits:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text}{unit}"
