"""While a file is loaded, its layers may not make more weights than the file can hold."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import threading
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

import keras

from tracer.core.memory import size_text
from tracer.errors import ModelError
from tracer.files import hdf5
from tracer.system import room

_WIDTH = 4  # bytes of a float32; a narrower one is made as wide as that first


def room_for(path: Path) -> int:
    """Bytes that the weights of a file may take: what it can hold, and for a configuration alone what there is."""
    if path.suffix.lower() == ".json":
        return room.available() // 2
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return hdf5.GROWTH * sum(file.stat().st_size for file in files) + hdf5.SLACK


@contextlib.contextmanager
def bounded(limit: float) -> Iterator[None]:
    """Within it, a layer of this thread that asks for weights beyond the limit gets an error instead of memory.

    Args:
        limit: bytes of all weights together.

    Raises:
        ModelError: from within, before the memory is taken.
    """
    original, thread, taken = keras.layers.Layer.add_weight, threading.get_ident(), 0
    # Of the arguments by position: Keras 2 has the name in front.
    first = list(inspect.signature(original).parameters).index("shape") - 1

    @functools.wraps(original)
    def add_weight(self: keras.layers.Layer, *args: object, **options: object) -> keras.Variable:
        nonlocal taken
        if threading.get_ident() == thread:
            taken += _size(options["shape"] if "shape" in options else next(iter(args[first:]), None))
            if taken > limit:
                raise ModelError(
                    f"layer {self.name!r} brings the weights to {size_text(taken)}, where the file can hold "
                    f"{size_text(int(limit))} at most. If it is right, add --trust."
                )
        return original(self, *args, **options)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = original


def _size(shape: object) -> int:
    """Bytes of one weight; what is no shape is left to Keras, which says so."""
    # In Keras 2 also a `TensorShape`, which is no sequence.
    sides = shape if isinstance(shape, Iterable) and isinstance(shape, Sized) else (shape,)
    return math.prod(side for side in sides if isinstance(side, int)) * _WIDTH
