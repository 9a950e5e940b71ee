"""How the values of two arrays are distributed, counted in the same bins."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tracer.core.source import Array
from tracer.records import Histogram

BINS: Final = 40
SAMPLE: Final = 1 << 16  # values of each side: enough for a picture, and a millisecond


def histogram(reference: Array, candidate: Array, most: int = SAMPLE, bins: int = BINS) -> Histogram | None:
    """Counts of both sides' finite values, or None where there is nothing to count: no numbers, or one value alone.

    Args:
        reference: of any shape.
        candidate: likewise.
        most: how many values of each side are counted.
        bins: equally wide, between the smallest and the largest value of both.
    """
    if not (is_real(reference) and is_real(candidate)):
        return None
    sides = [_sample(array, most) for array in (reference, candidate)]
    values = np.concatenate(sides)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not 0 < (high - low) / bins < math.inf:
        return None
    counts = [np.histogram(side, bins, (low, high))[0].tolist() for side in sides]
    return Histogram(low=low, high=high, reference=tuple(counts[0]), candidate=tuple(counts[1]))


def is_real(array: Array) -> bool:
    """Whether it holds real numbers, including ml_dtypes' bfloat16 and float8, whose kind is `V`."""
    return array.dtype.kind in "fiub" or array.dtype.name.startswith(("bfloat", "float"))


def _sample(array: Array, most: int) -> Array:
    """At most so many finite values as float64, evenly spread: over the channels too, which lie on the last axis."""
    step = max(1, -(-array.size // most))
    while array.ndim and step > 1 and math.gcd(step, array.shape[-1]) > 1:
        step += 1
    values = array.reshape(-1)[::step].astype(np.float64)
    return values[np.isfinite(values)]
