"""Given arrays in the dtype of their input: a cast is told, and one that would lose what was given is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracer.core.inputs.specs import InputSpec, numpy_dtype
from tracer.core.source import Array
from tracer.errors import InputError


def cast(spec: InputSpec, array: Array) -> tuple[Array, tuple[str, ...]]:
    """The array in the dtype that its input has, and sentences that say what was changed.

    Raises:
        InputError: if the values don't mean the same in it.
    """
    dtype = numpy_dtype(spec.dtype)
    if _is_kept(spec, array):
        return array, ()
    why = _refuse(array, dtype)
    if why:
        raise InputError(f"input {spec.name!r}: expected {spec.dtype}, received {array.dtype}{why}")
    if dtype.kind == "U" or array.dtype.newbyteorder("=") == dtype:
        return array if dtype.kind == "U" else array.astype(dtype), ()
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        found = array.astype(dtype)
    lost = _lost(spec, array, found)
    if lost:
        raise InputError(f"input {spec.name!r}: {array.dtype} can't be cast to {spec.dtype}: {lost}.")
    return found, (f"{spec.name} was cast from {array.dtype} to {dtype}{_remark(array, found)}.",)


def _is_kept(spec: InputSpec, array: Array) -> bool:
    """A model without a graph doesn't say its dtypes: text and numbers that aren't floats may be meant as they are."""
    if spec.declared:
        return False
    is_other_kind = _is_text(array) != (spec.dtype == "string")
    return is_other_kind or (spec.demand is None and array.dtype.kind in "iub")


def _refuse(array: Array, dtype: np.dtype[np.generic]) -> str:
    """Why values of this kind mean something else in the dtype; "" where they don't."""
    kind = array.dtype.kind
    if dtype.kind == "U":
        return "" if _is_text(array) else "."
    if kind == "O":
        return ": an array of Python objects, such as rows of different lengths."
    if kind not in "biuf":
        return "" if _is_extended(array.dtype, dtype) else "."
    if dtype.kind in "iub" and kind == "f" and not np.all(np.isfinite(array) & (array == np.trunc(array))):
        return ", with values that aren't whole numbers."
    return ""


def _is_text(array: Array) -> bool:
    kind = array.dtype.kind
    return kind in "SUT" or (kind == "O" and all(isinstance(value, (str, bytes)) for value in array.flat))


def _is_extended(given: np.dtype[np.generic], dtype: np.dtype[np.generic]) -> bool:
    """Whether a dtype that NumPy has from an extension means the same: bfloat16 arrays are of kind V."""
    return given == dtype or (dtype.kind == "f" and "float" in given.name)


def _lost(spec: InputSpec, array: Array, found: Array) -> str:
    """What the cast would lose; "" where it only rounds."""
    if found.dtype.kind == "b":
        return "" if np.all((array == 0) | (array == 1)) else "there are values other than 0 and 1"
    if found.dtype.kind in "iu":
        return "" if array.dtype.kind == "b" else _beyond(array, np.iinfo(found.dtype))
    return "" if found.dtype.kind != "f" else _lost_by_rounding(spec, array, found)


def _lost_by_rounding(spec: InputSpec, array: Array, found: Array) -> str:
    """What becomes infinite, or another id."""
    if np.any(np.isinf(found) & np.isfinite(array)):
        return f"values as large as {_largest(array)} become infinite"
    is_ids = spec.demand is not None and spec.demand.kind in ("ids", "words")
    return "ids become others by rounding" if is_ids and _round(array, found) else ""


def _round(array: Array, found: Array) -> bool:
    """Whether a value is another one in the float dtype; compared in the dtype that it was given in, which is exact."""
    if array.dtype.kind == "b":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.any(found.astype(array.dtype) != array))


def _beyond(array: Array, limits: np.iinfo[np.integer[Any]]) -> str:
    """That whole numbers have no room in a dtype; "" where they have."""
    low, high = array.min(), array.max()
    inside = int(low) >= limits.min and int(high) <= limits.max
    return "" if inside else f"values go from {low} to {high}, beyond its range"


def _largest(array: Array) -> str:
    return f"{np.max(np.abs(array[np.isfinite(array)])):.3g}"


def _remark(array: Array, found: Array) -> str:
    """What of the cast a reader has to know."""
    if found.dtype.kind != "f":
        return ""
    if array.dtype.kind == "f":
        gone = int(np.count_nonzero((found == 0) & (array != 0)))
        if gone:
            return f"; {gone} value{'s' if gone > 1 else ''} too small for it became 0"
    is_rounded = found.dtype.kind == "f" and array.dtype.kind in "iu" and _round(array, found)
    return ", rounded" if is_rounded else ""
