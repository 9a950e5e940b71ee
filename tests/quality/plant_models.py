"""Small but real models to plant faults in: one function a model, returning (model, inputs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers
from plant_layers import Classifier, Encoder, Gain, Offset

Built = tuple[Any, Any]


def fill(model: Any, seed: int = 0) -> Any:
    """Weights that keep the signal alive, every variable another one: no two layers may hold equal numbers."""
    rng = np.random.RandomState(seed)
    for weight in model.weights:
        shape, name = tuple(weight.shape), weight.name
        if "float" not in str(weight.dtype):
            continue
        if "variance" in name or name in ("gamma", "scale"):
            value = rng.uniform(0.7, 1.4, shape)
        elif "depthwise" in name:
            value = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-2]))
        elif len(shape) < 2:
            value = rng.normal(0, 0.2, shape)
        else:
            value = rng.normal(size=shape) * (1.0 if "embeddings" in name else 1.2 / np.sqrt(np.prod(shape[:-1])))
        weight.assign(value.astype("float32"))
    for layer in model._flatten_layers():
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    return model


def numbers(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=shape).astype("float32")


def _squeezed(x: Any) -> Any:
    """A squeeze-and-excitation branch."""
    s = layers.GlobalAveragePooling2D(keepdims=True, name="se_squeeze")(x)
    s = layers.Conv2D(4, 1, activation="swish", name="se_reduce")(s)
    s = layers.Conv2D(8, 1, activation="sigmoid", name="se_expand")(s)
    return layers.Multiply(name="se_excite")([x, s])


def convnet() -> Built:
    i = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1 / 2.0, offset=0.1, name="rescaling")(i)
    x = layers.Normalization(name="normalization")(x)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    y = x = layers.Activation("swish", name="stem_act")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.Conv2D(8, 3, padding="same", name="project")(_squeezed(x))
    x = layers.Add(name="residual")([x, y])
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    x = layers.GroupNormalization(groups=4, name="group_norm")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="wide")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", name="up")(x)
    x = layers.LeakyReLU(negative_slope=0.2, name="leaky")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dense(5, name="logits")(x)
    return fill(keras.Model(i, layers.Softmax(name="softmax")(x), name="convnet")), numbers(2, 16, 16, 3)


def mlp() -> Built:
    i = keras.Input((12,), name="features")
    x = Gain(1.5, name="gain")(i)
    x = layers.Dense(16, activation="tanh", name="first")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dense(16, activation="gelu", name="second")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Dense(16, activation="elu", name="third")(x)
    x = Offset(name="offset")(x)
    x = layers.BatchNormalization(name="bn")(x)
    model = keras.Model(i, layers.Dense(4, activation="softmax", name="head")(x), name="mlp")
    model.get_layer("offset").shift = 0.75
    return fill(model), numbers(8, 12)


def branches() -> Built:
    i = keras.Input((12,), name="x")
    stem = layers.Dense(12, activation="tanh", name="stem")(i)
    left = layers.Dense(12, activation="gelu", name="left_in")(stem)
    left = layers.Dense(12, name="left_out")(left)
    right = layers.LayerNormalization(name="right_norm")(stem)
    right = layers.Dense(12, activation="swish", name="right_out")(right)
    third = layers.UnitNormalization(name="third_unit")(stem)
    third = layers.Dense(12, name="third_out")(third)
    x = layers.Concatenate(name="concat")([layers.Add(name="add")([left, right]), third])
    return fill(keras.Model(i, layers.Dense(3, name="head")(x), name="branches")), numbers(6, 12)


def nested() -> Built:
    """Two levels deep; the inner names repeat."""
    i = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(i)
    core = keras.Model(i, layers.BatchNormalization(name="bn")(x), name="core")
    j = keras.Input((8, 8, 4))
    y = core(layers.Conv2D(4, 3, padding="same", activation="swish", name="conv")(j))
    middle = keras.Model(j, layers.Conv2D(4, 1, name="out")(y), name="middle")
    k = keras.Input((8, 8, 4), name="image")
    z = middle(layers.Conv2D(4, 3, padding="same", name="conv")(k))
    z = layers.Dense(3, name="head")(layers.GlobalMaxPooling2D(name="gmp")(z))
    return fill(keras.Model(k, z, name="nested")), numbers(2, 8, 8, 4)


def shared() -> Built:
    i = keras.Input((10,), name="a")
    j = keras.Input((10,), name="b")
    twin = layers.Dense(10, activation="tanh", name="twin")
    x = layers.Dense(10, name="own")(twin(i))
    y = layers.Subtract(name="minus")([x, twin(j)])
    return fill(keras.Model([i, j], layers.Dense(2, name="head")(y), name="shared")), [
        numbers(4, 10),
        numbers(4, 10, seed=2),
    ]


def sequential() -> Built:
    front = keras.Sequential([layers.Conv1D(8, 3, padding="same", name="conv"), layers.ReLU(name="relu")], name="front")
    back = keras.Sequential(
        [layers.Dense(8, name="dense"), layers.BatchNormalization(name="bn"), layers.Dense(8, name="last")], name="back"
    )
    model = keras.Sequential([keras.Input((12, 6)), front, layers.AveragePooling1D(2, name="pool"), back], name="chain")
    return fill(model), numbers(3, 12, 6)


def encoder() -> Built:
    i = keras.Input((6, 16), name="tokens")
    x = Encoder(16, 2, name="encoder")(i)
    x = Encoder(16, 4, name="encoder_b")(x)
    x = layers.GlobalAveragePooling1D(name="gap")(x)
    return fill(keras.Model(i, layers.Dense(3, name="head")(x), name="transformer")), numbers(3, 6, 16)


def recurrent() -> Built:
    i = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(20, 8, mask_zero=True, name="embedding")(i)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True, name="lstm"), merge_mode="concat", name="bi")(x)
    x = layers.TimeDistributed(layers.Dense(8, name="step"), name="each")(x)
    x = layers.GRU(7, name="gru")(x)
    ids = np.random.RandomState(3).randint(1, 20, (4, 6)).astype("int32")
    ids[:, 4:] = 0
    return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="recurrent")), ids


def mixed() -> Built:
    half = keras.DTypePolicy("mixed_float16")
    i = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, padding="same", dtype=half, name="conv")(i)
    x = layers.BatchNormalization(dtype=half, name="bn")(x)
    x = layers.Activation("swish", dtype=half, name="act")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="tanh", dtype=half, name="second")(x)
    x = layers.GlobalAveragePooling2D(dtype=half, name="gap")(x)
    x = layers.Dense(8, dtype=half, name="dense")(x)
    return fill(keras.Model(i, layers.Dense(4, dtype="float32", name="head")(x), name="mixed")), numbers(4, 8, 8, 4)


def subclassed() -> Built:
    model = Classifier(10, name="classifier")
    inputs = numbers(5, 10)
    model(inputs)
    return fill(model), inputs


def several() -> Built:
    """Dictionaries in and out."""
    image, ids = keras.Input((8, 8, 3), name="image"), keras.Input((5,), dtype="int32", name="ids")
    x = layers.Conv2D(6, 3, activation="swish", name="conv")(image)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(2, name="pool")(x))
    y = layers.GlobalAveragePooling1D(name="mean")(layers.Embedding(11, 6, name="embedding")(ids))
    z = layers.Concatenate(name="concat")([x, y])
    outputs = {"score": layers.Dense(1, name="score")(z), "kind": layers.Dense(4, activation="softmax", name="kind")(z)}
    ids_in = np.random.RandomState(4).randint(0, 11, (3, 5)).astype("int32")
    model = keras.Model({"image": image, "ids": ids}, outputs, name="several")
    return fill(model), {"image": numbers(3, 8, 8, 3), "ids": ids_in}


def around(*middle: Any, width: int = 6) -> Any:
    """Dense, the layers, Dense."""
    i = keras.Input((width,), name="x")
    x = layers.Dense(width, activation="tanh", name="before")(i)
    for layer in middle:
        x = layer(x)
    return fill(keras.Model(i, layers.Dense(2, name="behind")(x), name="m"))


MODELS: Mapping[str, Callable[[], Built]] = MappingProxyType(
    {
        f.__name__: f
        for f in (convnet, mlp, branches, nested, shared, sequential, encoder, recurrent, mixed, subclassed, several)
    }
)
