"""One pass over two flat arrays, in cache-sized blocks: the sums, extremes and counts that a difference is made of.

A block is measured in float32 where neither side is more precise, in at least 512 partial sums that are then added in
float64.  A block whose squares leave float32's range, or that holds a NaN or an infinity, is measured again in float64.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tracer.core.source import Array

_Span: TypeAlias = tuple[int, int]
_Work: TypeAlias = type[np.float32] | type[np.float64]
_Buffers: TypeAlias = NDArray[np.uint8]  # four rows, each as large as a block of float64

_BLOCK: Final = 1 << 18  # elements: longer ones fall out of the cache, shorter ones cost more calls than arithmetic
_LANES: Final = (
    512  # partial sums of a block: wide enough to vectorize, narrow enough that float32 adds few squares into each
)
_DOT: Final = 8_192  # OpenBLAS starts threads above 10,000 elements, which then fight with ours: 1000 times slower
_PARALLEL: Final = 4 << 20  # bytes of one side: below it, starting threads costs more than it saves
_MAX_WORKERS: Final = 4  # memory bandwidth is used up by then
_SAFE_SINGLE: Final = (1e-25, 1e35)  # sums of squares in between lost nothing that matters to under- or overflow


@dataclass(frozen=True, slots=True)
class Totals:
    """What one block, or all of them together, say: sums over what is finite on both sides, extremes, counts."""

    ref_sq: float
    cand_sq: float
    dot: float
    diff_sq: float
    max_abs: float
    where: int  # flat index of max_abs
    max_ulp: float
    nonfinite_ref: int = 0
    nonfinite_cand: int = 0
    conflict: bool = False  # a NaN or infinity that the other side doesn't have at the same place

    def fits(self, low: float, high: float) -> bool:
        """Whether under- or overflow took nothing from the sums of squares."""
        squares_fit = low < self.ref_sq < high and low < self.cand_sq < high
        return squares_fit and (low < self.diff_sq < high or self.max_abs == 0.0)


@dataclass(frozen=True, slots=True)
class Squares:
    """Sums of squares, in float64.

    Attributes:
        channels: of the error, by channel.
        errors: of the error, by sample; empty where samples aren't told apart.
        references: of the reference, by sample; likewise.
    """

    channels: NDArray[np.float64]
    errors: NDArray[np.float64]
    references: NDArray[np.float64]


def measure(ref: Array, cand: Array, channel_count: int, samples: int = 0) -> tuple[Totals, Squares]:
    """All blocks together, and the squared error by channel and by sample.

    Args:
        ref: the reference, flat.
        cand: the candidate, flat.
        channel_count: elements of the last axis.
        samples: of the first axis, where they are to be told apart; else 0.
    """
    spans = _spans(ref.size, channel_count)
    workers = min(os.cpu_count() or 1, _MAX_WORKERS) if ref.nbytes > _PARALLEL else 1
    if workers == 1:
        return _measure_spans(ref, cand, spans, channel_count, samples)
    share = -(-len(spans) // workers)
    shares = [spans[i : i + share] for i in range(0, len(spans), share)]
    with ThreadPoolExecutor(len(shares)) as pool:  # NumPy's loops release the interpreter lock
        results = list(pool.map(lambda mine: _measure_spans(ref, cand, mine, channel_count, samples), shares))
    totals, squares = zip(*results, strict=True)
    return _merge(totals), _added(squares)


def _added(parts: Sequence[Squares]) -> Squares:
    return Squares(
        channels=np.sum([part.channels for part in parts], axis=0),
        errors=np.sum([part.errors for part in parts], axis=0),
        references=np.sum([part.references for part in parts], axis=0),
    )


def _spans(size: int, channel_count: int) -> list[_Span]:
    """Blocks that hold whole rows of channels, or lie within one row where a row is longer than a block."""
    if channel_count <= _BLOCK:
        step = _BLOCK // channel_count * channel_count
        return [(start, min(start + step, size)) for start in range(0, size, step)]
    rows = range(0, size, channel_count)
    return [(i, min(i + _BLOCK, row + channel_count)) for row in rows for i in range(row, row + channel_count, _BLOCK)]


def _measure_spans(
    ref: Array, cand: Array, spans: Sequence[_Span], channel_count: int, samples: int
) -> tuple[Totals, Squares]:
    single = _single(ref.dtype) and _single(cand.dtype)
    lanes = channel_count * max(1, _LANES // channel_count) if channel_count <= _BLOCK else _LANES
    squares, errors, references = np.zeros(channel_count), np.zeros(samples), np.zeros(samples)
    buffers = np.empty((4, min(_BLOCK, ref.size) * 8), np.uint8)
    parts = []
    with np.errstate(all="ignore"):  # overflow and NaN are looked for in the results
        for start, stop in spans:
            part, by_lane, gap = _block(ref[start:stop], cand[start:stop], lanes, single, buffers)
            parts.append(replace(part, where=start + part.where))
            if channel_count <= _BLOCK:
                squares += by_lane.reshape(-1, channel_count).sum(axis=0)
            else:
                column = start % channel_count
                squares[column : column + gap.size] += np.square(gap, dtype=np.float64)
            if samples:
                add_by_sample(gap, start, ref.size // samples, errors)
                add_by_sample(ref[start:stop], start, ref.size // samples, references)
    return _merge(parts), Squares(channels=squares, errors=errors, references=references)


def add_by_sample(block: Array, start: int, size: int, out: NDArray[np.float64]) -> None:
    """Add a block's squares, of what is finite in it, to the sums of the samples that it lies in.

    Args:
        block: a piece of a flat array.
        start: index of its first element there.
        size: elements of one sample.
        out: a sum for each sample.
    """
    number, offset = divmod(start, size)
    head = min(-offset % size, block.size)
    whole = (block.size - head) // size
    rows = block[head : head + whole * size].reshape(whole, size)
    if head:
        out[number] += _sum_of_squares(block[None, :head])[0]
        number += 1
    out[number : number + whole] += _sum_of_squares(rows)
    if head + rows.size < block.size:
        out[number + whole] += _sum_of_squares(block[None, head + rows.size :])[0]


def _sum_of_squares(rows: Array) -> NDArray[np.float64]:
    """Of each row; in float32 where all of it fits, as nearly always."""
    if _single(rows.dtype) and rows.dtype.itemsize == 4:
        found: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
        largest = float(found.max(initial=0.0))
        if _SAFE_SINGLE[0] < largest < _SAFE_SINGLE[1] or not rows.any():
            return found
    wide = rows.astype(np.float64)
    wide[~np.isfinite(wide)] = 0.0
    return np.asarray(np.einsum("ij,ij->i", wide, wide))


def _block(ref: Array, cand: Array, lanes: int, single: bool, buffers: _Buffers) -> tuple[Totals, Array, Array]:
    """One block, its squared error by lane, and its absolute differences."""
    if single:
        result = _sums(ref, cand, lanes, np.float32, buffers)
        if result[0].fits(*_SAFE_SINGLE):
            return result
    result = _sums(ref, cand, lanes, np.float64, buffers)
    if math.isfinite(result[0].ref_sq + result[0].cand_sq + result[0].diff_sq):
        return result
    return _sums_of_finite(ref, cand, lanes, buffers)


def _sums(ref: Array, cand: Array, lanes: int, work: _Work, buffers: _Buffers) -> tuple[Totals, Array, Array]:
    wide_ref, wide_cand = _wide(ref, work, buffers[0]), _wide(cand, work, buffers[1])
    gap = _gap(ref, cand, wide_ref, wide_cand, _buffer(buffers[2], ref.size, work))
    where = int(gap.argmax())
    by_lane = _squares_by_lane(gap, lanes)
    part = Totals(
        ref_sq=_dot(wide_ref, wide_ref),
        cand_sq=_dot(wide_cand, wide_cand),
        dot=_dot(wide_ref, wide_cand),
        diff_sq=float(by_lane.sum()),
        max_abs=float(gap[where]),
        where=where,
        max_ulp=_max_ulp(ref, cand, buffers),
    )
    return part, by_lane, gap


def _sums_of_finite(ref: Array, cand: Array, lanes: int, buffers: _Buffers) -> tuple[Totals, Array, Array]:
    """As `_sums`, over the elements that are finite on both sides; the others count as zeros."""
    finite_ref, finite_cand = finite(ref), finite(cand)
    dropped = ~(finite_ref & finite_cand)
    part, by_lane, gap = _sums(zeroed(ref, dropped), zeroed(cand, dropped), lanes, np.float64, buffers)
    found = replace(
        part,
        nonfinite_ref=int(np.count_nonzero(~finite_ref)),
        nonfinite_cand=int(np.count_nonzero(~finite_cand)),
        conflict=bool(conflicts(ref, cand).any()),
    )
    return found, by_lane, gap


def _buffer(buffer: NDArray[np.uint8], size: int, dtype: type[np.generic]) -> Array:
    return buffer[: size * np.dtype(dtype).itemsize].view(dtype)


def _wide(array: Array, work: _Work, buffer: NDArray[np.uint8]) -> Array:
    if array.dtype == work:
        return array
    out = _buffer(buffer, array.size, work)
    np.copyto(out, array, casting="unsafe")
    return out


def _gap(ref: Array, cand: Array, wide_ref: Array, wide_cand: Array, out: Array) -> Array:
    """Absolute differences, in the dtype that the block is measured in."""
    if ref.dtype == cand.dtype and ref.dtype.kind in "iu":
        # Large minus small, read as unsigned, is exact; in float64, neighbours beyond 2^53 would seem equal.
        steps = np.maximum(ref, cand) - np.minimum(ref, cand)
        np.copyto(out, steps.view(np.dtype(f"u{ref.dtype.itemsize}")), casting="unsafe")
        return out
    np.subtract(wide_cand, wide_ref, out=out)
    return np.abs(out, out=out)


def _squares_by_lane(gap: Array, lanes: int) -> NDArray[np.float64]:
    """Sums of squares of every `lanes`-th element."""
    whole = gap.size - gap.size % lanes
    rows = gap[:whole].reshape(-1, lanes)
    sums: NDArray[np.float64] = np.einsum("ij,ij->j", rows, rows).astype(np.float64)
    if whole < gap.size:
        sums[: gap.size - whole] += np.square(gap[whole:], dtype=np.float64)
    return sums


def _dot(left: Array, right: Array) -> float:
    """Scalar product, in pieces that are added in float64 and too short for BLAS to start threads of its own."""
    whole = left.size - left.size % _DOT
    pieces = left[:whole].reshape(-1, 1, _DOT) @ right[:whole].reshape(-1, _DOT, 1)
    return float(pieces.sum(dtype=np.float64)) + float(np.dot(left[whole:], right[whole:]))


def _max_ulp(ref: Array, cand: Array, buffers: _Buffers) -> float:
    """Largest count of floats between two values; -0 and 0 are one float."""
    ordered = ulp_type(ref.dtype)
    if ordered is None or ref.dtype != cand.dtype:
        return math.nan
    left, right = ref.view(ordered), cand.view(ordered)
    # Of one sign, floats are ordered as the integers with the same bits (backwards below 0: only the distance counts).
    steps = np.bitwise_xor(left, right, out=_buffer(buffers[3], ref.size, ordered))
    crossing = np.flatnonzero(steps < 0)
    np.subtract(left, right, out=steps)
    steps[crossing] = 0
    largest = max(int(steps.max()), -int(steps.min()))
    if crossing.size:  # of two signs, the way leads through 0: the magnitudes add up
        mask = np.iinfo(ordered).max
        ways = (left[crossing] & mask).astype(np.uint64) + (right[crossing] & mask).astype(np.uint64)
        largest = max(largest, int(ways.max()))
    return float(largest)


def _merge(parts: Sequence[Totals]) -> Totals:
    worst = max(parts, key=lambda part: part.max_abs)
    return Totals(
        ref_sq=sum(part.ref_sq for part in parts),
        cand_sq=sum(part.cand_sq for part in parts),
        dot=sum(part.dot for part in parts),
        diff_sq=sum(part.diff_sq for part in parts),
        max_abs=worst.max_abs,
        where=worst.where,
        max_ulp=max(part.max_ulp for part in parts),
        nonfinite_ref=sum(part.nonfinite_ref for part in parts),
        nonfinite_cand=sum(part.nonfinite_cand for part in parts),
        conflict=any(part.conflict for part in parts),
    )


def ulp_type(dtype: np.dtype[np.generic]) -> type[np.signedinteger[Any]] | None:
    """The integer as wide as a float, whose order is the order of the floats but for the sign."""
    widths: dict[str, type[np.signedinteger[Any]]] = {
        "float16": np.int16,
        "bfloat16": np.int16,
        "float32": np.int32,
        "float64": np.int64,
    }
    return widths.get(dtype.name)


def _single(dtype: np.dtype[np.generic]) -> bool:
    """Whether float32 holds every value of a dtype."""
    return (dtype.kind in "fV") and dtype.itemsize <= 4


@functools.lru_cache(maxsize=256)
def name_of(dtype: np.dtype[np.generic]) -> str:
    """NumPy's name of it, which NumPy puts together anew each time that it is asked."""
    return dtype.name


def finite(array: Array) -> NDArray[np.bool_]:
    """Which elements are neither NaN nor infinite."""
    name = name_of(array.dtype)
    if array.dtype.kind in "biu" or name.startswith(("int", "uint")):
        return np.ones(array.shape, np.bool_)
    exponent = {"float16": 0x7C00, "bfloat16": 0x7F80}.get(name)
    if exponent is not None and array.dtype.isnative:  # all bits of the exponent set; isfinite would convert each value
        below: NDArray[np.bool_] = (array.view(np.int16) & exponent) != exponent
        return below
    return np.isfinite(array)


def zeroed(array: Array, dropped: NDArray[np.bool_]) -> Array:
    """A copy with some elements set to 0."""
    kept = array.copy()
    kept[dropped] = 0
    return kept


def conflicts(ref: Array, cand: Array) -> NDArray[np.bool_]:
    """Where one side has a NaN or an infinity that the other doesn't have."""
    left, right = (x.astype(np.float32) if x.dtype.kind == "V" else x for x in (ref, cand))
    agree: NDArray[np.bool_] = (finite(left) & finite(right)) | (left == right) | ((left != left) & (right != right))
    return ~agree
