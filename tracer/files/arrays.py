"""What a `.npy` or `.npz` file claims to hold, by its headers alone, and its samples, so many at a time."""

from __future__ import annotations

import contextlib
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np

from tracer.core.source import Array

# What NumPy raises for a header that isn't one: it is a Python literal, read by Python's own parser.
DAMAGE: Final = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_MAGIC: Final = b"\x93NUMPY"


def claimed(path: Path) -> int:
    """Bytes that all arrays of a file take in memory.

    Raises:
        ValueError: if one claims more than the file holds, or isn't an array of numbers or texts.
        Exception: one of `DAMAGE`, if a header can't be read.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            file.seek(0)
            return _of_array(file, path.stat().st_size, path.name)
    with zipfile.ZipFile(path) as archive:
        total = 0
        for member in archive.infolist():
            with archive.open(member) as file:
                total += _of_array(cast(BinaryIO, file), member.file_size, member.filename)
        return total


def _of_array(file: BinaryIO, size: int, name: str) -> int:
    shape, _, dtype = _header(file, name)
    need, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if need > held:
        raise ValueError(f"{name} claims {need} bytes and holds {held}")
    return need


def _header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is in Fortran's order, and dtype of an array whose numbers come next in the file."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"{name} has fields by name; give plain arrays")
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if any(side < 0 for side in shape):
        raise ValueError(f"{name} claims the shape {shape}")
    return shape, is_fortran, dtype


def unnamed(arrays: Mapping[str, Any]) -> Any:
    """The arrays of a file without the names that NumPy gave them, or that say nothing."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    numbered = [f"arr_{i}" for i in range(len(arrays))]
    return [arrays[name] for name in numbered] if set(arrays) == set(numbered) else arrays


# --- so many samples at a time


def samples_in(path: Path, size: int) -> Iterator[Any]:
    """The arrays of a file in batches of at most so many samples; what isn't read yet takes no memory.

    Args:
        path: of a `.npy` or `.npz` file.
        size: samples in a batch; the last one has what is left.

    Yields:
        An array, or several, by name where they have names; see `unnamed`.

    Raises:
        ValueError: see `claimed`; if the arrays don't all have the same number of samples.
        Exception: one of `DAMAGE`, if the file can't be read.
    """
    with contextlib.ExitStack() as stack:
        rows = _open(path, stack)
        counts = {name: each.count for name, each in rows.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"inputs have different numbers of samples: {listed}. Give each the same number")
        left = min(counts.values(), default=0)
        while left > 0:
            taken = {name: each.take(min(size, left)) for name, each in rows.items()}
            left -= size
            yield unnamed(taken)


def _open(path: Path, stack: contextlib.ExitStack) -> dict[str, _Rows]:
    """The arrays of a file by name, that of a `.npy` by none, each to be read from its beginning."""
    file = stack.enter_context(path.open("rb"))
    if file.read(len(_MAGIC)) == _MAGIC:
        file.seek(0)
        return {"": _Rows(file, path.name)}
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [stack.enter_context(archive.open(name)) for name in archive.namelist()]
    names = [member.name.removesuffix(".npy") for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"it holds two arrays of one name; give each name once: {', '.join(names)}")
    return {name: _Rows(cast(BinaryIO, member), name) for name, member in zip(names, members, strict=True)}


class _Rows:
    """The samples of an array in a file, one after the other."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        shape, is_fortran, self._dtype = _header(file, name)
        if not shape:
            raise ValueError(f"{name} is a single value, which can't be cut into batches")
        self._file, self._name, self.count, self._shape = file, name, shape[0], shape[1:]
        # Its samples don't lie one behind the other: it has to be read as a whole.
        self._whole = self._read(shape[0]).reshape(shape[::-1]).T if is_fortran else None
        self._at = 0

    def take(self, count: int) -> Array:
        """The next samples."""
        self._at += count
        if self._whole is not None:
            return self._whole[self._at - count : self._at]
        return self._read(count)

    def _read(self, count: int) -> Array:
        data = self._file.read(count * math.prod(self._shape) * self._dtype.itemsize)
        found: Array = np.frombuffer(data, self._dtype).reshape(count, *self._shape).copy()
        return found
