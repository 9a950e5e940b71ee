"""Histograms of two arrays: every value is counted, in its bin, and a sample of many is a fair one."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracer.core.numbers.histogram import BINS, SAMPLE, histogram

_FINITE = st.floats(-1e6, 1e6, width=32)


@given(arrays.arrays("float32", (3, 4), elements=_FINITE), arrays.arrays("float32", (5,), elements=_FINITE))
def test_every_value_is_counted_where_numpy_counts_it(reference: np.ndarray, candidate: np.ndarray) -> None:
    found = histogram(reference, candidate)
    values = np.concatenate([reference.reshape(-1), candidate]).astype("float64")
    if values.min() == values.max():
        assert found is None
        return
    assert found is not None
    assert (found.low, found.high) == (values.min(), values.max())
    edges = (found.low, found.high)
    assert list(found.reference) == np.histogram(reference.astype("float64"), BINS, edges)[0].tolist()
    assert list(found.candidate) == np.histogram(candidate.astype("float64"), BINS, edges)[0].tolist()


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "bool", ml_dtypes.bfloat16])
def test_any_kind_of_real_number(dtype: object) -> None:
    found = histogram(np.array([0, 1, 1], dtype), np.array([1], dtype))
    assert found is not None
    assert (found.low, found.high) == (0.0, 1.0)
    assert (found.reference[0], found.reference[-1], found.candidate[-1]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (["a"], ["b"]),
        ([1j], [2j]),
        ([1.0, 1.0], [1.0]),
        ([np.nan], [np.inf]),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        ([-1.7e308], [1.7e308]),  # their distance is infinite
        ([0.0], [5e-324]),  # a bin has no width
    ],
)
def test_where_there_is_nothing_to_count(reference: object, candidate: object) -> None:
    assert histogram(np.asarray(reference), np.asarray(candidate)) is None


def test_what_isnt_finite_is_left_out() -> None:
    found = histogram(np.array([0.0, np.nan, 2.0]), np.array([np.inf, 1.0]))
    assert found is not None and (found.low, found.high) == (0.0, 2.0)
    assert (sum(found.reference), sum(found.candidate)) == (2, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 16, 64, 100])
def test_a_sample_of_many_values_has_all_channels_in_it(channels: int) -> None:
    """Each channel is a number of its own: a sample that skips some of them would have empty bins."""
    array = np.broadcast_to(np.arange(channels, dtype="float32"), (10 * SAMPLE // channels, channels)).copy()
    found = histogram(array, array + 1)
    assert found is not None
    assert sum(found.reference) <= SAMPLE
    shares = np.array(found.reference) / sum(found.reference)
    expected = np.histogram(np.arange(channels), BINS, (found.low, found.high))[0] / channels
    np.testing.assert_allclose(shares, expected, atol=0.01)
