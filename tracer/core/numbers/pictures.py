"""Pictures of an output on both sides: how its values are distributed, and where in a picture the two are apart."""

from __future__ import annotations

from typing import Final, TypeAlias

from tracer.core.numbers.error_map import error_map
from tracer.core.numbers.histogram import histogram
from tracer.core.source import Array
from tracer.records import ErrorMap, Histogram

# What a small picture is made of: values of each side, bins, positions along each axis of an image, and fields.
_VALUES: Final = 1 << 14
_BINS: Final = 24
_POSITIONS: Final = 64
_FIELDS: Final = 6

Pictures: TypeAlias = tuple[Histogram | None, ErrorMap | None]


def pictures(reference: Array, candidate: Array) -> Pictures:
    """Of all values, for a layer at fault; None where there is nothing to draw."""
    return histogram(reference, candidate), error_map(reference, candidate)


def small_pictures(reference: Array, candidate: Array) -> Pictures:
    """Coarser, of values that are evenly spread: about a millisecond, whatever the size of the arrays."""
    fields = error_map(_thin(reference), _thin(candidate), _FIELDS)
    return histogram(reference, candidate, _VALUES, _BINS), fields


def _thin(array: Array) -> Array:
    """Of an image, positions that are evenly spread over its height and its width."""
    if array.ndim != 4:
        return array
    down, across = (max(1, size // _POSITIONS) for size in array.shape[1:3])
    return array[:, ::down, ::across]
