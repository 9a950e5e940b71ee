"""Every kind of Keras model that people have, small: one function a kind, returning the model.

Inputs are made by the tracer itself, as for whoever names a model and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from kind_layers import Decay, Halves, Residual, Toolbox, TwoTowers
from plant_layers import Encoder
from plant_models import fill


def _model(inputs: Any, outputs: Any, name: str) -> Any:
    return fill(keras.Model(inputs, outputs, name=name))


def functional() -> Any:
    i = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv")(i)
    y = layers.BatchNormalization(name="bn")(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x))
    x = layers.GlobalAveragePooling2D(name="gap")(layers.Add(name="add")([x, y]))
    return _model(i, layers.Dense(4, activation="softmax", name="head")(x), "functional")


def functional_unnamed() -> Any:
    """Names by Keras' counters, which another process counts otherwise."""
    keras.Sequential([keras.Input((2,)), layers.Dense(2), layers.Dense(2)])
    i = keras.Input((6,))
    x = layers.Dense(5, activation="relu")(i)
    return _model(i, layers.Dense(2)(layers.Dense(5)(x)), "functional_unnamed")


def sequential() -> Any:
    stack = [keras.Input((10, 4)), layers.Conv1D(6, 3, name="conv"), layers.LSTM(5, name="lstm"), layers.Dense(2)]
    return fill(keras.Sequential(stack, name="sequential"))


def sequential_built_late() -> Any:
    model = keras.Sequential([layers.Dense(5, activation="relu", name="a"), layers.Dense(2, name="b")], name="late")
    model(np.zeros((1, 7), "float32"))
    return fill(model)


def subclassed() -> Any:
    model = Residual(6, name="residual")
    model(np.zeros((1, 6), "float32"))
    return fill(model)


def subclassed_dict() -> Any:
    model = TwoTowers(name="towers")
    model({"a": np.zeros((1, 5), "float32"), "b": np.zeros((1, 3), "float32")})
    return fill(model)


def nested_three_deep() -> Any:
    """The inner names repeat at every depth."""
    inner: Any = None
    for name in ("core", "middle", "outer"):
        i = keras.Input((8,), name=f"{name}_in")
        x = layers.Dense(8, activation="tanh", name="dense")(i)
        x = inner(x) if inner is not None else layers.Normalization(mean=0.3, variance=2.0, name="norm")(x)
        inner = keras.Model(i, layers.Dense(8, name="out")(x), name=name)
    return fill(inner)


def nested_normalization() -> Any:
    """What an EfficientNet in a model is, without its size."""
    i = keras.Input((6,))
    norm = layers.Normalization(name="norm")
    norm.adapt(np.random.RandomState(0).normal(4.0, 3.0, (50, 6)).astype("float32"))
    inner = keras.Model(i, layers.Dense(4, name="dense")(norm(i)), name="inner")
    j = keras.Input((6,), name="x")
    outer = keras.Model(j, layers.Dense(2, name="head")(inner(j)), name="nested_normalization")
    random = np.random.RandomState(1)
    for weight in outer.trainable_variables:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return outer


def model_called_twice() -> Any:
    i = keras.Input((5,))
    twin = keras.Model(i, layers.Dense(5, activation="tanh", name="dense")(i), name="twin")
    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b")
    return _model([a, b], layers.Subtract(name="minus")([twin(a), twin(twin(b))]), "model_called_twice")


def shared_across_depths() -> Any:
    shared = layers.Dense(6, activation="tanh", name="shared")
    i = keras.Input((6,))
    inner = keras.Model(i, layers.Dense(6, name="inside")(shared(i)), name="inner")
    x = keras.Input((6,), name="x")
    return _model(x, layers.Dense(2, name="head")(shared(inner(shared(x)))), "shared_across_depths")


def several_list() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    x = layers.Concatenate(name="join")([layers.Dense(4, name="left")(a), layers.Dense(4, name="right")(b)])
    return _model([a, b], [layers.Dense(2, name="one")(x), layers.Dense(3, name="two")(x)], "several_list")


def several_dict() -> Any:
    image, ids = keras.Input((8, 8, 3), name="image"), keras.Input((5,), dtype="int32", name="ids")
    x = layers.Flatten(name="flat")(layers.Conv2D(3, 3, name="conv")(image))
    y = layers.Flatten(name="flat_ids")(layers.Embedding(11, 4, name="embedding")(ids))
    z = layers.Concatenate(name="join")([x, y])
    outputs = {"score": layers.Dense(1, name="score")(z), "kind": layers.Dense(3, name="kind")(z)}
    return _model({"image": image, "ids": ids}, outputs, "several_dict")


def several_outputs_of_a_layer() -> Any:
    i = keras.Input((6, 8), name="x")
    left, right = Halves(name="halves")(i)
    sequence, hidden, carry = layers.LSTM(4, return_sequences=True, return_state=True, name="lstm")(left)
    x = layers.Concatenate(name="join")([sequence, right])
    x = layers.Concatenate(name="states")([layers.GlobalAveragePooling1D(name="gap")(x), hidden, carry])
    return _model(i, layers.Dense(2, name="head")(x), "several_outputs_of_a_layer")


