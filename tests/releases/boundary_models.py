"""Small models, each with a published Keras defect that some releases have; weights and inputs are always the same.

Every function takes no argument and returns one model: `boundary_models:h5_normalization` is a specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def _seeded(model: Any) -> Any:
    random = np.random.RandomState(0)
    model.set_weights([random.uniform(0.2, 1.2, np.shape(w)).astype(np.asarray(w).dtype) for w in model.get_weights()])
    return model


def h5_normalization() -> Any:
    """keras#20168: through .h5 the Normalization comes back with mean 0 and variance 1."""
    import keras

    norm = keras.layers.Normalization(name="norm")
    norm.adapt(np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32"))
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, norm(inputs), name="m")


def h5_softmax_axis() -> Any:
    """keras#20963: through .h5 an integer axis is dropped from the configuration."""
    import keras

    inputs = keras.Input((6, 6), name="x")
    return keras.Model(inputs, keras.layers.Softmax(axis=1, name="soft")(inputs), name="m")


def rms_scaling() -> Any:
    """keras#19807: LayerNormalization(rms_scaling=True) comes back as an ordinary layer norm."""
    import keras

    inputs = keras.Input((6, 8), name="x")
    layer = keras.layers.LayerNormalization(rms_scaling=True, center=False, name="ln")
    return _seeded(keras.Model(inputs, layer(inputs), name="m"))


def output_padding() -> Any:
    """keras#23014: Conv2DTranspose forgets output_padding."""
    import keras

    inputs = keras.Input((8, 8, 2), name="x")
    layer = keras.layers.Conv2DTranspose(4, 3, strides=3, padding="same", output_padding=(1, 1), name="up")
    return _seeded(keras.Model(inputs, layer(inputs), name="m"))


def shared_nested() -> Any:
    """keras@7dae3e918f: a nested model that is called twice comes back wired to another of its calls."""
    import keras

    i = keras.Input((4,), name="i")
    encoder = keras.Model(i, keras.layers.Dense(4, activation="tanh", name="d")(i), name="encoder")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    outputs = [keras.layers.Dense(2, name="ha")(encoder(a)), keras.layers.Dense(2, name="hb")(encoder(b))]
    return _seeded(keras.Model([a, b], outputs, name="m"))


def merge_masks() -> Any:
    """keras#18416: Add combines the masks of its inputs with "and" up to 3.3, with "or" from 3.4.0."""
    import keras

    a, b = (keras.Input((5,), dtype="int32", name=name) for name in "ab")
    embed = keras.layers.Embedding(9, 3, mask_zero=True, name="embed")
    y = keras.layers.Add(name="add")([embed(a), embed(b)])
    return _seeded(keras.Model([a, b], keras.layers.GlobalAveragePooling1D(name="pool")(y), name="m"))


def integer_resizing() -> Any:
    """keras#20213: integer images are truncated up to 3.5, rounded from 3.6.0."""
    import keras

    inputs = keras.Input((10, 10, 3), dtype="uint8", name="x")
    return keras.Model(inputs, keras.layers.Resizing(7, 7, dtype="uint8", name="resize")(inputs), name="m")


def resized() -> Any:
    """On 3.15, a preprocessing layer hands `training=True` on to what follows in a `Sequential`; on 3.5 it doesn't."""
    import keras

    layers = [
        keras.layers.Resizing(8, 8, name="resize"),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.GlobalAveragePooling2D(name="pool"),
    ]
    return _seeded(keras.Sequential([keras.Input((12, 12, 3)), *layers], name="m"))


def save_inputs(path: Any) -> Mapping[str, np.ndarray]:
    """Inputs of `merge_masks` whose masks differ."""
    a, b = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32"), np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]], "int32")
    np.savez(path, a=a, b=b)
    return {"a": a, "b": b}


def half_a_turn() -> Any:
    """keras#23435: on TensorFlow, half a turn of an image that isn't square."""
    import keras

    inputs = keras.Input((4, 6, 3), name="x")
    return keras.Model(inputs, keras.ops.rot90(inputs, k=2, axes=(1, 2)), name="m")


def symmetric_pad() -> Any:
    """keras#23230: on torch, edges are repeated instead of mirrored."""
    import keras

    inputs = keras.Input((6, 3), name="x")
    return keras.Model(inputs, keras.ops.pad(inputs, ((0, 0), (2, 3), (0, 0)), mode="symmetric"), name="m")
