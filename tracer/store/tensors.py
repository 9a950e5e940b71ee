"""Whole activations on disk: one safetensors file a model, written as they come, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import numpy as np

from tracer.core.source import Array
from tracer.errors import TracerError
from tracer.system.leftovers import written_whole

# What an activation is kept as, by the dtype of its float32 run: safetensors' name, NumPy's.
_KEPT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        **dict.fromkeys(("float16", "bfloat16", "float32"), ("F32", "<f4")),
        "float64": ("F64", "<f8"),
        "bool": ("BOOL", "|b1"),
        **{f"int{bits}": (f"I{bits}", f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
        **{f"uint{bits}": (f"U{bits}", f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    }
)


def can_hold(dtype: str) -> bool:
    """Whether activations of this dtype can be written: numbers can, text can't."""
    return dtype in _KEPT


class TensorsFile:
    """A file that is written while a model runs: all shapes are known before, so nothing is kept in memory.

    Use it as a context manager; leaving it with an error, or before every tensor was added, leaves nothing behind.

    Args:
        path: of the file.
        tensors: (name, dtype, shape) in the order in which they will be added; half precision becomes float32.
        about: text for the file's metadata.

    Raises:
        TracerError: if it can't be written; what was there before is untouched.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        tensors: Sequence[tuple[str, str, tuple[int, ...]]],
        about: Mapping[str, str],
    ) -> None:
        self._target = Path(path)
        self._expected = list(reversed(tensors))
        self._header = _header(tensors, about)

    def __enter__(self) -> Self:
        with self._said(), contextlib.ExitStack() as open_files:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open_files.enter_context(written_whole(self._target))
            self._stream.write(len(self._header).to_bytes(8, "little") + self._header)
            self._open_files = open_files.pop_all()
        return self

    def add(self, name: str, array: Array) -> None:
        """Write the next tensor.

        Raises:
            ValueError: if another one is due.
        """
        due, dtype, shape = self._expected.pop() if self._expected else ("nothing", "float32", ())
        if (name, array.shape) != (due, shape):
            raise ValueError(f"{name} {array.shape} came where {due} {shape} was announced.")
        with self._said():
            self._stream.write(np.ascontiguousarray(array, _KEPT[dtype][1]).reshape(-1).view(np.uint8).data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._expected:
            missing = ValueError(f"{len(self._expected)} tensors were announced and not written.")
            self._open_files.__exit__(ValueError, missing, None)
            raise missing
        with self._said():
            self._open_files.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise TracerError(
                f"can't write the activations to {self._target}: {reason}. Give another place."
            ) from error


def _header(tensors: Sequence[tuple[str, str, tuple[int, ...]]], about: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(about)}
    start = 0
    for name, dtype, shape in tensors:
        word, numpy = _KEPT[dtype]
        end = start + math.prod(shape) * np.dtype(numpy).itemsize
        entries[name] = {"dtype": word, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)  # what follows is aligned