def operators() -> Any:
    i = keras.Input((8, 6), name="x")
    x = layers.Dense(6, name="dense")(i)
    x = (x + i) * 0.5 - ops.mean(x, axis=1, keepdims=True)
    x = ops.concatenate([ops.relu(x[:, 2:]), ops.abs(x[:, :2])], axis=1)
    return _model(i, layers.Dense(2, name="head")(ops.max(x, axis=1)), "operators")


def attention() -> Any:
    i = keras.Input((5, 8), name="tokens")
    x = Encoder(8, 2, name="encoder")(i)
    x = layers.Attention(name="attention")([x, x])
    x = layers.GlobalAveragePooling1D(name="gap")(layers.GroupQueryAttention(4, 4, 2, name="gqa")(x, x))
    return _model(i, layers.Dense(2, name="head")(x), "attention")


def wrappers() -> Any:
    i = keras.Input((6, 5), name="x")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm"), name="both")(i)
    x = layers.TimeDistributed(layers.Dense(5, name="step"), name="each")(x)
    x = layers.SpectralNormalization(layers.Dense(5, name="inner"), name="spectral")(x)
    return _model(i, layers.GRU(3, name="gru")(x), "wrappers")


def rnn_cells() -> Any:
    i = keras.Input((6, 4), name="x")
    cells = [layers.LSTMCell(5, name="first"), layers.GRUCell(4, name="second")]
    x = layers.RNN(cells, return_sequences=True, name="stack")(i)
    return _model(i, layers.RNN(Decay(3, name="decay"), name="own")(x), "rnn_cells")


def toolbox() -> Any:
    i = keras.Input((6,), name="x")
    return _model(i, layers.Dense(2, name="head")(Toolbox(5, name="toolbox")(i)), "toolbox")


def masks() -> Any:
    i, j = keras.Input((7,), dtype="int32", name="ids"), keras.Input((7, 4), name="x")
    x = layers.Embedding(20, 4, mask_zero=True, name="embedding")(i)
    x = layers.Concatenate(name="join")([x, layers.Masking(0.0, name="masking")(j)])
    x = layers.LSTM(5, return_sequences=True, name="lstm")(x)
    return _model([i, j], layers.GlobalAveragePooling1D(name="gap")(x), "masks")


def text() -> Any:
    vocabulary = ["the", "cat", "sat", "on", "a", "mat", "dog"]
    i = keras.Input((), dtype="string", name="text")
    x = layers.TextVectorization(output_sequence_length=6, vocabulary=vocabulary, name="vectorize")(i)
    x = layers.GlobalAveragePooling1D(name="gap")(layers.Embedding(12, 5, name="embedding")(x))
    return _model(i, layers.Dense(2, name="head")(x), "text")


def text_adapted() -> Any:
    vectorize = layers.TextVectorization(output_mode="tf_idf", name="vectorize")
    vectorize.adapt(np.array(["the cat sat", "the dog sat on the mat", "a mat"]))
    i = keras.Input((), dtype="string", name="text")
    return _model(i, layers.Dense(2, name="head")(vectorize(i)), "text_adapted")


def categories() -> Any:
    word, number, age = (
        keras.Input((1,), dtype=d, name=n) for d, n in (("string", "word"), ("int64", "number"), ("float32", "age"))
    )
    parts = [
        layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot", name="strings")(word),
        layers.IntegerLookup(vocabulary=[3, 5, 8], output_mode="multi_hot", name="integers")(number),
        layers.CategoryEncoding(6, output_mode="one_hot", name="encoding")(
            layers.Discretization(bin_boundaries=[18.0, 40.0, 65.0], name="bins")(age)
        ),
        layers.CategoryEncoding(4, output_mode="one_hot", name="hash_encoding")(
            layers.Hashing(4, salt=7, name="hashing")(word)
        ),
    ]
    x = layers.Concatenate(name="join")([layers.Flatten(name=f"flat_{k}")(part) for k, part in enumerate(parts)])
    return _model([word, number, age], layers.Dense(2, name="head")(x), "categories")


def images() -> Any:
    i = keras.Input((20, 20, 3), name="image")
    x = layers.CenterCrop(12, 12, name="crop")(layers.Resizing(16, 16, name="resize")(i))
    x = layers.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.1, 0.2, 0.3], name="norm")(
        layers.Rescaling(1 / 255, name="rescale")(x)
    )
    return _model(i, layers.GlobalMaxPooling2D(name="gmp")(layers.Conv2D(4, 3, name="conv")(x)), "images")


def augmentation() -> Any:
    """Random layers, traced with training=True."""
    i = keras.Input((12, 12, 3), name="image")
    x = layers.RandomContrast(0.3, name="contrast")(layers.RandomFlip(name="flip")(i))
    x = layers.RandomRotation(0.1, name="rotation")(layers.RandomTranslation(0.1, 0.1, name="translation")(x))
    return _model(i, layers.Flatten(name="flat")(layers.Conv2D(2, 3, name="conv")(x)), "augmentation")


