"""Whether two sides differ by rounding alone, seen on inputs that are nearly the same.

Two backends, devices or releases add the same products up in different orders.  Where large terms cancel, as in a wide
`Dense` before a softmax, that makes more than the table of bounds allows.  On other inputs it makes something else of
either sign, while what a fault does is nearly the same on inputs that are: averaged over some, the one is lost and the
other stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from tracer.core.source import Array

# How many times its bound a layer may be off for this to be asked.
MOST: Final = 16.0
# Of how many inputs, moved by how much: far enough for every sum to be rounded anew (1e-7 isn't, for the worst that was
# measured), and near enough for a layer to do the same.
DRAWS: Final = 16
_MOVED: Final = 1e-5
# The length of the mean difference over that of a typical one: 1 for a fault, 1/√16 = 0.25 on average for chance.  The
# same sign in 14 of 16 is 0.75, which is chance in 4 of 1,000.
_STAYS: Final = 0.7


def moved(array: Array, seed: int) -> Array:
    """Numbers of floating point, each moved by up to 1e-5 of itself; all others as they are."""
    if array.dtype.kind != "f":
        return array
    by = np.random.RandomState(seed).uniform(-_MOVED, _MOVED, array.shape)
    return np.asarray(array * (1.0 + by), array.dtype)


class Average:
    """Differences between two sides, over several inputs.

    Args:
        samples: how many there are along the first axis, each of which is looked at by itself; 0 for one result in all.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._sum: Array | None = None
        self._squares: Array = np.zeros(samples + 1)
        self._count = 0
        self.largest = 0.0  # relative L2 error of all, at the worst of the inputs

    def add(self, here: Array, there: Array) -> None:
        """What both sides return on one of the inputs, of equal shapes."""
        off = there.astype(np.float64) - here
        self._sum = off if self._sum is None else self._sum + off
        self._squares = self._squares + np.array([float(np.sum(part * part)) for part in self._parts(off)])
        self._count += 1
        length, size = float(np.linalg.norm(off)), float(np.linalg.norm(here.astype(np.float64)))
        self.largest = max(self.largest, length / size if size else np.inf * length if length else 0.0)

    def stays(self) -> bool:
        """Whether something is left of it on average, in all or in a sample: it isn't rounding."""
        if self._sum is None:
            return True
        left = np.array([float(np.sum(part * part)) for part in self._parts(self._sum)])
        return not np.all(np.isfinite(left)) or bool(np.any(left > _STAYS**2 * self._count * self._squares))

    def _parts(self, off: Array) -> Iterable[Array]:
        return (off, *(off[at] for at in range(self._samples)))
