"""What two processes on one machine share besides a pipe: memory for a message's arrays, and which tensors were sent.

The memory has no name: it belongs to a file descriptor that the worker inherits, so that nothing can be left behind,
however either of the two ends.  Each direction has its own; a message is copied out of it before it is answered.

     worker   layer's outputs ──▶ memory ──▶ copy   this process      (numbers, not through the pipe)
     worker   layer's inputs  ──▶ "again 17" ─────▶ this process      (an earlier output, still the same tensor)
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np

from tracer.core.source import Array, Value

_ALIGNED = 64
_LEAST = 1 << 20


class Arena:
    """Shared memory behind a file descriptor; the writer lets it grow."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory: mmap.mmap | None = None
        self._view: Array = np.empty(0, np.uint8)

    def put(self, arrays: Sequence[Array]) -> list[list[int]]:
        """Writes the arrays' bytes; offset and size of each."""
        ends = np.cumsum([-(-array.nbytes // _ALIGNED) * _ALIGNED for array in arrays], dtype=np.int64).tolist()
        if ends and ends[-1] > self._view.size:
            size = max(_LEAST, 1 << (ends[-1] - 1).bit_length())
            os.ftruncate(self._descriptor, size)
            self._map(size)
        places = [[start, array.nbytes] for start, array in zip([0, *ends], arrays, strict=False)]
        for (start, size), array in zip(places, arrays, strict=True):
            room = self._view[start : start + size].view(array.dtype).reshape(array.shape)
            np.copyto(room, array)
        return places

    def take(self, start: int, size: int) -> Array:
        """A copy of some bytes.

        Raises:
            ValueError: if there aren't so many.
        """
        if start + size > self._view.size:
            self._map(os.fstat(self._descriptor).st_size)
        if start < 0 or size < 0 or start + size > self._view.size:
            raise ValueError(f"{size} bytes at {start} of {self._view.size}")
        return self._view[start : start + size].copy()

    def _map(self, size: int) -> None:
        self._view = np.empty(0, np.uint8)  # lets go of the old mapping
        if self._memory is not None:
            self._memory.close()
        self._memory = mmap.mmap(self._descriptor, size)
        self._view = np.frombuffer(self._memory, np.uint8)


class Sent:
    """The sender's side: tensors that the other end has.

    Args:
        token: what is equal for the same tensor with the same numbers, or None where that can't be told.
    """

    def __init__(self, token: Callable[[object], Hashable | None]) -> None:
        self._token = token
        self._numbers: dict[Hashable, int] = {}
        self._alive: dict[int, weakref.ref[object]] = {}
        self._gone: list[int] = []
        self._next = 0

    def again(self, value: Value) -> int | None:
        """The number under which the other end has a value."""
        token = self._token(value.native) if _is_numbers_alone(value) else None
        return None if token is None else self._numbers.get(token)

    def first(self, value: Value) -> int | None:
        """A number for a value that is sent; None where it isn't worth keeping."""
        token = self._token(value.native) if _is_numbers_alone(value) else None
        if token is None:
            return None
        number = self._next

        def gone(_: object) -> None:
            self._numbers.pop(token, None)
            self._alive.pop(number, None)
            self._gone.append(number)

        try:
            self._alive[number] = weakref.ref(value.native, gone)
        except TypeError:  # a tensor whose end can't be told
            return None
        self._numbers[token] = number
        self._next += 1
        return number

    def gone(self) -> list[int]:
        """Numbers of tensors that are no more, each told once."""
        told, self._gone = self._gone, []
        return told


def _is_numbers_alone(value: Value) -> bool:
    """Whether a live tensor says all of a value: nothing else comes with it that another call might not have."""
    return value.native is not None and value.mask is None and not value.sparse and not value.bypassed


class Kept:
    """The receiver's side: values that the sender will refer to."""

    def __init__(self) -> None:
        self._values: dict[int, Value] = {}

    def keep(self, number: int, value: Value) -> Value:
        """Remember a value."""
        self._values[number] = value
        return value

    def again(self, number: int, name: str) -> Value:
        """One that was received before, as the argument of that name."""
        return replace(self._values[number], name=name)

    def forget(self, numbers: Sequence[int]) -> None:
        """Let go of those that the sender has no more."""
        for number in numbers:
            self._values.pop(number, None)

    def __len__(self) -> int:
        return len(self._values)
