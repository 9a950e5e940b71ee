"""Where in a picture two activations differ: their mean absolute difference, field by field of a coarse grid."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tracer.core.numbers.histogram import is_real
from tracer.core.source import Array
from tracer.records import ErrorMap

FIELDS: Final = 32  # along each axis, at most: enough to see a border or a corner
_DIGITS: Final = 3


def error_map(reference: Array, candidate: Array, most: int = FIELDS) -> ErrorMap | None:
    """The mean absolute difference over the second and the third axis of four, or None where there is no such picture.

    One pass over both arrays, in pieces of one row of fields each: for layers at fault, of which there are few.

    Args:
        reference: of shape (samples, height, width, channels); where the channels come first, the picture is one of
            channels and height.
        candidate: of the same shape.
        most: fields along each axis.
    """
    shape = reference.shape
    if len(shape) != 4 or candidate.shape != shape or 0 in shape or max(shape[1:3]) == 1:
        return None
    if not (is_real(reference) and is_real(candidate)):
        return None
    rows, columns = (_starts(size, most) for size in shape[1:3])
    ends = [*rows[1:], shape[1]]
    fields = tuple(
        tuple(map(_round, _means(reference[:, top:end], candidate[:, top:end], columns)))
        for top, end in zip(rows, ends, strict=True)
    )
    differs = any(value > 0 for row in fields for value in row)
    return ErrorMap(height=shape[1], width=shape[2], fields=fields) if differs else None


def _starts(size: int, most: int) -> list[int]:
    """Where each field begins; they are equally long, but for one position."""
    count = min(size, most)
    return [size * number // count for number in range(count)]


def _means(reference: Array, candidate: Array, columns: list[int]) -> NDArray[np.float64]:
    """Of each field of one row; NaN where nothing in it is finite on both sides."""
    work = np.float32 if max(reference.dtype.itemsize, candidate.dtype.itemsize) < 4 else np.float64
    if reference.dtype == candidate.dtype == np.float32:
        work = np.float32
    with np.errstate(all="ignore"):  # an overflow is left out as what isn't finite
        gaps = np.abs(candidate.astype(work, copy=False) - reference.astype(work, copy=False))
        sums = gaps.sum(axis=(0, 1, 3), dtype=np.float64)
        counts = np.full(len(sums), gaps.size / len(sums))
        if not np.isfinite(sums).all():
            finite = np.isfinite(gaps)
            gaps[~finite] = 0
            sums, counts = gaps.sum(axis=(0, 1, 3), dtype=np.float64), finite.sum(axis=(0, 1, 3)).astype(np.float64)
        means: NDArray[np.float64] = np.add.reduceat(sums, columns) / np.add.reduceat(counts, columns)
    return means


def _round(value: float) -> float:
    """For a picture and a file that stays small."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else math.nan
