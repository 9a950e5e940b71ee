"""Runs in Keras 2, in the current folder: models that aren't carried over, a file of each and what is fed to it."""

import keras
import numpy as np
from keras import layers

_RANDOM = np.random.RandomState(0)
_WORDS = np.array([["a"], ["b"], ["a"], ["c"]])


def learned(layer, data):  # type: ignore[no-untyped-def]
    """A layer that has learned from data."""
    layer.adapt(data)
    return layer


def masked():  # type: ignore[no-untyped-def]
    """Attention with dropout, to a sequence with a mask, in half precision."""
    x = layers.Input((5,), dtype="int32")
    words = layers.Embedding(9, 4, mask_zero=True)(x)
    return keras.Model(x, layers.MultiHeadAttention(2, 3, dropout=0.1, name="limit", dtype="float16")(words, words))


def chained(shape, layer, dtype="float32"):  # type: ignore[no-untyped-def]
    """A model of one layer."""
    x = layers.Input(shape, dtype=dtype)
    return keras.Model(x, layer(x))


def both_ways():  # type: ignore[no-untyped-def]
    """Two directions that are different layers."""
    back = layers.GRU(3, go_backwards=True)
    return layers.Bidirectional(layers.LSTM(3), backward_layer=back, name="limit")


def limits():  # type: ignore[no-untyped-def]
    """Name, model, and what is fed to it."""
    numbers, words = _RANDOM.normal(size=(3, 6)).astype("float32"), np.array([["a"], ["b"], ["zz"]])
    pictures, steps = (_RANDOM.normal(size=(2, *shape)).astype("float32") for shape in ((8, 8, 4), (5, 4)))
    bins = [-1.0, 0.0, 1.0]
    data = _RANDOM.normal(size=(100, 6)).astype("float32")
    yield "masks", masked(), _RANDOM.randint(0, 3, (3, 5)).astype("int32")
    yield "classes", chained((6,), layers.Discretization(bin_boundaries=bins, name="limit")), numbers
    yield "bins", chained((6,), learned(layers.Discretization(num_bins=4, name="limit"), data)), numbers
    lookup = learned(layers.StringLookup(output_mode="multi_hot", name="limit"), _WORDS)
    yield "lookup", chained((1,), lookup, "string"), words
    yield "crop", chained((8, 8, 4), layers.RandomCrop(4, 4, name="limit")), pictures
    yield "dilated", chained((8, 8, 4), layers.Conv2DTranspose(3, 3, dilation_rate=2, name="limit")), pictures
    yield "directions", chained((5, 4), both_ways()), steps


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    for name, model, inputs in limits():
        np.savez(f"{name}.npz", inputs)
        model.save(f"{name}.keras")
