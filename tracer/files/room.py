"""Inputs are refused before they take memory that isn't there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tracer.core.memory import size_text
from tracer.errors import InputError
from tracer.system import room

# Values are drawn as float64, beside a copy, and become float32 then; a text is an object of its own.
_DRAWN, _TEXT = 24, 120
_SHARE: Final = 2  # a half is left for the models, which work on them
# Nothing that is measured or drawn is packed to less than a hundredth; what is, is empty, or a trap.
_GROWTH, _SLACK = 100, 1 << 29


def check_drawn(name: str, shape: Sequence[int], *, text: bool) -> None:
    """Refuse to draw an input that has no room.

    Raises:
        InputError: says what it would take.
    """
    need, free = math.prod(shape) * (_TEXT if text else _DRAWN), room.available()
    if need > free // _SHARE:
        raise InputError(
            f"input {name!r} of shape {tuple(shape)} takes {size_text(need)} to make, and {size_text(free)} of memory "
            "are free. Ask for fewer samples (--batch), or give smaller inputs (--inputs)."
        )


def check_growth(what: str, need: int, size: int) -> None:
    """Refuse to read arrays that so small a file can't be meant to hold.

    Args:
        what: how to call the file.
        need: bytes that its arrays take.
        size: bytes that it has.

    Raises:
        InputError: says what they would take.
    """
    if need > _GROWTH * size + _SLACK:
        raise InputError(
            f"inputs file {what!r} takes {size_text(need)} when it is read, and has {size_text(size)}. If that is "
            "meant, write it without compression: numpy.savez(file, name=array)."
        )


def check_claimed(what: str, need: int) -> None:
    """Refuse to read arrays that have no room.

    Raises:
        InputError: says what they would take.
    """
    free = room.available()
    if need > free // _SHARE:
        raise InputError(
            f"inputs file {what!r} takes {size_text(need)} when it is read, and {size_text(free)} of memory are free. "
            "Give fewer samples, or batches of them (--batch-size)."
        )
