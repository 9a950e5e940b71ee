"""Bounds that are none: what anything would pass."""

from __future__ import annotations

import math
from typing import Final

from tracer.errors import FixtureError, SpecError

# A relative error of this size is no agreement: a tensor of zeros has one of 1.
NO_BOUND: Final = 0.5
# No float32 activation is more exact than half a unit in its last place; this many times that is no bound any more.
_FACTOR_LIMIT: Final = NO_BOUND / 2.0**-24


def check_factor(factor: float) -> None:
    """Does nothing where a factor times a noise floor can be a bound.

    Raises:
        SpecError: if it can't.
    """
    if not (math.isfinite(factor) and 1.0 <= factor < _FACTOR_LIMIT):
        raise SpecError(
            f"--factor {factor:g}: the tolerance is this many times the noise floor of a layer, which has to be "
            f"1 at least, and less than {_FACTOR_LIMIT:.0f}: from there on even half a unit in the last place of "
            "float32 would allow a relative error of 0.5, which is no bound."
        )


def check_bound(layer: str, bound: float, why: str) -> None:
    """Does nothing where a relative error may not be larger than `bound`, and that is a bound.

    Raises:
        FixtureError: if it is none; `why` says where it comes from.
    """
    if not 0.0 <= bound < NO_BOUND:
        raise FixtureError(
            f"{layer}: a relative error of {bound:g} would be allowed ({why}), and from {NO_BOUND} on that is no "
            "bound: anything would pass. Take a smaller --factor, or record the golden again: "
            "`tracer record MODEL --yes`."
        )
