"""Whether two sides differ by rounding alone, seen on inputs that are nearly the same.

Two backends, devices or releases add the same products up in different orders.  Where large terms cancel, as in a wide
`Dense` before a softmax, that makes more than the table of bounds allows.  On other inputs it makes something else of
either sign, while what a fault does is nearly the same on inputs that are: averaged over some, the one is lost and the
other stays.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

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


def moved(array: Array, seed: int) -> Array:
    """Numbers of floating point, each moved by up to 0.4 % of itself; all others as they are."""
    if array.dtype.kind != "f":
        return array
    by = np.random.RandomState(seed).uniform(-_MOVED, _MOVED, array.shape)
    return np.asarray(array * (1.0 + by), array.dtype)


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
