"""`gap`: the whole batch and every sample are held against a bound, and innocents keep within both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracer.core.comparison.gap import Gap, Terms, gaps, hold_other_numbers
from tracer.core.numbers.tolerance import PER_SAMPLE, tolerance_for
from tracer.core.source import Call, Value

_BOUND = tolerance_for("float32", local=True)


def value(array: np.ndarray) -> Value:
    return Value(array=np.asarray(array, "float32"))


def gap(reference: np.ndarray, candidate: np.ndarray, inputs: np.ndarray | None, samples: int | None = None) -> Gap:
    count = len(reference) if samples is None else samples
    fed = None if inputs is None else [value(inputs)]
    (found,) = gaps([value(reference)], [value(candidate)], Terms(samples=count), inputs=fed)
    return found


def batch(*sizes: float, width: int = 8) -> np.ndarray:
    return np.random.RandomState(0).normal(size=(len(sizes), width)) * np.array(sizes)[:, None]


@pytest.mark.parametrize(
    ("sizes", "sample", "wrong"),
    [
        ((1e9, 1, 1), 2, 1e-2),
        ((1e6, 1), 1, 1e-2),
        ((1, 1e-6), 1, 1e-3),
        ((1,) * 4096, 77, 3e-5),
        ((0, 1e8, 1), 2, 1e-2),
    ],
)
def test_a_wrong_sample_is_seen_beside_larger_ones(sizes: tuple[float, ...], sample: int, wrong: float) -> None:
    inputs = batch(*sizes)
    candidate = inputs.copy()
    candidate[sample] *= 1 + wrong
    found = gap(inputs, candidate, inputs)
    assert found.difference.rel_error <= _BOUND
    assert found.beyond_locally and found.beyond
    assert found.difference.worst_sample == sample
    assert found.hidden_sample.startswith(f"sample {sample} is wrong by ")


def test_rounding_keeps_within_the_bound_of_a_sample() -> None:
    inputs = batch(*np.exp(np.random.RandomState(1).normal(0, 6, 64)))
    rounded = inputs * (1 + 1e-7 * np.random.RandomState(2).normal(size=inputs.shape))
    found = gap(inputs, rounded, inputs)
    assert not found.beyond and not found.same
    assert found.hidden_sample == ""


@pytest.mark.parametrize("own", [0.0, 1e-30, 1e-9])
def test_a_sample_that_a_relu_has_shut_isnt_wrong_by_what_was_rounded_before_it(own: float) -> None:
    """One unit of it is next to zero: 1e-8 on one side, shut on the other."""
    inputs = batch(1, 1, 1, 1)
    reference = np.maximum(inputs, 0.0)
    reference[2] = 0.0
    reference[2, 0] = own
    candidate = reference.copy()
    candidate[2, 0] = own + 1e-8
    assert not gap(reference, candidate, inputs).beyond


def test_two_numbers_that_cancel_leave_what_was_rounded_of_them() -> None:
    inputs = batch(1e3, 1e3, 1e3)
    reference = inputs.copy()
    reference[1] *= 1e-9
    candidate = reference.copy()
    candidate[1] += 1e-4  # 1e-7 of what came in
    assert not gap(reference, candidate, inputs).beyond
    candidate[1] += 1.0  # 1e-3 of it
    assert gap(reference, candidate, inputs).beyond


def test_without_inputs_samples_are_told_apart_and_nobody_is_blamed_for_them() -> None:
    outputs = batch(1e9, 1)
    candidate = outputs.copy()
    candidate[1] *= 1.01
    found = gap(outputs, candidate, None)
    assert found.difference.sample_error == pytest.approx(1e-2, rel=0.05)
    assert not found.beyond


@pytest.mark.parametrize("samples", [0, 1, 3, 5])
def test_an_axis_that_doesnt_count_the_samples_isnt_one_of_them(samples: int) -> None:
    outputs = batch(1e9, 1)
    candidate = outputs.copy()
    candidate[1] *= 1.01
    found = gap(outputs, candidate, outputs, samples)
    assert found.difference.sample_error is None
    assert not found.beyond


def test_the_bound_of_a_sample_follows_from_that_of_the_batch() -> None:
    inputs = batch(1e9, 1)
    for factor, beyond in ((0.5, False), (2.0, True)):
        candidate = inputs.copy()
        candidate[1] *= 1 + factor * PER_SAMPLE * _BOUND
        assert gap(inputs, candidate, inputs).beyond is beyond


@pytest.mark.parametrize(
    ("upstream", "tolerance"), [("", 2e-6), ("float32", 2e-6), ("float16", 1e-2), ("bfloat16", 8e-2), ("float64", 2e-6)]
)
def test_the_bound_of_an_output_as_it_came_is_that_of_the_least_precise_upstream(
    upstream: str, tolerance: float
) -> None:
    [gap] = gaps([value([1.0])], [value([1.0 + 1e-4])], Terms(upstream=upstream))
    assert (gap.tolerance, gap.local_tolerance) == (tolerance, 2e-6)
    assert (gap.beyond, gap.beyond_locally) == (tolerance < 1e-4, True)


def test_exact_outputs_allow_nothing_whatever_is_upstream() -> None:
    one, other = (Value(array=np.array([number])) for number in (1, 2))
    [gap] = gaps([one], [other], Terms(upstream="float16"))
    assert (gap.tolerance, gap.beyond) == (0.0, True)


_FED = (
    ("", "float32", 1.0, "float16", False),
    ("", "float32", 1.0 + 1e-6, "float32", False),
    ("", "float32", 1.001, "float32", True),
    ("", "float32", 1.001, "float16", True),  # the layer computes with what was lost
    ("", "float16", 1.001, "float16", False),  # one rounding to what the layer computes in
    ("", "float16", 1.004, "float16", True),
    ("float16", "float16", 1.004, "float16", False),  # as much as many layers in float16 add up to
    ("float16", "float32", 1.004, "float32", False),
    ("float16", "float16", 1.1, "float16", True),
    ("float16", "float16", 1.0, "int32", True),
)


@pytest.mark.parametrize(("upstream", "computed", "there", "dtype", "expected"), _FED)
def test_other_numbers_are_told_from_another_precision(
    upstream: str, computed: str, there: float, dtype: str, expected: bool
) -> None:
    r, c = fed(value([1.0]), computed), fed(Value(array=np.array([there], dtype)), computed)
    assert hold_other_numbers(r, c, Terms(upstream=upstream)) is expected


def test_another_number_of_inputs_is_never_the_same_numbers() -> None:
    r = fed(value([1.0]), "float32")
    assert hold_other_numbers(r, replace(r, inputs=(*r.inputs, *r.inputs)), Terms())


def fed(given: Value, computed: str) -> Call:
    return Call(
        path="a", class_name="A", box="", is_box=False, inputs=(given,), outputs=(), context={}, compute_dtype=computed
    )
