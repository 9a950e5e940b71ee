"""`tracer.engine.host`: what a fresh process must import before it can load the model."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from tracer.engine.host import LiveHost


@keras.saving.register_keras_serializable("host")
def halve(x: Any) -> Any:
    return x / 2


def unregistered(x: Any) -> Any:
    return x / 2


@keras.saving.register_keras_serializable("host")
class Small(keras.initializers.Initializer):
    """Makes small weights."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype)


class Own(layers.Dense):
    """A layer of somebody's own."""


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.Dense(2, activation="relu"), ()),
        (lambda: Own(2), (__name__,)),
        (lambda: layers.Dense(2, activation=halve), (__name__,)),
        (lambda: layers.Dense(2, kernel_initializer=Small()), (__name__,)),
        (lambda: layers.Dense(2, activation=unregistered), ()),  # Keras imports that module by its name
        (lambda: layers.TimeDistributed(layers.Dense(2, activation=halve)), (__name__,)),
    ],
    ids=["keras", "class", "function", "object", "by-name", "inside"],
)
def test_modules_that_define_or_register_something_are_needed(layer: Any, expected: tuple[str, ...]) -> None:
    x = keras.Input((3, 4))
    assert LiveHost(keras.Model(x, layer()(x)), "m").modules() == expected
