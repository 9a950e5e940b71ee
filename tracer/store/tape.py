"""One run of a model on disk: what it said call by call, to be said again when the model itself is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from tracer.core.source import Array, Call, End, Value
from tracer.core.transport import wire
from tracer.core.transport.shared_memory import Sent


class _Pile:
    """A file of arrays: each is put behind those before it, and taken from its place as often as it is asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = 0

    def put(self, arrays: Sequence[Array]) -> list[list[int]]:
        """Writes the arrays' bytes; offset and size of each."""
        places = []
        for array in arrays:
            self._stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            places.append([self._end, array.nbytes])
            self._end += array.nbytes
        return places

    def take(self, start: int, size: int) -> Array:
        """The bytes at a place.

        Raises:
            ValueError: if there aren't so many.
        """
        self._stream.seek(start)
        data = bytearray(size)
        if self._stream.readinto(data) != size:  # type: ignore[attr-defined]
            raise ValueError(f"{size} bytes at {start} of a file that ends before")
        return np.frombuffer(data, np.uint8)


class Tape:
    """The calls of one run and its end, in order; a tensor that one layer hands to the next is there once.

    Args:
        folder: an own one, which whoever made it removes.
    """

    def __init__(self, folder: Path) -> None:
        self._messages, self._numbers = folder / "messages", folder / "numbers"

    def record(self, said: Iterable[Call | End]) -> None:
        """Write down what a source says.

        Raises:
            OSError: if it can't be written.
        """
        with self._messages.open("wb") as messages, self._numbers.open("wb") as numbers:
            link = wire.Link(_Pile(numbers), Sent(id))
            for message in said:
                wire.send(messages, _with_identity(message), link)

    def play(self) -> Iterator[Call | End]:
        """What was written down, from its beginning.

        Raises:
            WorkerError: if it is damaged.
            OSError: if it can't be read.
        """
        with self._messages.open("rb") as messages, self._numbers.open("rb") as numbers:
            link = wire.Link(_Pile(numbers))
            while True:
                message = wire.receive(messages, link)
                yield message
                if isinstance(message, End):
                    return


def _with_identity(message: Call | End) -> Call | End:
    """A tensor from a worker is known by the array that was received for it."""
    if isinstance(message, End):
        return replace(message, outputs=tuple(map(_known, message.outputs)))
    return replace(message, inputs=tuple(map(_known, message.inputs)), outputs=tuple(map(_known, message.outputs)))


def _known(value: Value) -> Value:
    return replace(value, native=value.array) if value.native is None else value


class Variables:
    """The values of a model's variables on disk, to be read in pieces.

    Args:
        folder: an own one, which whoever made it removes.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "variables"
        self._places: dict[tuple[str, int], tuple[int, np.dtype[np.generic]]] = {}

    def record(self, values: Iterable[tuple[str, int, Array]]) -> None:
        """Write down variables, in pieces of which those of one follow each other: layer path, position, elements.

        Raises:
            OSError: if it can't be written.
        """
        end = 0
        with self._file.open("wb") as stream:
            for path, position, piece in values:
                self._places.setdefault((path, position), (end, piece.dtype))
                stream.write(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
                end += piece.nbytes

    def read(self, path: str, position: int, start: int, stop: int) -> Array:
        """Some elements of a variable, flat.

        Raises:
            OSError: if it can't be read.
        """
        offset, dtype = self._places[path, position]
        with self._file.open("rb") as stream:
            stream.seek(offset + start * dtype.itemsize)
            return np.frombuffer(stream.read((stop - start) * dtype.itemsize), dtype)