def random_layers() -> Any:
    """Dropouts and noises, traced with training=True."""
    i = keras.Input((10,), name="x")
    x = layers.GaussianDropout(0.2, name="gaussian")(layers.Dropout(0.3, name="dropout")(i))
    x = layers.GaussianNoise(0.3, name="noise")(layers.Dense(8, name="dense")(x))
    return _model(i, layers.BatchNormalization(name="bn")(layers.AlphaDropout(0.1, name="alpha")(x)), "random_layers")


def _typed(policy: str, name: str) -> Any:
    i = keras.Input((8, 8, 3), dtype="float64" if policy == "float64" else "float32", name="image")
    given = keras.DTypePolicy(policy)
    x = layers.Conv2D(6, 3, activation="tanh", dtype=given, name="conv")(i)
    x = layers.BatchNormalization(dtype=given, name="bn")(x)
    x = layers.GlobalAveragePooling2D(dtype=given, name="gap")(x)
    return _model(i, layers.Dense(2, dtype=given, name="head")(x), name)


def mixed_float16() -> Any:
    return _typed("mixed_float16", "mixed_float16")


def mixed_bfloat16() -> Any:
    return _typed("mixed_bfloat16", "mixed_bfloat16")


def float64() -> Any:
    return _typed("float64", "float64")


def int8() -> Any:
    i = keras.Input((8,), name="x")
    model = _model(i, layers.Dense(3, name="head")(layers.Dense(16, activation="relu", name="hidden")(i)), "int8")
    model.quantize("int8")
    return model


def lora() -> Any:
    i = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(20, 8, name="embedding")(i)
    x = layers.Dense(6, name="dense")(layers.Flatten(name="flat")(x))
    model = keras.Model(i, x, name="lora")
    model.get_layer("dense").enable_lora(2)
    model.get_layer("embedding").enable_lora(2)
    return fill(model)


def stateful_rnn() -> Any:
    i = keras.Input(batch_shape=(2, 5, 4), name="x")
    x = layers.LSTM(4, stateful=True, return_sequences=True, name="lstm")(i)
    model = _model(i, layers.GRU(3, stateful=True, name="gru")(x), "stateful_rnn")
    model(np.random.RandomState(0).normal(size=(2, 5, 4)).astype("float32"))
    return model


def frozen_normalization() -> Any:
    """Traced with training=True: a frozen layer stays in inference mode."""
    i = keras.Input((6,), name="x")
    frozen = layers.BatchNormalization(name="frozen")
    x = layers.BatchNormalization(name="free")(layers.Dense(6, name="dense")(frozen(i)))
    model = _model(i, x, "frozen_normalization")
    frozen.trainable = False
    return model


def channels_first() -> Any:
    """The TensorFlow backend has no channels-first convolution on a CPU, and runs everything else."""
    i = keras.Input((3, 10, 10), name="image")
    x = layers.BatchNormalization(axis=1, name="bn")(
        layers.ZeroPadding2D(1, data_format="channels_first", name="pad")(i)
    )
    if keras.backend.backend() != "tensorflow":
        x = layers.Conv2D(4, 3, data_format="channels_first", activation="relu", name="conv")(x)
    x = layers.UpSampling2D(2, data_format="channels_first", name="up")(x)
    x = layers.GlobalAveragePooling2D(data_format="channels_first", name="gap")(x)
    return _model(i, layers.Dense(2, name="head")(x), "channels_first")


def variable_length() -> Any:
    i = keras.Input((None, 4), name="x")
    x = layers.Conv1D(5, 3, padding="same", name="conv")(i)
    return _model(i, layers.Dense(2, name="head")(layers.GlobalMaxPooling1D(name="gmp")(x)), "variable_length")


def compiled_and_trained() -> Any:
    i = keras.Input((4,), name="x")
    model = _model(i, layers.Dense(1, name="head")(layers.Dense(5, activation="relu", name="hidden")(i)), "trained")
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.RandomState(0).normal(size=(8, 4)).astype("float32")
    model.fit(x, x.sum(axis=1, keepdims=True), epochs=1, verbose=0)
    return model


def hub_bert() -> Any:
    """Of a public package: KerasHub's BERT, at toy size."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=30, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12, max_sequence_length=32
    )
    return fill(backbone)


# Kinds whose random layers or normalization only work in training.
TRAINING = frozenset({"augmentation", "random_layers", "frozen_normalization"})
KINDS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        f.__name__: f
        for f in (
            functional, functional_unnamed, sequential, sequential_built_late, subclassed, subclassed_dict,
            nested_three_deep, nested_normalization, model_called_twice, shared_across_depths, several_list,
            several_dict, several_outputs_of_a_layer, operators, attention, wrappers, rnn_cells, toolbox, masks, text,
            text_adapted, categories, images, augmentation, random_layers, mixed_float16, mixed_bfloat16, float64,
            int8, lora, stateful_rnn, frozen_normalization, channels_first, variable_length,
            compiled_and_trained, hub_bert,
        )
    }
)  # fmt: skip
