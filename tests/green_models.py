"""Small models for `test_green_means_equal.py`: some show nothing of themselves, some only look as if they didn't."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

NAN = float("nan")


def rows(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Seeded numbers, none of them equal."""
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def ids(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.RandomState(0).randint(1, 9, shape)


def chain(*stack: Any, shape: tuple[int, ...] = (4,), dtype: str = "float32") -> keras.Model:
    """A graph of layers, or of functions of tensors, one behind the other; weights are the same in every run."""
    keras.utils.set_random_seed(0)
    x = first = keras.Input(shape, dtype=dtype)
    for layer in stack:
        x = layer(x)
    return keras.Model(first, x)


def dense(units: int = 3, **options: Any) -> layers.Dense:
    seeded = {
        "kernel_initializer": keras.initializers.GlorotUniform(seed=1),
        "bias_initializer": keras.initializers.RandomNormal(seed=2),
    }
    return layers.Dense(units, **{**seeded, **options})


def constant(value: float) -> keras.Initializer:
    return keras.initializers.Constant(value)


def dead(units: int = 3, activation: str = "relu", bias: float = -1e4) -> layers.Dense:
    """Saturated, whatever comes in."""
    return layers.Dense(units, activation=activation, bias_initializer=constant(bias))


def heads(*outputs: Callable[[Any], Any], shape: tuple[int, ...] = (4,)) -> keras.Model:
    """A graph with several outputs behind one layer."""
    keras.utils.set_random_seed(0)
    x = keras.Input(shape)
    trunk = dense(5)(x)
    return keras.Model(x, [output(trunk) for output in outputs])


def skipped() -> keras.Model:
    """Four dead layers beside one that lives."""
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    y = x
    for _ in range(4):
        y = dead(4)(y)
    return keras.Model(x, layers.Add()([x, y]))


def weighted(model: keras.Model, value: float) -> keras.Model:
    """The same weights everywhere."""
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
    return model


@keras.saving.register_keras_serializable("green")
class Noise(layers.Layer):
    """Returns something else at every call; `amount` 0: what it gets."""

    def __init__(self, amount: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.amount = amount

    def call(self, x: Any) -> Any:
        return x + self.amount * float(np.random.default_rng().normal()) if self.amount else x


@keras.saving.register_keras_serializable("green")
class Sometimes(layers.Layer):
    """Raises at every second call."""

    def __init__(self, fails: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.fails, self.times = fails, 0

    def call(self, x: Any) -> Any:
        self.times += 1
        if self.fails and self.times % 2 == 0 and not isinstance(x, keras.KerasTensor):
            raise ValueError("not now")
        return x * 1.0


@keras.saving.register_keras_serializable("green")
class Leaves(layers.Layer):
    """Ends the process at one moment of its life."""

    def __init__(self, when: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.when = when
        _leave(when == "init")

    def build(self, shape: Any) -> None:
        _leave(self.when == "build")
        super().build(shape)

    def call(self, x: Any) -> Any:
        return x * 1.0

    def get_config(self) -> dict[str, Any]:
        _leave(self.when == "config")
        return {**super().get_config(), "when": self.when}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Leaves:
        _leave(config["when"] == "load")
        if config["when"] == "load-hard":
            os._exit(0)
        return cls(**config)


def _leave(now: bool) -> None:
    if now:
        sys.exit(0)


class Silent(keras.Model):
    """Runs a layer and returns no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(2)

    def call(self, x: Any) -> Any:
        self.inner(x)
        return {}


class Fixed(keras.Model):
    """Has no layer, and returns the same for everything."""

    def call(self, x: Any) -> Any:
        return ops.zeros_like(x)


def silent() -> keras.Model:
    model = Silent()
    model(rows(2, 4))
    return model


def attention() -> keras.Model:
    """A causal mask of −inf inside."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 4))
    scores = ops.matmul(dense(4)(x), ops.transpose(dense(4)(x), (0, 2, 1)))
    mask = ops.where(np.tril(np.ones((5, 5), bool)), 0.0, -np.inf)
    return keras.Model(x, ops.matmul(ops.softmax(scores + ops.cast(mask, "float32")), dense(4)(x)))
