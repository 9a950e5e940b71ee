"""Pairs of models that aren't the same, on inputs that don't show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

Pair = tuple[Any, Any, Any]
ROWS = np.ones((2, 4), "float32")


def clone(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def change(layer: Any, variable: int, edit: Callable[[Any], Any]) -> None:
    """Writes other values into one variable of a layer."""
    held = layer.weights[variable]
    held.assign(edit(keras.ops.convert_to_numpy(held)))


def one_element(value: Any, by: float = 1e-3) -> Any:
    value = np.array(value)
    value.reshape(-1)[-1] += by
    return value


def embedding() -> Pair:
    ids = keras.Input((4,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(50, 8, name="emb")(ids))
    model = keras.Model(ids, layers.Dense(3, name="head")(x))
    other = clone(model)
    change(other.get_layer("emb"), 0, lambda w: np.concatenate([w[:10], w[10:] + 1]))
    return model, other, np.array([[0, 1, 2, 3]], "int32")


def dead(build: Callable[[], Any]) -> tuple[Any, Any]:
    """A model whose input is multiplied by zero on the way to `build()`, and a clone of it."""
    inputs = keras.Input((4,))
    x = build()(layers.Rescaling(0.0, name="nothing")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    return model, clone(model)


def behind_dead_units() -> Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer", activation="relu"))
    change(other.get_layer("layer"), 0, lambda w: w * 7)
    return model, other, ROWS


def one_changed() -> Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    change(other.get_layer("layer"), 0, one_element)
    return model, other, ROWS


def nested() -> Pair:
    def block() -> Any:
        inside = keras.Input((4,))
        return keras.Model(inside, layers.Dense(4, name="dense")(inside), name="layer")

    model, other = dead(block)
    change(other.get_layer("layer").get_layer("dense"), 0, one_element)
    return model, other, ROWS


def shared() -> Pair:
    x = inputs = keras.Input((4,))
    layer = layers.Dense(4, name="layer")
    x = layer(layer(layers.Rescaling(0.0)(x)))
    model = keras.Model(inputs, x)
    other = clone(model)
    change(other.get_layer("layer"), 0, one_element)
    return model, other, ROWS


class Branching(keras.Model):
    """Calls one layer of two, and has a variable of its own."""

    def __init__(self) -> None:
        super().__init__(name="branching")
        self.used = layers.Dense(2, name="used")
        self.spare = layers.Dense(2, name="spare")
        self.spare.build((None, 4))
        self.own = self.add_weight(shape=(3,), initializer="ones", name="own")

    def call(self, x: Any) -> Any:
        return self.used(x)


def subclassed(edit: Callable[[Any], None]) -> Pair:
    model, other = Branching(), Branching()
    for one in (model, other):
        one(ROWS)
    other.set_weights(model.get_weights())
    edit(other)
    return model, other, ROWS


def never_called() -> Pair:
    return subclassed(lambda model: change(model.spare, 0, one_element))


def of_the_model_itself() -> Pair:
    return subclassed(lambda model: model.own.assign(2 * np.ones(3)))


class Tied(layers.Layer):
    """Holds the kernel of another layer as its own."""

    def __init__(self, other: Any, **named: Any) -> None:
        super().__init__(**named)
        self.kernel = other.kernel

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, self.kernel)

    def get_config(self) -> dict[str, Any]:
        raise KeyError("broken, as a user's own code may be")


def tied() -> Pair:
    def build() -> Any:
        inputs = keras.Input((4,))
        layer = layers.Dense(4, name="layer")
        x = layer(layers.Rescaling(0.0)(inputs))
        return keras.Model(inputs, Tied(layer, name="tied")(x))

    model, other = build(), build()
    other.set_weights(model.get_weights())
    change(other.get_layer("layer"), 0, one_element)
    return model, other, ROWS


def moving_statistics() -> Pair:
    model, other = dead(lambda: layers.BatchNormalization(name="layer", scale=False))
    change(other.get_layer("layer"), 2, lambda w: w * 1.01)
    return model, other, ROWS


def with_an_adapter() -> Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    for one in (model, other):
        one.get_layer("layer").enable_lora(2)
    for number in (2, 3):
        change(other.get_layer("layer"), number, lambda w: w + 1)
    return model, other, ROWS


def quantized() -> Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    for one in (model, other):
        one.get_layer("layer").quantize("int8")
    names = [variable.name for variable in other.get_layer("layer").weights]
    change(other.get_layer("layer"), names.index("kernel"), lambda w: w // 2)
    return model, other, ROWS


def in_half_precision() -> Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer", dtype="float16"))
    change(other.get_layer("layer"), 0, lambda w: one_element(w, 1e-2))
    return model, other, ROWS


DIFFERENT = {
    "embedding rows": (embedding, "emb"),
    "dead units": (behind_dead_units, "layer"),
    "one element": (one_changed, "layer"),
    "nested": (nested, "layer/dense"),
    "shared": (shared, "layer"),
    "tied": (tied, "layer"),
    "never called": (never_called, "spare"),
    "of the model itself": (of_the_model_itself, "branching"),
    "moving statistics": (moving_statistics, "layer"),
    "adapter": (with_an_adapter, "layer"),
    "quantized": (quantized, "layer"),
    "float16": (in_half_precision, "layer"),
}
