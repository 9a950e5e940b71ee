"""Maps of the error: every position counts, in its field, and nothing is drawn that isn't a picture."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.numbers.error_map import FIELDS, error_map


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_every_position_is_in_one_field_and_fields_are_equally_long(height: int, width: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    shape = (2, height, width, 3)
    reference, candidate = (random.normal(size=shape).astype("float32") for _ in range(2))
    found = error_map(reference, candidate)
    if height == width == 1:
        assert found is None
        return
    assert found is not None and (found.height, found.width) == (height, width)
    gaps = np.abs(candidate.astype("float64") - reference).mean(axis=(0, 3))
    rows = [part.tolist() for part in np.split(np.arange(height), starts(height)[1:])]
    columns = [part.tolist() for part in np.split(np.arange(width), starts(width)[1:])]
    lengths = {len(part) for part in rows}
    assert len(rows) == min(height, FIELDS) and max(lengths) - min(lengths) <= 1
    expected = [[gaps[np.ix_(row, column)].mean() for column in columns] for row in rows]
    np.testing.assert_allclose(found.fields, expected, rtol=6e-3)  # three digits are kept


def starts(size: int) -> list[int]:
    return sorted({size * number // FIELDS for number in range(FIELDS)}) if size > FIELDS else list(range(size))


def test_one_position_of_a_large_picture_is_seen_in_its_field_alone() -> None:
    reference = np.zeros((1, 100, 200, 4), "float32")
    candidate = reference.copy()
    candidate[0, 99, 0, 2] = 8.0
    found = error_map(reference, candidate)
    assert found is not None
    fields = np.array(found.fields)
    assert fields.shape == (FIELDS, FIELDS) and np.count_nonzero(fields) == 1
    assert fields[-1, 0] == pytest.approx(8.0 / (4 * 6 * 4), rel=6e-3)  # 4 rows, 6 columns, 4 channels


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint8", "int64", "bool", ml_dtypes.bfloat16])
def test_any_kind_of_real_number(dtype: object) -> None:
    reference = np.zeros((1, 2, 2, 1), dtype)  # type: ignore[call-overload]
    candidate = reference.copy()
    candidate[0, 1, 0, 0] = 1
    found = error_map(reference, candidate)
    assert found is not None and found.fields == ((0.0, 0.0), (1.0, 0.0))
    again = error_map(candidate, reference)  # unsigned numbers don't wrap around
    assert again == found


def test_what_isnt_finite_is_left_out_and_a_field_of_nothing_else_has_no_number() -> None:
    reference = np.zeros((1, 2, 2, 2), "float32")
    candidate = reference + np.float32(0.5)
    candidate[0, 0, 0] = np.nan, 3.0
    candidate[0, 1, 1] = np.nan, np.inf
    found = error_map(reference, candidate)
    assert found is not None
    assert found.fields[0] == (3.0, 0.5) and found.fields[1][0] == 0.5 and math.isnan(found.fields[1][1])
    far = error_map(np.full((1, 1, 2, 1), -3e38, "float32"), np.array([[[[3e38], [1.0]]]], "float32"))
    assert far is not None and math.isnan(far.fields[0][0]) and far.fields[0][1] == pytest.approx(3e38)


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (np.zeros((2, 3)), np.ones((2, 3))),
        (np.zeros((1, 2, 2, 2, 1)), np.ones((1, 2, 2, 2, 1))),
        (np.zeros((1, 2, 2, 1)), np.ones((1, 2, 3, 1))),
        (np.zeros((1, 1, 1, 8)), np.ones((1, 1, 1, 8))),  # one position is no picture
        (np.zeros((0, 2, 2, 1)), np.ones((0, 2, 2, 1))),
        (np.full((1, 2, 2, 1), "a"), np.full((1, 2, 2, 1), "b")),
        (np.full((1, 2, 2, 1), 1j), np.full((1, 2, 2, 1), 2j)),
        (np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1))),  # nothing differs
        (np.ones((1, 2, 2, 1)), np.full((1, 2, 2, 1), np.nan)),
    ],
)
def test_where_there_is_no_picture(reference: np.ndarray, candidate: np.ndarray) -> None:
    assert error_map(reference, candidate) is None
