"""How far one array is from another: equal bytes first, then sums over blocks, then what they say.

Squares that leave float64's range are rescaled, so that the relative error is never NaN, and 0 only for equal values.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracer.core.numbers.blocks import Totals, conflicts, finite, measure, ulp_type, zeroed
from tracer.core.numbers.samples import worst_sample
from tracer.core.source import Array
from tracer.records import Difference, Scalar

_EQUAL_BLOCK: Final = 1 << 20  # bytes: larger blocks notice a difference later, smaller ones cost more calls
_TOP_CHANNELS: Final = 8
_SAFE_SQUARES: Final = (1e-250, 1e250)  # sums of squares in between lost nothing that matters to under- or overflow
_COUNT_BLOCK: Final = 1 << 18  # elements
_LITTLE: Final = 1 << 12  # bytes that are copied faster than they are looked at in place
_SMALLEST: Final = 5e-324  # reported for a difference too small to be a float64


def same_bytes(a: ArrayLike, b: ArrayLike) -> bool:
    """Whether two arrays have equal shape, dtype and bytes; text and objects are compared by value.

    Bytes make a NaN equal to itself, and -0.0 unequal to 0.0.
    """
    left, right = np.asarray(a), np.asarray(b)
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if _held_by_reference(left.dtype):
        return left.size == 0 or not _unequal(left, right).any()
    if left.nbytes <= _LITTLE:
        return left.tobytes() == right.tobytes()
    if _same_memory(left, right):
        return True
    return _equal_memory(*map(_octets, _in_memory_order(left, right)))


def _in_memory_order(left: Array, right: Array) -> tuple[Array, Array]:
    """Both so that they are read in the order of the memory, without a copy, where that is one order."""
    return (left.T, right.T) if left.flags.f_contiguous and right.flags.f_contiguous else (left, right)


def _same_memory(a: Array, b: Array) -> bool:
    here, there = a.__array_interface__, b.__array_interface__
    return bool(here["data"][0] == there["data"][0] and a.strides == b.strides)


def difference(reference: ArrayLike, candidate: ArrayLike, *, samples: int = 0) -> Difference:
    """How far `candidate` is from `reference`.

    Args:
        reference: any shape.
        candidate: of the same shape.
        samples: size of the first axis, where it counts samples that are to be told apart; else 0.

    NaN equals NaN, and an infinity the same infinity, at the same place; a NaN or infinity that only one side has makes
    `rel_error`, `max_abs` and `max_ulp` infinite, and `worst_index` and `channels` then say where those are.

    Raises:
        ValueError: if the shapes differ.
    """
    ref, cand = np.asarray(reference), np.asarray(candidate)
    if ref.shape != cand.shape:
        raise ValueError(f"only arrays of one shape can be compared: reference {ref.shape}, candidate {cand.shape}.")
    if ref.size == 0:
        return _no_difference(ref, cand, 0, 0)
    if not (_numeric(ref.dtype) and _numeric(cand.dtype)):
        return _share_of_unequal(ref, cand)
    if same_bytes(ref, cand):
        count = _count_nonfinite(ref)
        return _no_difference(ref, cand, count, count)
    return _measure(ref, cand, samples)


def _measure(ref: Array, cand: Array, samples: int) -> Difference:
    flat_ref, flat_cand = _comparable(ref, cand)
    width = flat_ref.size // ref.size  # 2 for complex: real and imaginary part
    channel_count = ref.shape[-1] * width if ref.ndim >= 2 else 1
    total, sums = measure(flat_ref, flat_cand, channel_count, samples)
    nonfinite = total.nonfinite_ref, total.nonfinite_cand
    if width == 2:  # an element counts once, whichever of its parts isn't finite
        nonfinite = _count_nonfinite(ref), _count_nonfinite(cand)
    if total.max_abs == 0.0 and not total.conflict:
        return _no_difference(ref, cand, *nonfinite)
    where, max_abs, squares = total.where, total.max_abs, sums.channels
    if total.conflict:
        found = conflicts(flat_ref, flat_cand)
        where, max_abs = int(found.argmax()) // width, math.inf
        squares = found.reshape(-1, channel_count).sum(axis=0, dtype=np.float64)
    elif width == 2:
        where, max_abs = _worst_modulus(ref, cand)
    rel_error, cosine = _relative(total, flat_ref, flat_cand)
    sample_error, sample = worst_sample(sums.errors, sums.references) or (None, None)
    return Difference(
        rel_error=rel_error,
        max_abs=max_abs,
        max_ulp=_worst_ulp(total),
        cosine=cosine,
        worst_index=tuple(int(i) for i in np.unravel_index(where, ref.shape)),
        worst_reference=_value(ref, where),
        worst_candidate=_value(cand, where),
        nonfinite_reference=nonfinite[0],
        nonfinite_candidate=nonfinite[1],
        channels=_blamed(squares.reshape(-1, width).sum(axis=1)) if ref.ndim >= 2 else (),
        sample_error=sample_error,
        worst_sample=sample,
    )


def _worst_ulp(total: Totals) -> float:
    """Infinite where one side is finite and the other isn't, in a dtype that has such units."""
    return math.inf if total.conflict and not math.isnan(total.max_ulp) else total.max_ulp


