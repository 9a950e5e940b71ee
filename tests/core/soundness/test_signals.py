"""`soundness`: what a tensor carries, whether it is enough, and what follows.  Arrays and records only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracer.core.comparison.conclusion import conclude
from tracer.core.soundness.reasons import reason_to_doubt
from tracer.core.soundness.signals import Fed, Signal, Signals, check_inputs, look_at_inputs, output_signal, signal_of
from tracer.errors import InputError
from tracer.records import Status

_LIVE = signal_of("live", np.arange(8, dtype="float32"))
_DEAD = signal_of("dead", np.zeros((2, 3), "float32"))
_FED = Fed(samples=2, differ=True)


@pytest.mark.parametrize(
    ("values", "is_dead"),
    [
        (np.zeros((2, 3)), True),
        (np.full((2, 1), 0.5), True),
        (np.full((1, 1), 0.5), False),  # one number is no constant
        (np.zeros((1, 1)), True),  # but nothing at all is suspicious
        (np.full((2, 1), 3.0), False),  # a count
        (np.array([3, 3]), False),  # a class of each of two samples
        (np.full(8, 3), True),
        (np.ones((4, 4), bool), False),  # a mask
        (np.full(9, "a"), True),
        (np.array([1.0, 2.0]), False),
        (np.array([np.nan, np.nan]), False),  # told otherwise
        (np.empty((0, 3)), False),
    ],
)
def test_what_is_dead(values: np.ndarray[Any, Any], is_dead: bool) -> None:
    assert signal_of("x", values).dead is is_dead


@pytest.mark.parametrize(
    ("values", "constant"),
    [
        ([1.0, 1 - 2**-24, 1.0], True),  # a softmax of one class, on some processors
        ([-1.0, -1 + 2**-24], True),
        ([1.0, 1 - 2**-22], False),
        ([0.0, 1e-30], False),
        ([-1e-30, 1e-30], False),
        ([np.inf, np.inf], True),
        ([np.inf, 1.0], False),
        ([np.nan, np.nan], False),
    ],
)
def test_a_last_bit_of_rounding_is_no_signal(values: list[float], constant: bool) -> None:
    assert signal_of("a", np.array(values, "float32")).constant is constant
    assert not signal_of("a", np.array([1.0, 1 - 2**-11], "float16")).constant


def test_a_constant_is_told_from_a_few_hundred_values_and_a_spike_between_them_is_seen() -> None:
    values = np.zeros(1 << 20, "float32")
    assert signal_of("x", values).dead
    values[:: (1 << 20) // 4096] = 1.0
    values[0] = 0.0
    assert not signal_of("x", values).dead


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_what_holds_no_number(dtype: str) -> None:
    whole, half = np.full((2, 4), np.nan, dtype), np.zeros((2, 4), dtype)
    half[0, :4] = np.inf
    assert signal_of("x", whole).blind
    assert not signal_of("x", half).blind
    assert signal_of("x", half).infinite
    assert output_signal("x", half, 2).blind_samples == (0,)
    assert output_signal("x", half, 8).blind_samples == ()  # the first axis isn't the samples


def test_nan_in_more_than_half_holds_no_number_but_masked_logits_do() -> None:
    values = np.zeros(8, "float32")
    values[:5] = np.nan
    assert signal_of("x", values).blind
    values[:5] = -np.inf
    assert not signal_of("x", values).blind


def test_inputs() -> None:
    fed = look_at_inputs({"a": np.array([[1.0, 2.0], [3.0, np.nan]]), "b": np.array([1, 2])})
    assert fed == Fed(samples=2, nonfinite=True, differ=True)
    assert look_at_inputs([np.full((2, 2), np.inf)]).blind
    assert look_at_inputs(np.full((3, 2), 7)) == Fed(samples=3, constant=True)


@pytest.mark.parametrize("inputs", [[], {}, None, np.empty((0, 3)), [np.ones(2), np.empty((2, 0))]])
def test_inputs_without_anything_are_an_error(inputs: Any) -> None:
    with pytest.raises(InputError, match=r"no array|no samples"):
        check_inputs(inputs)


def test_more_than_half_is_too_much_and_half_is_not() -> None:
    assert not reason_to_doubt(Signals(calls=(_LIVE, _DEAD), outputs=(_LIVE,), fed=_FED))
    assert "2 of 3 activations are constant" in reason_to_doubt(
        Signals(calls=(_LIVE, _DEAD, _DEAD), outputs=(_LIVE,), fed=_FED)
    )


def test_one_output_that_lives_is_enough() -> None:
    calls = (_LIVE, _LIVE, _DEAD)
    assert not reason_to_doubt(Signals(calls=calls, outputs=(_LIVE, _DEAD), fed=_FED))
    assert "dead, the model's output" in reason_to_doubt(Signals(calls=calls, outputs=(_DEAD,), fed=_FED))


def test_equal_samples_are_told_only_where_the_inputs_differ() -> None:
    alike = output_signal("head", np.repeat(np.arange(3.5)[None], 2, axis=0), 2)
    assert reason_to_doubt(Signals(calls=(_LIVE, alike), outputs=(alike,), fed=_FED))
    assert not reason_to_doubt(Signals(calls=(_LIVE, alike), outputs=(alike,), fed=Fed(samples=2)))


def test_it_says_where_nan_begins_and_passes_over_a_mask_of_infinities() -> None:
    mask = Signal(layer="mask", size=9, infinite=True)
    first, last = (Signal(layer=name, size=9, nan=True, blind=True) for name in ("log", "head"))
    fed = Fed(samples=2, nonfinite=True)
    said = reason_to_doubt(Signals(calls=(mask, first, last), outputs=(last,), fed=fed))
    assert said.startswith("both sides return NaN from log on, and the inputs hold such values already: ")


@pytest.mark.parametrize(
    ("given", "status", "why"),
    [
        ({"nothing": "n", "faults": True}, Status.INCONCLUSIVE, "n"),
        ({"faults": True, "random": "r", "unsound": "u"}, Status.DIVERGED, ""),
        ({"random": "r", "differs": True}, Status.INCONCLUSIVE, "r"),
        ({"differs": True, "unsound": "u"}, Status.DIVERGED, ""),
        ({"unsound": "u", "same": True}, Status.INCONCLUSIVE, "u"),
        ({"same": True}, Status.PASS, ""),
        ({}, Status.WITHIN_TOLERANCE, ""),
    ],
)
def test_what_outweighs_what(given: Any, status: Status, why: str) -> None:
    found = conclude(**given)
    assert (found.status, found.reason) == (status, why)
