"""What a `.npy` or `.npz` file claims to hold, by its headers alone."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np

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
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"{name} has fields by name; give plain arrays")
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if any(side < 0 for side in shape):
        raise ValueError(f"{name} claims the shape {shape}")
    need = math.prod(shape) * dtype.itemsize
    if need > size:
        raise ValueError(f"{name} claims {need} bytes and holds {size}")
    return need
