"""Errors of single samples: a relative error over a whole batch hides them where one sample is much larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tracer.core.numbers.blocks import add_by_sample
from tracer.core.source import Array

_Squares: TypeAlias = NDArray[np.float64]

# Relative to the largest sample: what is fainter is silence, and nothing can be relative to it.
_FAINT: Final = 2.0**-40


def worst_sample(errors: _Squares, references: _Squares, floor: _Squares | float = 0.0) -> tuple[float, int] | None:
    """The largest relative L2 error of one sample, and which one it is; None where there are fewer than two.

    Args:
        errors: squared L2 norm of the error, by sample.
        references: squared L2 norm of the reference, by sample.
        floor: L2 norm below which a sample's reference says nothing of how far its values are rounded.
    """
    if errors.size < 2:
        return None
    norms = np.sqrt(references)
    if not norms.max():
        return None  # nothing to be relative to: the whole batch is zero, and its error says so
    scale = np.maximum(np.maximum(norms, floor), _FAINT * norms.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(errors > 0.0, np.sqrt(errors) / scale, 0.0)
    worst = int(found.argmax())
    return float(found[worst]), worst


def norms_by_sample(array: Array, samples: int) -> _Squares | None:
    """L2 norm of each sample of an array; None where its first axis doesn't count them, or it has no numbers."""
    has_numbers = array.dtype.kind in "fiub" or array.dtype.name.startswith(("bfloat", "float"))
    if array.ndim == 0 or array.shape[0] != samples or not has_numbers or not array.size:
        return None
    found = np.zeros(samples)
    flat = np.ascontiguousarray(array).reshape(-1)
    add_by_sample(flat, 0, flat.size // samples, found)
    return np.asarray(np.sqrt(found))


def relative_to_inputs(reference: Array, candidate: Array, inputs: Sequence[Array]) -> tuple[float, int]:
    """As `worst_sample`, where a sample's own norm or that of its inputs is the measure, whichever is larger."""
    samples = reference.shape[0]
    with np.errstate(invalid="ignore", over="ignore"):
        error = norms_by_sample(np.subtract(candidate, reference, dtype=np.float64), samples)
    own = norms_by_sample(reference, samples)
    if error is None or own is None:
        return 0.0, 0
    found = worst_sample(np.square(error), np.square(own), rounding_floor(inputs, reference, samples))
    return found or (0.0, 0)


def rounding_floor(inputs: Sequence[Array], output: Array, samples: int) -> _Squares | float:
    """By sample: the L2 norm that an output would have if it were as large for its inputs as that of other samples.

    What a layer rounds away follows from what comes in.  A sample whose output is nearly zero, because a ReLU is shut
    or two numbers cancel, is rounded as its inputs are, and its own norm says nothing of that.
    """
    norms = [found for array in inputs if (found := norms_by_sample(array, samples)) is not None]
    own = norms_by_sample(output, samples)
    if own is None or not norms:
        return 0.0
    came = np.sqrt(np.sum(np.square(norms), axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(came > 0.0, own / came, 0.0)
    typical = float(np.sort(gains)[(samples - 1) // 2 :].mean()) if samples > 2 else float(gains.max())
    return came * typical if math.isfinite(typical) else 0.0
