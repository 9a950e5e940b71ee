"""How weights get from one model into another one, layer by layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.host import LiveHost, from_model
from tracer.errors import ModelError
from tracer.workflows.migrating.weights import carry_weights, share_weights

_X = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")


def host(*held: Any, name: str = "m") -> LiveHost:
    """A source of a sequential model."""
    return from_model(keras.Sequential([keras.Input((4,)), *held], name=name))


def test_weights_are_carried_by_layer_path() -> None:
    norm = layers.Normalization(name="norm")
    norm.adapt(np.random.RandomState(1).normal(5, 3, (50, 4)))
    first = host(norm, layers.Dense(3, name="dense_7"), layers.PReLU(alpha_initializer="ones", name="p"))
    second = host(layers.Normalization(name="norm"), layers.Dense(3, name="dense"), layers.PReLU(name="p"), name="n")
    carry_weights(first, second)
    np.testing.assert_array_equal(first._model(_X), second._model(_X))
    assert second._names["dense"] == "dense_7"


def test_and_back_again() -> None:
    first, second = (host(layers.Dense(3, name="d")) for _ in range(2))
    carry_weights(first, second)
    second.seed(0)
    assert not np.array_equal(first._model(_X), second._model(_X))
    share_weights(second, first)
    np.testing.assert_array_equal(first._model(_X), second._model(_X))


def test_a_layer_that_is_missing_is_named() -> None:
    first, second = host(layers.Dense(4, name="a"), layers.Dense(4, name="b")), host(layers.Dense(4, name="a"))
    with pytest.raises(ModelError, match="b: has weights, and the model in Keras 3 has no such layer"):
        carry_weights(first, second)
    with pytest.raises(ModelError, match="b: has weights, and the model in Keras 2 has no such layer"):
        carry_weights(second, first)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            layers.Dense(3, use_bias=False, name="d"),
            r"d: its variable 'bias' is float32 \(3,\) on one side and nothing",
        ),
        (layers.Dense(2, name="d"), r"d: its variable 'kernel' is float32 \(4, 3\) on one side and float32 \(4, 2\)"),
    ],
)
def test_a_variable_without_a_counterpart_is_named(other: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        carry_weights(host(layers.Dense(3, name="d")), host(other))
