"""Traps of randomness and training: what differs from itself, what draws, what learns while it runs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from plant_models import around, fill, numbers
from plants import blamed, causes, recoded_instance, scaled, verdicts

import tracer

pytestmark = pytest.mark.quality


class Noisy(layers.Layer):
    """Draws from a generator that nothing can seed."""

    def call(self, x: Any) -> Any:
        return x + np.random.uniform(0.1, 1.0, x.shape).astype("float32")

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


def test_a_layer_that_differs_from_itself_is_not_blamed() -> None:
    report = tracer.diff(around(Noisy(name="noise")), around(Noisy(name="noise")), numbers(4, 6))
    assert verdicts(report) == {"before": "identical", "noise": "nondeterministic", "behind": "inherited"}
    assert report.faults == ()
    assert not report.matches
    assert any("noise" in note for note in report.notes)


def test_a_reference_that_differs_from_itself_is_said_to_and_nothing_else_is_guessed() -> None:
    class Quiet(layers.Layer):
        def call(self, x: Any) -> Any:
            return x + 0.5

    Quiet.__name__ = "Noisy"
    report = tracer.diff(around(Noisy(name="noise")), around(Quiet(name="noise")), numbers(4, 6))
    assert (report.status, report.faults) == ("inconclusive", ())
    assert not any("rounding" in note for note in report.notes)


@pytest.mark.parametrize("path", ["before", "behind"])
def test_a_fault_beside_a_nondeterministic_layer_is_found(path: str) -> None:
    reference, candidate = around(Noisy(name="noise")), around(Noisy(name="noise"))
    with scaled(path)(candidate):
        report = tracer.diff(reference, candidate, numbers(4, 6))
    assert causes(report) == [(path, "weights")]
    assert verdicts(report)["noise"] == "nondeterministic"


class Box(layers.Layer):
    """Code of its own around a layer that draws."""

    def __init__(self, factor: float = 2.0, draws: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor, self.draws, self.noise = factor, draws, Noisy(name="noise")

    def call(self, x: Any) -> Any:
        given = x + np.random.uniform(0.1, 1.0, x.shape).astype("float32") if self.draws else x
        return self.noise(given) * self.factor

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


def test_the_code_of_a_layer_is_at_fault_though_what_is_inside_draws() -> None:
    report = tracer.diff(around(Box(name="box")), around(Box(3.0, name="box")), numbers(4, 6))
    assert causes(report) == [("box", "config")]
    assert verdicts(report)["box/noise"] == "nondeterministic"
    assert report.faults[0].proof.holds
    assert tracer.diff(around(Box(name="box")), around(Box(name="box")), numbers(4, 6)).faults == ()


def test_code_that_draws_what_it_hands_to_a_layer_inside_is_not_blamed() -> None:
    report = tracer.diff(around(Box(draws=True, name="box")), around(Box(draws=True, name="box")), numbers(4, 6))
    assert (report.status, report.faults) == ("inconclusive", ())
    assert verdicts(report)["box"] == "nondeterministic"


def _augmented() -> Any:
    i = keras.Input((8, 8, 3), name="image")
    x = layers.RandomFlip("horizontal", name="flip")(i)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(layers.RandomContrast(0.4, name="contrast")(x))
    x = layers.Dropout(0.4, name="dropout")(layers.GaussianNoise(0.3, name="noise")(x))
    return fill(keras.Model(i, layers.Dense(2, name="head")(layers.Flatten(name="flat")(x)), name="m"))


def test_random_layers_in_training_pass_with_their_seeds_synchronized() -> None:
    reference, candidate = _augmented(), _augmented()
    report = tracer.diff(reference, candidate, numbers(4, 8, 8, 3), training=True)
    assert (report.status, report.faults) == ("pass", ())
    with scaled("conv")(candidate):
        report = tracer.diff(reference, candidate, numbers(4, 8, 8, 3), training=True)
    assert causes(report) == [("conv", "weights")]
    assert report.faults[0].proof.holds


def test_another_dropout_rate_is_found_in_training_alone() -> None:
    reference, candidate = around(layers.Dropout(0.3, name="drop")), around(layers.Dropout(0.5, name="drop"))
    assert tracer.diff(reference, candidate, numbers(4, 6)).matches
    assert causes(tracer.diff(reference, candidate, numbers(4, 6), training=True)) == [("drop", "config")]


@pytest.mark.parametrize("training", [False, True])
def test_a_frozen_batch_normalization_is_found_in_training_alone(training: bool) -> None:
    reference, candidate = (around(layers.BatchNormalization(name="bn")) for _ in range(2))
    candidate.get_layer("bn").trainable = False
    report = tracer.diff(reference, candidate, numbers(8, 6), training=training)
    assert blamed(report) == (("bn",) if training else ())
    assert not training or causes(report) == [("bn", "config")]


def test_new_code_in_a_batch_normalization_in_training_behind_another_fault_is_no_weight_fault() -> None:
    """Its moving statistics move with its inputs; they are no reason."""
    reference, candidate = (around(layers.BatchNormalization(name="bn")) for _ in range(2))
    with scaled("before", 1.1)(candidate), recoded_instance("bn")(candidate):
        report = tracer.diff(reference, candidate, numbers(8, 6), training=True)
    assert causes(report) == [("before", "weights"), ("bn", "implementation")]


@pytest.mark.parametrize("rates", [{"dropout": 0.3}, {"recurrent_dropout": 0.3}])
def test_a_recurrent_layer_with_dropout_is_blamed_in_training(rates: dict[str, float]) -> None:
    def build() -> Any:
        i = keras.Input((4, 6), name="x")
        x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm", **rates), name="bi")(i)
        return fill(keras.Model(i, layers.GRU(3, name="gru", **rates)(x), name="m"))

    reference, candidate = build(), build()
    with scaled("bi/backward_lstm", 1.01)(candidate):
        report = tracer.diff(reference, candidate, numbers(3, 4, 6), training=True)
    assert causes(report) == [("bi/backward_lstm", "weights")]
    found = verdicts(report)
    assert (found["bi/forward_lstm"], found["bi/backward_lstm"]) == ("identical", "introduced")
    assert (found["bi"], found["gru"]) == ("inherited", "inherited")
    assert report.faults[0].proof.holds
