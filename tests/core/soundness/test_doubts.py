"""`soundness.reason_to_doubt`: which signals of a run show nothing, and what is said of them.  Records only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tracer.core.soundness.reasons import reason_to_doubt
from tracer.core.soundness.signals import Fed, Signal, Signals, output_signal, signal_of

LIVE = Signal(layer="live", size=8)
DEAD = Signal(layer="dead", size=8, constant=True, zero=True)
SATURATED = Signal(layer="saturated", size=8, constant=True)
NAN = Signal(layer="nan", size=8, nan=True, blind=True)
INFINITE = Signal(layer="infinite", size=8, infinite=True, blind=True)
MASKED = Signal(layer="masked", size=8, infinite=True)  # some infinities, on purpose
CLASSES = Signal(layer="classes", size=2, exact=True)
ONE_CLASS = replace(CLASSES, constant=True)
FED = Fed(samples=2, differ=True)


def doubt(*calls: Signal, outputs: tuple[Signal, ...] = (LIVE,), fed: Fed = FED) -> str:
    return reason_to_doubt(Signals(calls=calls, outputs=outputs, fed=fed))


@pytest.mark.parametrize(
    ("calls", "outputs"),
    [
        ((LIVE,), (LIVE,)),
        ((LIVE, DEAD), (LIVE,)),  # half of them
        ((LIVE, LIVE, NAN), (LIVE,)),  # a few, of which nothing comes
        ((MASKED, LIVE), (LIVE,)),
        ((LIVE,), (LIVE, DEAD)),  # one output that lives is enough
        ((LIVE,), (CLASSES,)),
        ((LIVE,), (replace(ONE_CLASS, size=8), CLASSES)),
        ((LIVE,), (Signal(layer="mask", size=8, truths=True, constant=False),)),
        ((), ()),
    ],
)
def test_what_shows_something(calls: tuple[Signal, ...], outputs: tuple[Signal, ...]) -> None:
    assert doubt(*calls, outputs=outputs) == ""


@pytest.mark.parametrize(
    ("calls", "outputs", "why"),
    [
        ((LIVE, NAN), (NAN,), "both sides return NaN from nan on: the model output nan holds no number"),
        ((MASKED, NAN), (NAN,), "both sides return NaN from nan on"),  # infinities before it are another thing
        ((MASKED, INFINITE), (INFINITE,), "both sides return infinite values from masked on"),
        ((LIVE,), (replace(NAN, layer="out"),), "from out on"),  # no call is known to be the first
        ((LIVE, NAN), (LIVE, replace(LIVE, layer="out", nan=True, blind_samples=(1,))),
         "from nan on: sample 1 of the model output out holds no number"),
        ((LIVE,), (replace(LIVE, infinite=True, blind_samples=(0, 2, 4, 6, 8)),),
         "sample 0, 2, 4, 6, … of the model output live holds no number"),
        ((LIVE, NAN), (ONE_CLASS,), "from nan on: the model output classes comes of these"),
        ((NAN, NAN, LIVE), (LIVE,), "from nan on: 2 of 3 activations hold no number to compare"),
        ((LIVE, DEAD, DEAD), (LIVE,), "2 of 3 activations are constant (the first is dead)"),
        ((LIVE, NAN, DEAD), (LIVE,), "2 of 3 activations are constant (the first is dead)"),
        ((LIVE, DEAD), (DEAD,), "dead, the model's output, is the same whatever goes in (the first constant"),
        ((LIVE,), (DEAD, SATURATED), "dead, saturated, the model's output, is the same whatever goes in."),
        ((LIVE,), (replace(LIVE, alike=True),), "live, the model's output, is the same whatever goes in"),
        ((LIVE, SATURATED), (ONE_CLASS,), "classes, the model's output, is the same whatever goes in"),
    ],
)  # fmt: skip
def test_what_shows_nothing_says_why(calls: tuple[Signal, ...], outputs: tuple[Signal, ...], why: str) -> None:
    found = doubt(*calls, outputs=outputs)
    assert why in found
    assert found.endswith(("finite numbers.", "other weights."))  # and what to do


def test_one_class_for_every_sample_is_no_doubt_while_what_it_comes_of_lives() -> None:
    assert doubt(SATURATED, LIVE, outputs=(ONE_CLASS,)) == ""
    assert doubt(LIVE, SATURATED, outputs=(ONE_CLASS,))


def test_equal_samples_are_expected_of_equal_inputs() -> None:
    alike = (replace(LIVE, alike=True),)
    assert doubt(LIVE, outputs=alike, fed=Fed(samples=2)) == ""
    assert doubt(LIVE, outputs=alike, fed=FED)


def test_constant_activations_are_expected_of_constant_inputs_but_zeros_are_not() -> None:
    fed = Fed(samples=2, constant=True)
    assert doubt(SATURATED, outputs=(SATURATED,), fed=fed) == ""
    assert doubt(DEAD, outputs=(DEAD,), fed=fed)
    assert Signals(calls=(SATURATED, DEAD), fed=fed).dead == ("dead",)
    assert Signals(calls=(SATURATED, DEAD), fed=FED).dead == ("saturated", "dead")


def test_inputs_without_a_number_are_named_as_the_reason() -> None:
    assert doubt(LIVE, fed=replace(FED, blind=True)).startswith("every value of the inputs is NaN or infinite")
    assert ", and the inputs hold such values already: " in doubt(NAN, outputs=(NAN,), fed=replace(FED, nonfinite=True))


# --- what a tensor carries


@pytest.mark.parametrize(
    ("values", "samples", "expected"),
    [
        (np.array([[1.0, 2.0], [1.0, 2.0]]), 2, {"alike": True}),
        (np.array([[1.0, 2.0], [1.0, 3.0]]), 2, {"alike": False}),
        (np.full((2, 2), 0.5), 4, {"alike": False}),  # the first axis isn't the samples
        (np.array([[np.nan], [1.0], [np.inf]]), 3, {"blind_samples": (0, 2), "nan": True, "infinite": True}),
        (np.array([[np.nan, 1.0], [1.0, 1.0]]), 2, {"blind_samples": (), "blind": False}),
        (np.array([3.0, 5.0]), 2, {"exact": True}),  # a few whole numbers: counts
        (np.array([0.0, 1.0]), 2, {"exact": False}),  # what activations end at
        (np.arange(8.0), 8, {"exact": False}),  # too many to be counts
        (np.array([2, 2, 2]), 3, {"exact": True, "constant": True, "zero": False}),
        (np.zeros((2, 2)), 2, {"zero": True, "constant": True, "exact": False}),
    ],
)
def test_what_an_output_carries(values: Any, samples: int, expected: dict[str, Any]) -> None:
    found = output_signal("out", values, samples)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("shape", [(1, 16, 16, 16), (4, 32, 32, 64), (64, 64), (3, 5, 7), (300, 1000)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_dead_channel_is_not_a_dead_layer(shape: tuple[int, ...], order: Any) -> None:
    """At some sizes all values that a glance falls on are of the first channel."""
    values = np.zeros(shape, order=order)
    assert signal_of("a", values).zero
    values[..., 1:] = 1
    assert not signal_of("a", values).constant
