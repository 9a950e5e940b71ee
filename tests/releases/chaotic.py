"""A recurrent layer that is chaotic: after a hundred steps, what the first ones rounded is all that is left."""

import keras
import numpy as np
from keras import layers


def build() -> keras.Model:
    """Of weights that NumPy draws, the same on every backend: one layer that forgets, one that is chaotic."""
    x = keras.Input((100, 8))
    model = keras.Model(x, [layers.SimpleRNN(16, name=name)(x) for name in ("forgets", "chaotic")])
    numbers = np.random.RandomState(0)
    for name, gain in (("forgets", 0.5), ("chaotic", 6.0)):
        kernel, recurrent_kernel, _ = model.get_layer(name).weights
        kernel.assign(numbers.normal(0, 0.2, kernel.shape))
        recurrent_kernel.assign(numbers.normal(0, gain / 4, recurrent_kernel.shape))
    return model
