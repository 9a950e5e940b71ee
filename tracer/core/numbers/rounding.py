"""Whether two sides differ by rounding alone, seen on inputs and weights that are nearly the same.

Two backends, devices or releases add the same products up in different orders.  Where large terms cancel, as in a wide
`Dense` before a softmax, that makes more than the table of bounds allows.  On other inputs it makes something else of
either sign, while what a fault does is nearly the same on inputs that are: averaged over some, the one is lost and the
other stays.

They also approximate `tanh` and its like by other polynomials, and that error is no chance: a recurrent layer repeats
it at every step, and it stays.  But such a layer multiplies whatever is done to it, and is no further off than inputs
and weights that count as the same would make it (backward error: N. Higham, Accuracy and Stability of Numerical
Algorithms, section 1.5).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tracer.core.numbers.samples import norms_by_sample
from tracer.core.numbers.tolerance import PER_SAMPLE, rounding_of, tolerance_for
from tracer.core.source import Array

# How many times its bound a layer may be off for this to be asked.
MOST: Final = 16.0
# Of how many inputs, moved by how much: near enough for a layer to do the same, and far enough for every sum to be
# rounded anew.  Of what the heads of four applications round, 0.12 to 0.36 is left then; of 1e-5, up to 0.9.
DRAWS: Final = 16
_MOVED: Final = 4e-3
# The length of the mean direction of the differences: 1 for a fault, 1/√16 = 0.25 on average for chance.
_STAYS: Final = 0.7
# Equal results say nothing; so many have to differ.
_ENOUGH: Final = 12
# How many inputs and weights that count as the same are tried, and how much further apart the two sides may be than the
# furthest of these, since so few don't find the worst.  What 72 stacks of recurrent cells, written by Keras 2, are off
# in Keras 3 (up to 1.8e-6) is at most 0.3 of the furthest.
NUDGES: Final = 8
_FURTHER: Final = 2.0

ALIKE: Final = "inputs and weights that count as the same make as much"
AS_LITTLE: Final = "inputs that are off as little, and weights that count as the same, make as much"
OF_EITHER_SIGN: Final = "on inputs that are nearly the same it is another one, of either sign"
_NOTE: Final = "rounding, up to "


def rounding_note(error: float, why: str) -> str:
    """What is said of a layer that differs by a relative L2 error, which is rounding alone."""
    return f"{_NOTE}{error:.1e} here: {why}"


def is_rounding(told: str) -> bool:
    """Whether a layer's note says that it differs by rounding alone."""
    return told.startswith(_NOTE)


def moved(array: Array, seed: int) -> Array:
    """Numbers of floating point, each moved by up to 0.4 % of itself; all others as they are."""
    if array.dtype.kind != "f":
        return array
    by = np.random.RandomState(seed).uniform(-_MOVED, _MOVED, array.shape)
    return np.asarray(array * (1.0 + by), array.dtype)


def nudged(array: Array, random: np.random.RandomState, off: float = 0.0) -> Array:
    """Numbers of float32, each larger or smaller by as much as two weights may differ and be the same.

    Whole numbers are exact: ids, steps of an image, zeros.

    Args:
        array: the numbers.
        random: where each is moved to.
        off: how far they are known to be off, of themselves, if that is more.
    """
    if array.dtype != np.float32 or np.array_equal(array, np.trunc(array)):
        return array
    up, by = random.randint(0, 2, array.shape, np.int8), np.float32(max(rounding_of("float32"), off))
    return np.asarray(array * np.where(up, 1 + by, 1 - by), array.dtype)


class Reach:
    """How far from what one side returns nearly equal inputs and weights lead.

    Args:
        own: what that side returns, in float32.
        samples: how many there are along the first axis, each of which is looked at by itself; 0 for one in all.
    """

    def __init__(self, own: Array, samples: int) -> None:
        bound = tolerance_for("float32", local=True)
        self._own, self._samples = own, samples
        self._furthest = np.array([bound, *[bound * PER_SAMPLE] * samples]) * _norms(own, samples)

    def add(self, nearly: Array) -> None:
        """What that side returns for inputs and weights that count as the same."""
        self._furthest = np.maximum(self._furthest, _FURTHER * self._from_own(nearly))

    def includes(self, other: Array) -> bool:
        """Whether what the other side returns is no further off."""
        found = self._from_own(other)
        return bool(np.all(np.isfinite(found) & (found <= self._furthest)))

    @property
    def relative(self) -> float:
        """How far that is for all of it, relative to what that side returns; 0 where that is nothing."""
        size = float(_norms(self._own, 0)[0])
        return float(self._furthest[0]) / size if size else 0.0

    def _from_own(self, array: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return _norms(np.subtract(array, self._own, dtype=np.float64), self._samples)


def _norms(array: Array, samples: int) -> Array:
    """L2 norm of all, and of each sample."""
    by_sample = norms_by_sample(array, samples) if samples else None
    whole = np.linalg.norm(array.astype(np.float64))
    return np.array([whole, *(by_sample if by_sample is not None else ())])


class Average:
    """Directions in which two sides differ, over several inputs: how large a difference is doesn't count.

    Args:
        samples: how many there are along the first axis, each of which is looked at by itself; 0 for one result in all.
    """

    def __init__(self, samples: int) -> None:
        self._parts = [_Mean() for _ in range(samples + 1)]
        self.largest = 0.0  # relative L2 error of all, at the worst of the inputs

    def add(self, here: Array, there: Array) -> None:
        """What both sides return on one of the inputs, of equal shapes."""
        off = there.astype(np.float64) - here
        for part, values in zip(self._parts, (off, *off[: len(self._parts) - 1]), strict=True):
            part.add(values)
        length, size = float(np.linalg.norm(off)), float(np.linalg.norm(here.astype(np.float64)))
        self.largest = max(self.largest, length / size if size else math.inf if length else 0.0)

    def stays(self) -> bool:
        """Whether something is left of it on average, in all or in a sample: it isn't rounding."""
        whole, *samples = self._parts
        return whole.is_rare or whole.stays or any(part.stays and not part.is_rare for part in samples)


class _Mean:
    """The mean of directions."""

    def __init__(self) -> None:
        self._sum: Array | float = 0.0
        self._count = 0

    def add(self, off: Array) -> None:
        length = float(np.linalg.norm(off))
        if length:
            with np.errstate(invalid="ignore"):  # an infinity has no direction: NaN, which stays
                self._sum = self._sum + off / length
            self._count += 1

    @property
    def is_rare(self) -> bool:
        """Whether so many results are equal that the others say little."""
        return self._count < _ENOUGH

    @property
    def stays(self) -> bool:
        """Whether something is left."""
        return not float(np.linalg.norm(self._sum)) <= _STAYS * self._count
