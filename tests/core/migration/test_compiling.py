"""What a model was compiled with: losses, metrics, optimizers; held against the Keras that is installed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.migration.compiling import loss_names, translate_compiling
from tracer.engine.losses import compile_model


def config(loss: Any, **more: Any) -> dict[str, Any]:
    """As Keras 2.15 writes it into a `.keras` file."""
    return {"optimizer": "adam", "loss": loss, "metrics": None, "loss_weights": None, **more}


def of_class(class_name: str, module: str | None = "keras.losses", **settings: Any) -> dict[str, Any]:
    """A loss, metric or optimizer with its settings."""
    return {"module": module, "class_name": class_name, "config": settings, "registered_name": None}


def compiled(config: dict[str, Any]) -> Any:
    """A model of one input and two outputs, compiled."""
    x = keras.Input((3,))
    outputs = [keras.layers.Dense(2, "softmax", name=name)(x) for name in ("a_b", "c")]
    model = keras.Model(x, outputs)
    compile_model(model, translate_compiling(config).new)
    return model


def test_a_model_that_was_not_compiled_is_not_compiled() -> None:
    for nothing in ({}, config(None)):
        found = translate_compiling(nothing)
        assert (found.old, found.new, found.left) == ({}, {}, ())


def test_losses_by_output_keep_their_settings_and_their_weights() -> None:
    first = of_class("CategoricalCrossentropy", reduction="auto", name="cce", from_logits=False, label_smoothing=0.5)
    written = config({"a/b": first, "c": "kullback_leibler_divergence"}, loss_weights={"a/b": 2.0, "c": 0.0})
    model = compiled(written)
    x, y = np.ones((4, 3), "float32"), np.eye(2, dtype="float32")[[0, 1, 1, 0]]
    predicted = np.asarray(model(x)[0])
    smooth = y * 0.5 + 0.25
    expected = 2 * -np.mean(np.sum(smooth * np.log(predicted), axis=-1))
    found = model.test_on_batch(x, [y, y], return_dict=True)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)
    assert list(loss_names(translate_compiling(written).old["loss"])) == [
        "CategoricalCrossentropy",
        "kullback_leibler_divergence",
    ]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (of_class("Own", "mine"), "the loss mine.Own isn't Keras' own"),
        (of_class("LossFunctionWrapper", fn="own"), "a loss is of the user's own"),
        ({**of_class("Mse"), "registered_name": "mine>Mse"}, "a loss is of the user's own"),
        (of_class("Huber", delta={"class_name": "get_file"}), "the loss Huber has settings that are objects"),
    ],
)
def test_a_loss_of_the_users_own_is_named_and_nothing_of_it_is_handed_on(written: Any, says: str) -> None:
    found = translate_compiling(config(written))
    assert (found.old, found.new) == ({}, {})
    assert says in found.left[0]
    assert "The new file isn't compiled" in found.left[0]


def test_keras_2_is_handed_names_of_losses_alone() -> None:
    """What it would import for a module that a file names isn't asked of it."""
    found = translate_compiling(config(of_class("Huber", "keras.losses", delta=0.5, fn="huber")))
    assert found.old == {"loss": {"class_name": "Huber", "config": {"delta": 0.5}}, "loss_weights": None}


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adamax", "Nadam", "AdamW", "Adagrad", "Adadelta", "Ftrl"])
def test_optimizers_keep_their_rate(name: str) -> None:
    general = {"name": name, "jit_compile": False, "is_legacy_optimizer": False, "clipnorm": None, "use_ema": False}
    optimizer = {"class_name": f"Custom>{name}", "config": {**general, "learning_rate": 0.25}}
    written = {"loss": "mse", "optimizer_config": optimizer}
    model = compiled(written)
    assert type(model.optimizer).__name__ == name
    assert float(np.asarray(model.optimizer.learning_rate)) == 0.25


def test_schedules_and_decay_become_schedules() -> None:
    rate = of_class("ExponentialDecay", None, initial_learning_rate=0.1, decay_steps=10, decay_rate=0.5)
    schedule = compiled(config("mse", optimizer=of_class("SGD", None, learning_rate=rate))).optimizer._learning_rate
    assert float(schedule(10)) == pytest.approx(0.05)
    decay = compiled(config("mse", optimizer=of_class("SGD", None, learning_rate=0.1, decay=0.5))).optimizer
    assert float(decay._learning_rate(2)) == pytest.approx(0.05)


@pytest.mark.parametrize("optimizer", [of_class("Own", "mine"), of_class("LossScaleOptimizer", None), None])
def test_an_optimizer_without_a_rule_leaves_the_model_uncompiled(optimizer: Any) -> None:
    found = translate_compiling(config("mse", optimizer=optimizer))
    assert found.new == {}
    assert "has no rule" in found.left[0]


def test_metrics_and_those_that_are_left() -> None:
    wrapped = {"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "fn": "categorical_accuracy"}}
    model = compiled(config(["mse", "mse"], metrics=[[wrapped, of_class("AUC", "keras.metrics", name="auc")], ["mae"]]))
    model.test_on_batch(np.ones((2, 3)), [np.eye(2)] * 2)
    named = {metric.name for metric in model._compile_metrics.metrics}
    assert {"accuracy", "auc"} <= named
    own = {"class_name": "MeanMetricWrapper", "config": {"name": "own", "fn": {"class_name": "Own", "config": {}}}}
    found = translate_compiling(config("mse", metrics=[own]))
    assert "metrics" not in found.new
    assert found.left == ("The metrics weren't carried over: a metric is a function of the user's own.",)
