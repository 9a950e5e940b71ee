"""`limits`: bounds that anything would pass are refused, with where they come from."""

from __future__ import annotations

import numpy as np
import pytest

from tracer.core.soundness.limits import NO_BOUND, check_bound, check_factor
from tracer.errors import FixtureError, SpecError


@pytest.mark.parametrize("factor", [0.0, 0.999, -1.0, float("nan"), float("inf"), NO_BOUND * 2**24])
def test_a_factor_that_makes_no_bound_is_refused(factor: float) -> None:
    with pytest.raises(SpecError, match="--factor"):
        check_factor(factor)


@pytest.mark.parametrize("bound", [NO_BOUND, -1e-9, float("nan"), float("inf")])
def test_a_bound_that_allows_anything_is_refused_with_its_origin(bound: float) -> None:
    with pytest.raises(FixtureError, match=r"^conv: .*\(factor 8\)"):
        check_bound("conv", bound, "factor 8")


def test_the_least_and_the_most_that_is_a_bound() -> None:
    check_factor(1.0)
    check_factor(np.nextafter(NO_BOUND * 2**24, 0))
    check_bound("conv", 0.0, "")
    check_bound("conv", np.nextafter(NO_BOUND, 0), "")
