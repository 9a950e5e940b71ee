"""The losses of a model on one batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tracer.engine.losses import compile_model, losses, target


@pytest.fixture
def model() -> Any:
    """Two outputs, and a regularizer."""
    x = keras.Input((3,), name="x")
    first = keras.layers.Dense(4, "softmax", name="first", kernel_regularizer=keras.regularizers.L2(0.1))(x)
    return keras.Model(x, [first, keras.layers.Dense(2, name="second")(x)])


def test_the_losses_are_those_of_keras_and_of_the_layers(model: Any) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    config = {"loss": ["sparse_categorical_crossentropy", "mse"], "loss_weights": [1.0, 3.0]}
    found = losses(model, config, x)
    first, second = (np.asarray(y) for y in model(x))
    classes, numbers = target((5, 4), "sparsecategoricalcrossentropy", 0), target((5, 2), "mse", 1)
    parts = -np.mean(np.log(first[np.arange(5), classes])), np.mean((second - numbers) ** 2)
    penalty = 0.1 * np.sum(np.square(np.asarray(model.get_layer("first").kernel)))
    assert found["loss"] == pytest.approx(parts[0] + 3 * parts[1] + penalty, rel=1e-5)
    assert losses(model, config, x) == found
    by_name = {"first": config["loss"][0], "second": "mse"}
    assert losses(model, {"loss": by_name}, x)["loss"] == pytest.approx(sum(parts) + penalty, rel=1e-5)


def test_a_setting_changes_them(model: Any) -> None:
    x = np.ones((5, 3), "float32")
    found = [
        losses(model, {"loss": [None, {"class_name": "Huber", "config": {"delta": delta}}]}, x)["loss"]
        for delta in (0.5, 1.0)
    ]
    assert abs(found[0] - found[1]) > 0.1


@pytest.mark.parametrize(
    ("loss", "shape", "values"),
    [
        ("sparsecategoricalcrossentropy", (4, 5), range(3)),
        ("categoricalcrossentropy", (4, 5, 3), (0, 1)),
        ("kldivergence", (4, 5, 3), (0, 1)),
        ("binarycrossentropy", (4, 5, 3), (0, 1)),
        ("squaredhinge", (4, 5, 3), (0, 1)),
    ],
)
def test_targets_are_those_that_a_loss_is_made_for(loss: str, shape: tuple[int, ...], values: Any) -> None:
    found = target((4, 5, 3), loss, 0)
    assert found.shape == shape
    assert set(np.unique(found)) <= set(values)
    if "categorical" in loss and shape[-1] == 3:
        assert (found.sum(axis=-1) == 1).all()


def test_a_loss_that_a_file_would_not_keep_is_refused(model: Any) -> None:
    """Keras 3.15.1 writes no `delta`."""
    losses_of = {"class_name": "Huber", "module": "keras.losses", "config": {"delta": 0.5}, "registered_name": None}
    if "delta" in keras.losses.Huber(0.5).get_config():
        pytest.skip("this Keras keeps it")
    with pytest.raises(ValueError, match=r"writes a Huber into a file without delta=0\.5"):
        compile_model(model, {"loss": [losses_of, "mse"], "optimizer": "sgd"})
    compile_model(model, {"loss": [{**losses_of, "config": {"delta": 1.0}}, "mse"], "optimizer": "sgd"})
    assert model.compiled
