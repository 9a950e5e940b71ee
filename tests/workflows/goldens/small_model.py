"""A small model with state, and what it is fed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def small(epsilon: float = 1e-3) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = keras.layers.Normalization(name="normalization")(x)
    y = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(y)
    y = keras.layers.BatchNormalization(epsilon=epsilon, name="bn")(y)
    y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
    model = keras.Model(x, keras.layers.Dense(3, name="head")(y))
    layer = model.get_layer("normalization")
    layer.adapt_mean.assign([0.2, 0.4, 0.6])
    layer.adapt_variance.assign([0.5, 1.5, 2.5])
    layer.finalize_state()
    return model


def inputs() -> np.ndarray:
    return np.random.RandomState(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
