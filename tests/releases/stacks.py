"""Stacks of recurrent cells for Keras 2 and 3, whose weights NumPy draws: the same model in both."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers


def build() -> Any:
    """Ten stacks, of small inputs that end in zeros and of ordinary ones."""
    numbers = np.random.RandomState(5)
    ids, x = layers.Input((16,), dtype="int32"), layers.Input((32, 3))
    starts = [layers.ZeroPadding1D(8, name="padded")(layers.Embedding(12, 4, name="embedded")(ids)), x]
    ends = []
    for at in range(10):
        cells = [layers.LSTMCell(int(numbers.randint(2, 6))), layers.GRUCell(3), layers.SimpleRNNCell(2)]
        ends.append(layers.RNN(cells, name=f"stack_{at}")(starts[at % 2]))
    model = keras.Model([ids, x], ends)
    model.set_weights([drawn(numbers, weight.shape) for weight in model.get_weights()])
    return model


def drawn(numbers: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
    """Small embeddings, kernels that keep a signal alive, and no biases."""
    if shape == (12, 4):
        return numbers.uniform(-0.05, 0.05, shape)
    normal = numbers.normal(0, 1 / np.sqrt(shape[0]), shape)
    return normal if len(shape) > 1 and shape != (2, 9) else 0 * normal
