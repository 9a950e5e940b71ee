"""Custom layers as users write them: state in places that Keras doesn't save, and layers within layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


class Counted(keras.layers.Layer):
    """Computes with a counter, a plain number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.steps = 0

    def call(self, x: Any) -> Any:
        return x * (1.0 + 0.05 * self.steps)


class Tabled(keras.layers.Layer):
    """Adds a table of numbers, a NumPy array."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.table = np.zeros(1)

    def call(self, x: Any) -> Any:
        return x + keras.ops.cast(self.table, x.dtype)


class Scaler:
    """An object of a library that knows nothing of Keras."""

    def __init__(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean, self.scale = mean, scale


class Standardized(keras.layers.Layer):
    """Computes with such an object."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.scaler = Scaler(np.zeros(1), np.ones(1))

    def call(self, x: Any) -> Any:
        return (x - keras.ops.cast(self.scaler.mean, x.dtype)) / keras.ops.cast(self.scaler.scale, x.dtype)


class Shifted(keras.layers.Layer):
    """Adds a variable that Keras doesn't track: TensorFlow's own, where that is the backend."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.set_shift(np.zeros(1, "float32"))

    def set_shift(self, shift: np.ndarray) -> None:
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            self.shift = tf.Variable(shift, trainable=False)
        else:
            self.shift = keras.ops.convert_to_tensor(shift)

    def call(self, x: Any) -> Any:
        return x + keras.ops.cast(self.shift, x.dtype)


class HandingOn(keras.layers.Layer):
    """Hands its input's mask on, as an attribute says."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        return x * 0.9


class Block(keras.layers.Layer):
    """Layers one behind the other, each added to its input where `skips` says so."""

    def __init__(self, inner: Sequence[Any], skips: Sequence[bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.skips = list(inner), tuple(skips)

    def call(self, x: Any) -> Any:
        return run(self.inner, self.skips, x)


class Chain(keras.Model):
    """The same as a subclassed model: plain Python between the layers, and no graph."""

    def __init__(self, inner: Sequence[Any], skips: Sequence[bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.skips = list(inner), tuple(skips)

    def call(self, x: Any) -> Any:
        return run(self.inner, self.skips, x)


def run(inner: Sequence[Any], skips: Sequence[bool], x: Any) -> Any:
    """What the layers return, one behind the other."""
    for layer, skip in zip(inner, skips, strict=True):
        y = layer(x)
        x = keras.ops.add(x, y) if skip else y
    return x
