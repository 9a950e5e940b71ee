"""`tracer.core.numbers.rounding`: chance is lost on average, a fault stays; what equal numbers do is no fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.numbers.rounding import DRAWS, NUDGES, Average, Reach, moved, nudged

_X = np.linspace(-1, 1, 40, dtype="float32").reshape(4, 10)
_WHOLE = np.arange(-3, 9, dtype="float32")


def averaged(fault: np.ndarray | float, chance: float, seed: int, samples: int = 0) -> Average:
    random = np.random.RandomState(seed)
    found = Average(samples)
    for _ in range(DRAWS):
        found.add(_X, _X + fault + chance * random.normal(size=_X.shape))
    return found


@given(st.integers(0, 2**31), st.floats(1e-7, 1e-3))
def test_chance_is_lost(seed: int, size: float) -> None:
    assert not averaged(0.0, size, seed, samples=4).stays()


@given(st.integers(0, 2**31), st.floats(2.0, 100.0))
def test_a_fault_larger_than_chance_stays(seed: int, times: float) -> None:
    assert averaged(times * 1e-6, 1e-6, seed).stays()


def test_a_fault_of_one_sample_stays_though_all_of_it_is_lost() -> None:
    fault = np.zeros_like(_X)
    fault[2] = 6e-6
    assert not averaged(fault, 6e-6, 0).stays()
    assert averaged(fault, 2e-6, 0, samples=4).stays()


def test_how_large_a_fault_is_on_each_of_the_inputs_does_not_count() -> None:
    found, random = Average(0), np.random.RandomState(0)
    for at in range(DRAWS):
        found.add(_X, _X + 1e-5 * 0.5**at * (1 + 0.1 * random.normal(size=_X.shape)))
    assert found.stays()


def test_what_differs_on_few_of_the_inputs_only_is_no_rounding_and_of_a_sample_it_is_no_fault() -> None:
    few, sample = Average(0), Average(4)
    for at in range(DRAWS):
        few.add(_X, _X + (1e-6 if at < 3 else 0.0))
        chance = np.random.RandomState(at).normal(size=_X.shape) * 1e-6
        chance[1] = 1e-9 if at < 3 else 0.0
        sample.add(_X, _X + chance)
    assert few.stays() and not sample.stays()


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_what_is_no_number_stays(strange: float) -> None:
    assert averaged(strange, 1e-6, 0).stays()


def test_nothing_at_all_stays() -> None:
    assert Average(0).stays()


def test_the_largest_error_is_kept() -> None:
    found = Average(0)
    found.add(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    found.add(np.array([3.0, 4.0]), np.array([3.0, 4.0]))
    assert found.largest == pytest.approx(0.1)


@given(st.integers(0, 2**31))
def test_numbers_are_moved_a_little_and_differently(seed: int) -> None:
    one, other = moved(_X, seed), moved(_X, seed + 1)
    assert one.dtype == _X.dtype and not np.array_equal(one, other)
    np.testing.assert_allclose(one, _X, rtol=4.1e-3)
    np.testing.assert_array_equal(one, moved(_X, seed))


@pytest.mark.parametrize("array", [np.arange(4), np.array([True, False]), np.array(["a"], dtype=object)])
def test_what_is_exact_isnt_moved(array: np.ndarray) -> None:
    assert moved(array, 1) is array


@given(st.integers(0, 2**31))
def test_nudged_numbers_are_larger_or_smaller_by_what_two_weights_may_differ(seed: int) -> None:
    found = nudged(_X, np.random.RandomState(seed))
    by = found.astype("float64") / _X - 1
    assert found.dtype == _X.dtype
    np.testing.assert_allclose(np.abs(by), 2.0**-20, atol=1.3e-7)
    assert (by > 0).any() and (by < 0).any()


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16", "float64"])
def test_what_isnt_of_float32_isnt_nudged(dtype: str) -> None:
    array = np.arange(4).astype(dtype)
    assert nudged(array, np.random.RandomState(1)) is array


@pytest.mark.parametrize(("off", "by"), [(1e-5, 1e-5), (1e-8, 2.0**-20)])
def test_numbers_that_are_known_to_be_off_are_nudged_by_that_if_it_is_more(off: float, by: float) -> None:
    found = nudged(_X, np.random.RandomState(1), off).astype("float64") / _X - 1
    np.testing.assert_allclose(np.abs(found), by, atol=1.3e-7)


def test_whole_numbers_are_exact() -> None:
    halves, random = _WHOLE + np.float32(0.5), np.random.RandomState(1)
    assert nudged(_WHOLE, random) is _WHOLE
    assert not np.array_equal(nudged(halves, random), halves)


def test_two_arrays_of_one_shape_are_nudged_differently() -> None:
    random = np.random.RandomState(1)
    assert not np.array_equal(nudged(_X, random), nudged(_X, random))


def seen(off: np.ndarray | float, gain: float, samples: int = 4) -> bool:
    """Whether an error is explained in a layer that multiplies what its inputs are off."""
    found, random = Reach(_X, samples), np.random.RandomState(0)
    for _ in range(NUDGES):
        found.add(_X + gain * (nudged(_X, random) - _X))
    return found.includes(_X + np.float32(off))


@given(st.floats(4.0, 16.0))
def test_an_error_is_explained_by_what_nearly_equal_numbers_make_and_not_beyond(gain: float) -> None:
    off = (gain * 2.0**-20) * np.sign(np.sin(np.arange(_X.size))).reshape(_X.shape) * np.abs(_X)
    assert seen(1.8 * off, gain)
    assert not seen(2.3 * off, gain)
    assert not seen(off, 1.0)


def test_an_error_in_one_sample_isnt_explained_by_what_the_others_do() -> None:
    off = np.zeros_like(_X)
    off[2] = 4e-5 * _X[2]
    assert seen(off, 20.0, samples=0)
    assert not seen(off, 20.0)


def test_how_far_it_goes_is_relative_to_what_is_returned() -> None:
    found = Reach(_X, 4)
    assert found.relative == pytest.approx(2e-6)  # the bound of any layer
    found.add(_X * np.float32(1.5))
    assert found.relative == pytest.approx(2 * 0.5)
    assert Reach(np.zeros_like(_X), 0).relative == 0.0


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_what_is_no_number_isnt_explained(strange: float) -> None:
    assert not seen(strange, 1e3)
