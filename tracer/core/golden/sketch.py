"""A random-sign sketch: 257 sums of an activation's values, from which the distance of two activations is estimated.

Every value is added, with a pseudo-random sign, to one of 257 sums.  The sketch is linear, so the norm of the
difference of two sketches estimates the norm of the difference of the two arrays, without either array: the squared
estimate is unbiased, with a standard deviation of about √(2 / 257) of the squared norm: ±5 % of the norm at one sigma.
Source: Charikar, Chen, Farach-Colton, "Finding frequent items in data streams" (2002), the AMS sketch in buckets.

Signs are defined by integer arithmetic alone, so they are the same in every NumPy, on every platform:

    values    x0 x1 … x256 | x257 …     rows of 257, four rows to a group, 64 groups to a chunk
    sign      a bit of a table that repeats with every chunk, times a bit for every group and sum that never repeats
    sum       the place in the row, shifted by a fixed number for every group: so no number of channels, not even a
              multiple of 257, sends a single channel into a single sum
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

SUMS: Final = 257  # a prime: no usual number of channels divides it
_ROWS: Final = 4  # rows of a group
_GROUPS: Final = 64  # groups of a chunk
CHUNK: Final = _GROUPS * _ROWS * SUMS  # values; half a MB in float64, which stays in a core's cache
_TABLE_SEED: Final = 0x9E3779B97F4A7C15
_GROUP_SEED: Final = 0xD1B54A32D192ED03
_SHIFT_SEED: Final = 0x8CB92BA72F3D8DD7
_CACHED: Final = 16  # chunks whose signs of the second kind are made, and kept, at once
_WORDS: Final = 5  # 64-bit words that hold 257 bits

Floats = NDArray[np.float64]


def sketch(values: ArrayLike) -> Floats:
    """The 257 sums of an array, in float64, in the order of its elements in C order.

    The shape doesn't matter, only the order.  Values that aren't finite make the sums that they fall into not finite.

    Args:
        values: real numbers or booleans, any shape.

    Returns:
        Shape (257,), in the units of the values; the same on every platform to about 1e-15 of the array's norm.
    """
    sums = Sums()
    for chunk in chunks(values):
        sums.add(chunk)
    return sums.total()


def estimate(reference: Floats, candidate: Floats) -> float:
    """Estimated L2 distance of two arrays from their sketches; inf where a sketch isn't finite."""
    gap = float(np.linalg.norm(candidate - reference))
    return gap if np.isfinite(gap) else float("inf")


def chunks(values: ArrayLike) -> Iterator[Floats]:
    """The values in float64, `CHUNK` at a time; the chunk is overwritten by the next one."""
    array = np.asarray(values)
    flat = array.reshape(-1) if array.flags.c_contiguous else np.ascontiguousarray(array).reshape(-1)
    scratch = np.empty(min(CHUNK, flat.size))
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        if part.dtype == np.float64:
            yield part
        else:
            np.copyto(scratch[: part.size], part, casting="unsafe")
            yield scratch[: part.size]


class Sums:
    """Adds up chunk after chunk.

    A chunk's groups are moved on by one place from chunk to chunk, so they are added side by side first, and sent to
    the 257 sums, each by a shift of its own, once in `_CACHED` chunks: that way is the longer one.
    """

    def __init__(self) -> None:
        self._total = np.zeros(SUMS)
        self._added = np.zeros((_GROUPS, SUMS + _CACHED - 1))
        self._chunks = 0

    def add(self, chunk: Floats) -> None:
        """The next chunk; all but the last one have `CHUNK` values."""
        filled = -(-chunk.size // (_ROWS * SUMS))
        if chunk.size < filled * _ROWS * SUMS:
            padded = np.zeros(filled * _ROWS * SUMS)
            padded[: chunk.size] = chunk
            chunk = padded
        sums = np.einsum("gbj,gbj->gj", chunk.reshape(filled, _ROWS, SUMS), _table()[:filled])
        period, place = divmod(self._chunks, _CACHED)
        sums *= _group_signs(period)[place, :filled]
        self._added[:filled, place : place + SUMS] += sums
        self._chunks += 1
        if place == _CACHED - 1:
            self._send(period)

    def total(self) -> Floats:
        """The 257 sums of all chunks so far; ends the adding."""
        period, place = divmod(self._chunks, _CACHED)
        if place:
            self._send(period)
        return self._total

    def _send(self, period: int) -> None:
        sent = np.bincount(_places(), weights=self._added.ravel(), minlength=SUMS)
        self._total += np.roll(sent, period * _CACHED)
        self._added[:] = 0.0


@functools.cache
def _places() -> NDArray[np.intp]:
    """The sum that each value of (groups, 257 and some) goes to: every group is shifted by a number of its own."""
    shifts = _mixed(np.arange(_GROUPS, dtype=np.uint64), _SHIFT_SEED) % np.uint64(SUMS)
    return ((shifts[:, None].astype(np.intp) + np.arange(SUMS + _CACHED - 1)) % SUMS).ravel()


@functools.cache
def _table() -> Floats:
    """The fixed signs, (groups, rows, 257)."""
    counters = np.arange(_GROUPS * _ROWS * _WORDS, dtype=np.uint64)
    return _signs(counters, _TABLE_SEED).reshape(_GROUPS, _ROWS, SUMS).astype(np.float64)


@functools.lru_cache(maxsize=256)
def _group_signs(period: int) -> NDArray[np.int8]:
    """Signs of the groups of `_CACHED` chunks, (chunk, group, 257); a small table, because it is kept."""
    size = _CACHED * _GROUPS * _WORDS
    counters = np.uint64(period * size) + np.arange(size, dtype=np.uint64)
    return _signs(counters, _GROUP_SEED).reshape(_CACHED, _GROUPS, SUMS)


def _signs(counters: NDArray[np.uint64], seed: int) -> NDArray[np.int8]:
    """Rows of 257 signs, one for every five counters."""
    words = _mixed(counters, seed).astype("<u8").view(np.uint8).reshape(-1, 8 * _WORDS)
    bits = np.unpackbits(words, axis=1, bitorder="little")[:, :SUMS]
    return (1 - 2 * bits.astype(np.int8)).astype(np.int8)


def _mixed(counters: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """64 bits for every counter that look random, and are the same for good.

    Source: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    z = counters * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
