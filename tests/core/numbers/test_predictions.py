"""How many predictions changed: what a prediction is, and what counts as another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.numbers.predictions import count_changed, rule_of
from tracer.core.source import End, Value


def end(*outputs: Any, wiring: tuple[str, ...] | None = None) -> End:
    return End(outputs=tuple(Value(array=np.asarray(output)) for output in outputs), wiring=wiring)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits)
    return powers / powers.sum(-1, keepdims=True)


_LOGITS = np.random.RandomState(0).normal(size=(6, 3))


@pytest.mark.parametrize(
    ("outputs", "rule"),
    [
        (softmax(_LOGITS), "argmax"),
        (softmax(_LOGITS).astype("float16"), "argmax"),
        (_LOGITS, "argmax"),
        (1 / (1 + np.exp(-_LOGITS)), "threshold"),  # several labels, each by itself
        (np.array([[0.2], [0.9]]), "threshold"),
        (np.array([0.2, 0.9]), "threshold"),
        (softmax(np.random.RandomState(0).normal(size=(2, 4, 4, 3))), "argmax"),  # a class of every pixel
        (np.random.RandomState(0).uniform(size=(2, 4, 4, 1)), "threshold"),  # a mask
        (_LOGITS[:, :1], None),  # a regression
        (np.random.RandomState(0).normal(size=(2, 4, 3)), None),  # a sequence of features
        (np.arange(6).reshape(3, 2), None),
        (np.array([["a"]]), None),
        (np.zeros((0, 3)), None),
        (np.full((2, 3), np.nan), "argmax"),
    ],
)
def test_what_a_prediction_is(outputs: Any, rule: str | None) -> None:
    assert rule_of(np.asarray(outputs)) == rule


@given(st.integers(0, 100))
def test_rounding_changes_no_prediction_and_another_order_does(seed: int) -> None:
    logits = np.random.RandomState(seed).normal(size=(5, 4))
    [same] = count_changed(end(logits), end(logits * (1 + 1e-9)))
    assert (same.total, same.changed, same.samples) == (5, 0, ())
    [other] = count_changed(end(logits), end(np.roll(logits, 1, axis=1)))
    assert other.changed == 5 and other.samples == (0, 1, 2, 3, 4)


def test_which_samples_changed_is_told_up_to_eight() -> None:
    here = np.tile([0.9, 0.1], (20, 1))
    there = here.copy()
    there[5:15] = [0.1, 0.9]
    [found] = count_changed(end(here), end(there))
    assert (found.rule, found.total, found.changed) == ("argmax", 20, 10)
    assert found.samples == (5, 6, 7, 8, 9, 10, 11, 12)


def test_a_threshold_is_crossed_or_it_is_not() -> None:
    here = np.array([[0.2], [0.6], [0.9], [0.5]])
    [found] = count_changed(end(here), end(here + np.array([[0.2], [-0.2], [0.05], [0.01]])))
    assert (found.rule, found.changed, found.samples) == ("threshold", 2, (1, 3))


def test_a_sample_with_several_predictions_is_named_once() -> None:
    here = np.zeros((2, 4, 4, 1))
    there = here.copy()
    there[1, 2:] = 1.0
    [found] = count_changed(end(here), end(there))
    assert (found.total, found.changed, found.samples) == (32, 8, (1,))


@pytest.mark.parametrize("here", [np.array([[0.1, 0.9], [0.4, 0.6]]), np.array([[0.2], [0.3]])])
def test_no_number_is_another_prediction(here: Any) -> None:
    there = here.copy()
    there[1, -1] = np.nan  # where the largest is, which NumPy takes for the largest as well
    [found] = count_changed(end(here), end(there))
    assert (found.changed, found.samples) == (1, (1,))


def test_every_output_is_named_by_its_layer_or_its_number() -> None:
    outputs = softmax(_LOGITS), _LOGITS[:, :1], np.array([[0.5]] * 6)
    assert [p.output for p in count_changed(end(*outputs, wiring=("a", "b", "c")), end(*outputs))] == ["a", "c"]
    assert [p.output for p in count_changed(end(*outputs), end(*outputs))] == ["number 0", "number 2"]


def test_a_rule_that_is_known_holds_whatever_the_numbers_look_like() -> None:
    unlike = end(np.array([[0.4, 0.6]]))
    assert [p.rule for p in count_changed(unlike, unlike, {"number 0": "threshold"})] == ["threshold"]
    assert count_changed(unlike, unlike, {}) == ()


def test_outputs_of_another_shape_are_not_counted() -> None:
    assert count_changed(end(_LOGITS), end(_LOGITS[:, :2])) == ()
