"""What counts as many batches, and the inputs in each of them, as Keras' `fit` and `predict` take them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from tracer.core.feed import Feed
from tracer.core.source import Arrays
from tracer.core.structure import count_samples
from tracer.errors import InputError

_ONE: Final = (str, bytes, bytearray, memoryview, array, Mapping, list, tuple, set, frozenset)  # one batch, or none
_ENDLESS: Final = "the inputs go on for ever, and every batch is compared: end them, as `dataset.take(100)` does."
_UNCUT: Final = "--batch-size (batch_size=) cuts inputs into batches, and these aren't samples that could be counted."


def is_many(inputs: object) -> bool:
    """Whether inputs are batches, one after the other: a generator, a `tf.data.Dataset`, a `DataLoader`, a `PyDataset`.

    Whatever can be read as one array, such as a data frame, is one batch; so are lists and dictionaries.
    """
    if isinstance(inputs, _ONE) or any(hasattr(inputs, name) for name in ("__array__", "__array_interface__", "shape")):
        return False
    return isinstance(inputs, Iterable) or _is_numbered(inputs)


def _is_numbered(inputs: object) -> bool:
    """Whether it is Keras' own kind of data set: its batches are counted, and it need not say where it ends."""
    return any(base.__name__ == "PyDataset" for base in type(inputs).__mro__)


def batches_of(inputs: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The inputs of every batch, and what was done to get them, a sentence each.

    A tuple is (inputs, labels, sample weights), as it is for `fit`; so is the list that a `DataLoader` gives.

    Raises:
        InputError: if there is no end of them.
    """
    is_torch = type(inputs).__module__.partition(".")[0] == "torch"
    for batch in _number(inputs) if _is_numbered(inputs) else _ending(inputs):
        if isinstance(batch, tuple) or (is_torch and isinstance(batch, list)):
            yield batch[0], ("of each batch, the inputs alone were used, not the labels.",) if len(batch) > 1 else ()
        else:
            yield batch, ()


def _number(inputs: Any) -> Iterator[Any]:
    count = getattr(inputs, "num_batches", None) if hasattr(inputs, "num_batches") else len(inputs)
    if count is None or math.isinf(count):
        raise InputError(_ENDLESS)
    return (inputs[number] for number in range(int(count)))


def _ending(inputs: Any) -> Iterator[Any]:
    """The batches of whatever can be iterated over; a `tf.data.Dataset` says whether it ends."""
    cardinality = getattr(inputs, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise InputError(_ENDLESS)
    return iter(inputs)


def cut(feed: Feed, size: int) -> Iterator[Feed]:
    """Inputs in batches of at most so many samples, as views; the last one has what is left.

    Raises:
        InputError: if the inputs don't all have the same number of samples.
    """
    samples = count_samples(feed.arrays)
    if not samples:
        raise InputError(_UNCUT)
    for start in range(0, samples, size):
        part = _rows(feed.arrays, start, start + size)
        shapes = {name: (min(size, samples - start), *shape[1:]) for name, shape in feed.told.shapes.items()}
        told = replace(feed.told, samples=min(size, samples - start), shapes=shapes)
        yield Feed(arrays=part, told=told)


def _rows(arrays: Any, start: int, stop: int) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: _rows(item, start, stop) for name, item in arrays.items()}
    if isinstance(arrays, (list, tuple)):
        return type(arrays)([_rows(item, start, stop) for item in arrays])
    rows: Arrays = arrays[start:stop]
    return rows
