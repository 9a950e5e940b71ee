"""`gap`: what of a tensor's type differs, what a few dozen glances tell, and which bound an output is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from makers import value

from tracer.core.comparison.gap import Gap, Terms, gaps, look_equal, slack_between, type_difference
from tracer.core.numbers.equal_tensors import EqualTensors
from tracer.core.numbers.tolerance import BETWEEN_BACKENDS, tolerance_for
from tracer.core.source import Value
from tracer.records import Difference

_X = np.linspace(1.0, 2.0, 24, dtype="float32").reshape(4, 6)
_MASK = np.array([True, False, True, True])


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        (value(_X), value(_X), ""),
        (value(_X), value(_X + 1), ""),  # numbers aren't part of the type
        (value(_X), value(_X.T), "shape (4, 6) against (6, 4)"),
        (value(_X), value(_X.astype("float64")), "dtype float32 against float64"),
        (value(_X, sparse=True), value(_X), "sparse against dense"),
        (value(_X), value(_X, sparse=True), "dense against sparse"),
        (value(_X, mask=_MASK), value(_X, mask=_MASK.copy()), ""),
        (value(_X, mask=_MASK), value(_X, mask=~_MASK), "the mask"),
        (value(_X, mask=_MASK), value(_X), "a mask against none"),
        (value(_X), value(_X, mask=_MASK), "no mask against one"),
        (value(_X, mask=_MASK), value(_X[:2].astype("int32"), sparse=True),
         "shape (4, 6) against (2, 6), dtype float32 against int32, dense against sparse, a mask against none"),
    ],
)  # fmt: skip
def test_what_of_the_type_differs_is_told_in_full(here: Value, there: Value, words: str) -> None:
    assert type_difference(here, there) == words
    (found,) = gaps([here], [there])
    assert found.kind == words
    if words:
        assert found.beyond and found.beyond_locally and not found.same


def test_equal_bytes_of_another_dtype_are_not_the_same() -> None:
    ones = np.ones(4, "int32")
    (found,) = gaps([value(ones)], [value(ones.view("uint32"))])
    assert found.kind == "dtype int32 against uint32" and not found.same


def test_known_twins_are_the_same_whatever_they_hold() -> None:
    here, there, twins = value(_X), value(_X + 1), EqualTensors()
    twins.add(here, there)
    assert gaps([here], [there], Terms(twins=twins))[0].same
    assert not gaps([here], [there], Terms(twins=twins).alone)[0].same


def test_what_was_found_equal_is_remembered() -> None:
    here, there, twins = value(_X), value(_X.copy()), EqualTensors()
    assert gaps([here], [there], Terms(twins=twins))[0].same
    assert twins.known(here, there)


# --- the bound

HALF = _X.astype("float16")


@pytest.mark.parametrize(
    ("here", "there", "computed_in", "wide", "tight"),
    [
        (_X, _X, (), tolerance_for("float32"), tolerance_for("float32")),
        (HALF, HALF, (), tolerance_for("float16"), tolerance_for("float16", local=True)),
        (_X, HALF, (), tolerance_for("float16"), tolerance_for("float16", local=True)),
        (_X, _X, ("float16",), tolerance_for("float16"), tolerance_for("float16", local=True)),
        (_X, _X, ("bfloat16", "float32"), tolerance_for("bfloat16"), tolerance_for("bfloat16", local=True)),
        (_X, _X, ("int8", ""), tolerance_for("float32"), tolerance_for("float32")),  # no dtype of numbers that round
        (np.arange(4), np.arange(4), ("bfloat16",), 0.0, 0.0),
    ],
)
def test_the_least_precise_dtype_sets_both_bounds(
    here: Any, there: Any, computed_in: tuple[str, ...], wide: float, tight: float
) -> None:
    (found,) = gaps([value(here)], [value(there)], dtypes=computed_in)
    assert (found.tolerance, found.local_tolerance) == (wide, tight)
    (slack,) = gaps([value(here)], [value(there)], Terms(slack=3.0), dtypes=computed_in)
    assert (slack.tolerance, slack.local_tolerance) == (3 * wide, tight)


@pytest.mark.parametrize(
    ("here", "there", "slack"),
    [
        ({"backend": "jax"}, {"backend": "jax"}, 1.0),
        ({"backend": "jax"}, {"backend": "torch"}, BETWEEN_BACKENDS),
        ({"backend": "jax"}, {"backend": "jax", "device": "NVIDIA H200"}, BETWEEN_BACKENDS),
    ],
)
def test_two_backends_or_devices_are_given_slack(here: dict[str, str], there: dict[str, str], slack: float) -> None:
    class Side:
        def __init__(self, environment: dict[str, str]) -> None:
            self.environment = environment

    assert slack_between(Side(here), Side(there)) == slack  # type: ignore[arg-type]


def test_rounding_upstream_widens_a_bound_and_what_is_exact_stays_so() -> None:
    terms = Terms(slack=3.0, rounding=5e-6)
    assert terms.widen(2e-6) == pytest.approx(1.5e-5)
    assert terms.widen(1e-2) == pytest.approx(3e-2)
    assert terms.widen(0.0) == 0.0


@given(st.floats(0, 1), st.none() | st.floats(0, 1), st.booleans())
def test_beyond_is_beyond_one_of_the_two_bounds(error: float, sample: float | None, by_sample: bool) -> None:
    numbers = Difference(rel_error=error, max_abs=0, max_ulp=0, cosine=1, sample_error=sample, worst_sample=0)
    gap = Gap(difference=numbers, kind="", same=False, tolerance=0.5, local_tolerance=0.1, by_sample=by_sample)
    shown = sample if by_sample and sample is not None else 0.0
    assert gap.beyond is (error > 0.5 or shown > 4 * 0.5)
    assert gap.beyond_locally is (error > 0.1 or shown > 4 * 0.1)
    assert bool(gap.hidden_sample) is (error <= 0.1 and shown > 4 * 0.1)


@pytest.mark.parametrize(("shape", "samples", "count"), [((4, 6), 4, 4), ((4, 6), 6, 0), ((1, 6), 1, 0), ((), 4, 0)])
def test_samples_are_told_apart_where_the_first_axis_counts_them(
    shape: tuple[int, ...], samples: int, count: int
) -> None:
    assert Terms(samples=samples).count(value(np.zeros(shape))) == count


# --- a glance

arrays = hnp.arrays(
    st.sampled_from(["float32", "float64", "int32", "bool"]), hnp.array_shapes(max_dims=2, max_side=9),
    elements={"allow_nan": True},
)  # fmt: skip


@given(arrays)
def test_equal_tensors_look_equal(array: np.ndarray) -> None:
    assert look_equal(value(array), value(array.copy()))


@given(arrays, st.data())
def test_small_tensors_are_seen_whole(array: np.ndarray, data: st.DataObject) -> None:
    other = array.copy().reshape(-1)
    place = data.draw(st.integers(0, other.size - 1))
    other[place] = not other[place] if array.dtype == bool else 7 if other[place] != 7 else 8
    assert not look_equal(value(array), value(other.reshape(array.shape)))


@pytest.mark.parametrize(
    "other", [_X.T, _X.astype("float64"), _X[:, ::2], np.array(["a"]), np.empty((0, 3), "float32")], ids=str
)
def test_what_cant_be_seen_at_a_glance_doesnt_look_equal(other: Any) -> None:
    assert not look_equal(value(_X), value(other))
    assert not look_equal(value(other), value(other)) or other.flags.c_contiguous