def _no_difference(ref: Array, cand: Array, nonfinite_ref: int, nonfinite_cand: int) -> Difference:
    return Difference(
        rel_error=0.0,
        max_abs=0.0,
        max_ulp=0.0 if ref.dtype == cand.dtype and ulp_type(ref.dtype) else math.nan,
        cosine=1.0,
        nonfinite_reference=nonfinite_ref,
        nonfinite_candidate=nonfinite_cand,
    )


# --- what can be compared how


def _numeric(dtype: np.dtype[np.generic]) -> bool:
    """Including ml_dtypes' bfloat16, float8 and int4, whose kind is `V` and which aren't imported here."""
    return dtype.kind in "biufc" or (dtype.kind == "V" and dtype.name.startswith(("bfloat", "float", "int", "uint")))


def _held_by_reference(dtype: np.dtype[np.generic]) -> bool:
    """Whether the array's memory holds pointers to the values instead of the values."""
    return dtype.hasobject or dtype.kind == "T"


def _comparable(ref: Array, cand: Array) -> tuple[Array, Array]:
    """Both as flat, contiguous, real arrays; integers in one dtype that holds both sides exactly, if there is one."""
    if "c" in (ref.dtype.kind, cand.dtype.kind):
        common = np.result_type(ref, cand) if ref.dtype.kind in "fc" and cand.dtype.kind in "fc" else np.complex128
        ref, cand = (np.ascontiguousarray(x, common).reshape(-1) for x in (ref, cand))
        real = ref.real.dtype
        return ref.view(real), cand.view(real)
    if ref.dtype.kind in "biu" and cand.dtype.kind in "biu":
        common = np.promote_types(ref.dtype, cand.dtype)
        ref, cand = ref.astype(common, copy=False), cand.astype(common, copy=False)
    if ref.dtype == np.bool_ and cand.dtype == np.bool_:
        ref, cand = ref.view(np.uint8), cand.view(np.uint8)
    return _native(ref), _native(cand)


def _native(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1)


# --- equality


