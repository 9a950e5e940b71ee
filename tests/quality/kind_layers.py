"""Custom layers of the model kinds, as users write them; a fresh process imports them by this module's name."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kinds")
class Halves(layers.Layer):
    """Several outputs."""

    def call(self, x: Any) -> Any:
        half = x.shape[-1] // 2
        return x[..., :half], ops.tanh(x[..., half:])


@keras.saving.register_keras_serializable(package="kinds")
class Toolbox(layers.Layer):
    """Layers in an attribute, a list, a dictionary and a list of lists."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.single = layers.Dense(width, activation="tanh", name="single")
        self.row = [layers.Dense(width, activation="gelu", name=f"row_{i}") for i in range(2)]
        self.named = {"scale": layers.LayerNormalization(name="scale"), "shift": layers.Dense(width, name="shift")}
        self.grid = [[layers.Dense(width, name=f"cell_{i}{j}") for j in range(2)] for i in range(2)]

    def build(self, shape: Any) -> None:
        self.single.build(shape)
        inner = (*shape[:-1], self.width)
        for layer in (*self.row, *self.named.values(), *self.grid[0], *self.grid[1]):
            layer.build(inner)

    def call(self, x: Any) -> Any:
        x = self.single(x)
        for layer in self.row:
            x = x + layer(x)
        x = self.named["shift"](self.named["scale"](x))
        return sum(second(first(x)) for first, second in self.grid)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="kinds")
class Residual(keras.Model):
    """A subclassed model with a training switch and a dropout."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Dense(width, activation="relu", name="first")
        self.norm = layers.BatchNormalization(name="norm")
        self.drop = layers.Dropout(0.2, name="drop")
        self.head = layers.Dense(3, name="head")

    def call(self, x: Any, training: bool | None = None) -> Any:
        y = self.drop(self.norm(self.first(x), training=training), training=training)
        return self.head(x + y)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "width": self.width}


@keras.saving.register_keras_serializable(package="kinds")
class TwoTowers(keras.Model):
    """A subclassed model that takes and returns dictionaries."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left = layers.Dense(4, name="left")
        self.right = layers.Dense(4, name="right")
        self.score = layers.Dot(1, name="score")

    def call(self, inputs: Any) -> Any:
        a, b = self.left(inputs["a"]), self.right(inputs["b"])
        return {"score": self.score([a, b]), "left": a}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="kinds")
class Decay(layers.Layer):
    """A cell of the user's own for `keras.layers.RNN`."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.state_size = units, units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.keep = self.add_weight(shape=(self.units,), name="keep")

    def call(self, x: Any, states: Any) -> Any:
        state = ops.tanh(ops.matmul(x, self.kernel) + self.keep * states[0])
        return state, [state]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
