"""Errors of single samples: a relative error over a whole batch hides them where one sample is much larger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tracer.core.blocks import add_by_sample
from tracer.core.source import Array

_Squares: TypeAlias = NDArray[np.float64]

# Relative to the largest sample: what is fainter is silence, and nothing can be relative to it.
_FAINT: Final = 2.0**-40


def count_samples(inputs: Any) -> int:
    """How many samples some inputs hold: arrays in nested lists, tuples and dicts; 0 where there are fewer than two.

    Inputs whose first axes differ don't count samples there.
    """
    sizes = {array.shape[0] if np.ndim(array) else 0 for array in _arrays(inputs)}
    size = sizes.pop() if len(sizes) == 1 else 0
    return size if size > 1 else 0


def _arrays(structure: Any) -> list[Array]:
    if isinstance(structure, Mapping):
        structure = list(structure.values())
    if isinstance(structure, (list, tuple)):
        return [array for part in structure for array in _arrays(part)]
    return [structure] if hasattr(structure, "shape") else []


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
    if array.ndim == 0 or array.shape[0] != samples or array.dtype.kind not in "fiub" or not array.size:
        return None
    found = np.zeros(samples)
    flat = np.ascontiguousarray(array).reshape(-1)
    add_by_sample(flat.astype(np.float32) if flat.dtype.kind != "f" else flat, 0, flat.size // samples, found)
    return np.asarray(np.sqrt(found))


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