def _octets(array: Array) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _equal_memory(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> bool:
    whole = left.size - left.size % 8
    words, others = left[:whole].view(np.uint64), right[:whole].view(np.uint64)
    step = _EQUAL_BLOCK // 8
    scratch = np.empty(min(step, words.size), np.bool_)
    for start in range(0, words.size, step):
        block = words[start : start + step]
        if not np.equal(block, others[start : start + step], out=scratch[: block.size]).all():
            return False
    return left[whole:].tobytes() == right[whole:].tobytes()


def _unequal(ref: Array, cand: Array) -> NDArray[np.bool_]:
    """Which elements of two non-numeric arrays differ, by value."""
    pairs = zip(ref.reshape(-1).tolist(), cand.reshape(-1).tolist(), strict=True)
    return np.fromiter((x is not y and not np.all(x == y) for x, y in pairs), np.bool_, ref.size)


def _share_of_unequal(ref: Array, cand: Array) -> Difference:
    unequal = _unequal(ref, cand)
    if not unequal.any():
        return _no_difference(ref, cand, 0, 0)
    where = int(unequal.argmax())
    return Difference(
        rel_error=float(unequal.mean()),
        max_abs=1.0,
        max_ulp=math.nan,
        cosine=math.nan,
        worst_index=tuple(int(i) for i in np.unravel_index(where, ref.shape)),
        worst_reference=_value(ref, where),
        worst_candidate=_value(cand, where),
        channels=_blamed(unequal.reshape(-1, ref.shape[-1]).sum(axis=0, dtype=np.float64)) if ref.ndim >= 2 else (),
    )


def _count_nonfinite(array: Array) -> int:
    if array.dtype.kind in "biu":
        return 0
    flat = array.reshape(-1)
    blocks = (flat[start : start + _COUNT_BLOCK] for start in range(0, flat.size, _COUNT_BLOCK))
    return flat.size - sum(int(np.count_nonzero(finite(block))) for block in blocks)


# --- what the sums say


def _relative(total: Totals, ref: Array, cand: Array) -> tuple[float, float]:
    """Relative L2 error, and cosine."""
    if total.ref_sq == 0.0 and not ref.any():
        return math.inf, 0.0
    if total.cand_sq == 0.0 and not cand.any():
        return math.inf if total.conflict else 1.0, 0.0
    if total.fits(*_SAFE_SQUARES):
        rel_error = math.sqrt(total.diff_sq) / math.sqrt(total.ref_sq)
        cosine = total.dot / math.sqrt(total.ref_sq) / math.sqrt(total.cand_sq)
    else:
        rel_error, cosine = _relative_rescaled(ref, cand)
    return math.inf if total.conflict else max(rel_error, _SMALLEST), min(1.0, max(-1.0, cosine))


def _relative_rescaled(ref: Array, cand: Array) -> tuple[float, float]:
    """As `_relative`, for values whose squares leave float64's range."""
    dropped = ~(finite(ref) & finite(cand))
    left, right = (zeroed(x, dropped).astype(np.float64) for x in (ref, cand))
    unit_left, exponent_left = _rescaled(left)
    unit_right, exponent_right = _rescaled(right)
    shift = 2 if max(exponent_left, exponent_right) > 1000 else 0  # else the difference itself may overflow
    unit_diff, exponent_diff = _rescaled(np.ldexp(right, -shift) - np.ldexp(left, -shift))
    norm_left, norm_right, norm_diff = (math.sqrt(float(np.sum(x * x))) for x in (unit_left, unit_right, unit_diff))
    cosine = float(np.sum(unit_left * unit_right)) / (norm_left * norm_right) if norm_left and norm_right else 0.0
    if norm_left == 0.0:
        return math.inf if norm_diff else 0.0, cosine
    try:
        return math.ldexp(norm_diff / norm_left, exponent_diff + shift - exponent_left), cosine
    except OverflowError:
        return math.inf, cosine


def _rescaled(array: Array) -> tuple[Array, int]:
    """The array divided by the power of two next to its largest value, and the exponent."""
    exponent = math.frexp(float(np.abs(array).max()))[1]
    # In two steps, because one factor of 2^1074 would be infinite.
    return np.ldexp(np.ldexp(array, -(exponent // 2)), exponent // 2 - exponent), exponent


def _worst_modulus(ref: Array, cand: Array) -> tuple[int, float]:
    """Flat index and size of the largest difference of two complex arrays."""
    with np.errstate(all="ignore"):
        gap = np.nan_to_num(np.abs(cand.reshape(-1) - ref.reshape(-1)), nan=0.0, posinf=0.0)
    where = int(gap.argmax())
    return where, float(gap[where])


def _blamed(squares: NDArray[np.float64]) -> tuple[tuple[int, float], ...]:
    """The channels with the largest shares, largest first."""
    largest = float(squares.max())
    if not largest:
        return ()
    shares = np.isinf(squares).astype(np.float64) if math.isinf(largest) else squares / largest
    shares /= shares.sum()
    top = np.argsort(-shares, kind="stable")[:_TOP_CHANNELS]
    return tuple((int(i), float(shares[i])) for i in top if shares[i] > 0.0)


def _value(array: Array, where: int) -> Scalar:
    """One element, as a plain Python value."""
    value = array.reshape(-1)[where]
    if array.dtype.kind == "V":
        return float(value)
    found: Scalar = value.item() if isinstance(value, np.generic) else value
    return found
