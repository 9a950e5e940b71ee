"""`training=None`: models are run as people call them, `model(x)`, and a leaked `training=True` shows."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.spec import parse_spec
from tracer.errors import SpecError
from tracer.report import render


def graph(layer: Any, **called: Any) -> Any:
    x = keras.Input((8,), name="x")
    h = layers.Dense(8, kernel_initializer="ones", name="a")(x)
    return keras.Model(x, layers.Dense(2, kernel_initializer="ones", name="o")(layer(h, **called)))


class Normalized(keras.Model):
    """Trains unless it is told not to."""

    def __init__(self, default: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.default, self.dense, self.bn = (
            default,
            layers.Dense(4, kernel_initializer="ones"),
            layers.BatchNormalization(),
        )

    def call(self, x: Any, training: Any = None) -> Any:
        return self.bn(self.dense(x), training=self.default if training is None else training)


class Training(Normalized):
    """The same by the default of its call."""

    def call(self, x: Any, training: bool = True) -> Any:
        return self.bn(self.dense(x), training=training)


def subclassed(kind: type[Normalized], default: bool) -> Any:
    model = kind(default, name="m")
    model(np.ones((2, 5), "float32"), training=False)
    return model


def test_a_leaked_training_is_seen_only_as_called() -> None:
    leaking, right = (
        graph(layers.BatchNormalization(name="bn"), training=True),
        graph(layers.BatchNormalization(name="bn")),
    )
    for training in (False, True):
        assert tracer.diff(leaking, right, training=training).matches
    report = tracer.diff(leaking, right, training=None)
    assert (report.status, [f.layer for f in report.faults], report.faults[0].cause) == (
        "diverged", ["bn"], "call-context",
    )  # fmt: skip
    assert report.faults[0].proof.holds
    assert "- both models were called as model(x), with no training argument handed on." in render(report)


@pytest.mark.parametrize("kind", [Normalized, Training])
def test_the_default_of_a_call_counts(kind: type[Normalized]) -> None:
    trains, predicts = subclassed(kind, True), subclassed(Normalized, False)
    assert tracer.diff(trains, predicts).matches
    assert tracer.diff(trains, predicts, training=None).status == "diverged"
    assert tracer.diff(trains, subclassed(Training, True), training=None).matches


def test_equal_models_pass_as_called_and_keep_their_state() -> None:
    model = graph(layers.BatchNormalization(name="bn"), training=True)
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert tracer.diff(model, model, training=None).status == "pass"
    assert all(np.array_equal(x, keras.ops.convert_to_numpy(v)) for x, v in zip(before, model.variables, strict=True))


def test_a_dropout_that_is_always_on_is_the_same_in_a_copy_and_never_blamed_in_one_model() -> None:
    model, copy = (graph(layers.Dropout(0.5, seed=3, name="drop"), training=True) for _ in range(2))
    assert tracer.diff(model, copy, training=None).status == "pass"
    for training in (None, False):  # whose turn it is at the one generator is chance
        with contextlib.suppress(SpecError):
            assert tracer.diff(model, model, training=training).status in ("pass", "inconclusive")
    off = graph(layers.Dropout(0.5, seed=3, name="drop"))
    report = tracer.diff(model, off, training=None)
    assert (report.status, report.faults[0].layer) == ("diverged", "drop")


def test_a_fresh_process_and_a_function_are_called_so_too() -> None:
    model = graph(layers.BatchNormalization(name="bn"), training=True)
    report = tracer.roundtrip(model, training=None)
    assert report.matches and "called as model(x)" in report.notes[-1]


def test_the_default_says_nothing_and_training_is_told() -> None:
    model = graph(layers.BatchNormalization(name="bn"))
    assert tracer.diff(model, model).notes == ()
    assert tracer.diff(model, model, training=True).notes == ("both models were called with training=True.",)


def test_one_model_cannot_draw_twice_from_one_seed() -> None:
    """Both sides run at the same time, and whose turn it is at the generator is chance."""
    model = graph(layers.Dropout(0.5, seed=1, name="drop"))
    assert tracer.diff(model, model).matches
    with pytest.raises(SpecError, match="both sides are one model, whose random layers"):
        tracer.diff(model, model, training=True)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    assert tracer.diff(model, twin, training=True).matches


def test_one_specification_given_twice_makes_two_models_which_train_alike(tmp_path: Path) -> None:
    file = str(tmp_path / "model.keras")
    graph(layers.Dropout(0.5, seed=1, name="drop")).save(file)
    for one in (file, parse_spec(file)):
        assert tracer.diff(one, one, training=True).matches
