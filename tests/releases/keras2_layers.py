"""Runs in Keras 2, in the current folder: every kind of layer on its kind of input, one model for each kind of input.

`keras2_layers.py configs FILE` writes what Keras 2 says of each layer, a line of JSON each; that is how
`tests/core/migration/keras2_configs.jsonl` came about.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_RANDOM = np.random.RandomState(0)
WORDS = np.array([["a"], ["b"], ["a"], ["c"]])


def adapted(layer, data):  # type: ignore[no-untyped-def]
    """A layer that has learned from data."""
    layer.adapt(data)
    return layer


def of_vectors():  # type: ignore[no-untyped-def]
    """(samples, 6)"""
    yield layers.Identity()
    yield layers.Discretization(bin_boundaries=[-1.0, 0.0, 1.0], output_mode="multi_hot")
    yield layers.Normalization(mean=[0.0, 1, 2, 3, 4, 5], variance=[1.0, 2, 3, 4, 5, 6])
    yield layers.Normalization(axis=None, mean=1.0, variance=2.0)
    yield adapted(layers.Normalization(invert=True), _RANDOM.normal(size=(20, 6)))
    yield layers.Dense(3, activation=layers.LeakyReLU(alpha=0.2))
    yield layers.Dense(3, activation=keras.activations.softsign, dtype="float64")
    yield layers.Dense(3, activation="mish", kernel_initializer=keras.initializers.Constant(0.3))
    yield layers.Dense(3, activation=tf.nn.silu, kernel_constraint=keras.constraints.UnitNorm())
    yield layers.Dense(3, kernel_regularizer=keras.regularizers.OrthogonalRegularizer())
    yield layers.Activation(tf.nn.elu)
    yield layers.Activation(tf.nn.relu6)
    yield layers.BatchNormalization(momentum=0.9, beta_regularizer="l1", gamma_constraint="non_neg")
    yield layers.BatchNormalization(synchronized=True)
    yield layers.ReLU(6.0)
    yield layers.ThresholdedReLU(0.2)
    yield layers.Dropout(0.1, noise_shape=(None, 1), seed=1)


def of_sequences():  # type: ignore[no-untyped-def]
    """(samples, 5, 4)"""
    cells = [layers.LSTMCell(2), layers.GRUCell(3)]
    inner = [layers.Dense(3, input_shape=(4,)), layers.BatchNormalization()]
    yield layers.Cropping1D((1, 1))
    yield layers.RNN(layers.StackedRNNCells(cells))
    yield layers.RNN(layers.GRUCell(3, reset_after=False), return_sequences=True)
    yield layers.Bidirectional(layers.RNN(layers.LSTMCell(3)))
    yield layers.Bidirectional(layers.SimpleRNN(3), merge_mode="sum")
    yield layers.TimeDistributed(keras.Sequential(inner))
    yield layers.LSTM(3, recurrent_dropout=0.1, dropout=0.1)
    yield layers.LSTM(2, activation="relu", recurrent_activation="linear", unroll=True)
    yield layers.DepthwiseConv1D(2, strides=2)
    yield layers.Conv1D(4, 3, groups=2, padding="causal", activation="hard_sigmoid")
    yield layers.EinsumDense("abc,cde->abde", output_shape=(None, 3, 2), bias_axes="de", activation="relu")
    yield layers.AveragePooling1D(2)
    yield layers.MaxPooling1D(3, strides=1, padding="same")
    yield layers.LayerNormalization(axis=[1, 2], beta_initializer="ones")
    yield layers.SpatialDropout1D(0.2)


def of_images():  # type: ignore[no-untyped-def]
    """(samples, 8, 8, 4)"""
    spread = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    yield layers.GroupNormalization(2)
    yield layers.GroupNormalization(-1, axis=-1)
    yield layers.RandomBrightness(0.2)
    yield layers.RandomContrast(0.2)
    yield layers.RandomTranslation(0.1, 0.1)
    yield layers.RandomZoom(0.1)
    yield layers.RandomFlip(seed=3)
    yield layers.CenterCrop(5, 4)
    yield layers.Resizing(5, 7, interpolation="nearest", crop_to_aspect_ratio=True)
    yield layers.Rescaling([1.0, 2.0, 3.0, 4.0], offset=[0.0, 1.0, 2.0, 3.0])
    yield adapted(layers.Normalization(axis=(1, 3)), _RANDOM.normal(size=(20, 8, 8, 4)))
    yield layers.UpSampling2D(2, interpolation="bicubic")
    yield layers.DepthwiseConv2D(2, dilation_rate=2)
    yield layers.SeparableConv2D(3, 2, depthwise_regularizer="l2", pointwise_constraint="non_neg", dilation_rate=2)
    yield layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1)
    yield layers.Conv2D(3, 2, data_format="channels_last", kernel_initializer=spread)
    yield layers.PReLU(alpha_initializer="ones", shared_axes=[1, 2])
    yield layers.Softmax(axis=[1, 2])
    yield layers.Permute((3, 1, 2))
    yield layers.Flatten(data_format="channels_first")


def of_volumes():  # type: ignore[no-untyped-def]
    """(samples, 4, 6, 6, 2)"""
    yield layers.Conv3D(2, 2, activation="hard_sigmoid")
    yield layers.Conv3DTranspose(2, 2, strides=2)
    yield layers.MaxPooling3D(2)
    yield layers.AveragePooling3D(2, padding="same")
    yield layers.GlobalAveragePooling3D()
    yield layers.GlobalMaxPooling3D(keepdims=True)
    yield layers.UpSampling3D(2)
    yield layers.ZeroPadding3D(1)
    yield layers.Cropping3D(1)
    yield layers.SpatialDropout3D(0.1)
    yield layers.ConvLSTM2D(2, 3, return_sequences=True, padding="same", go_backwards=True, dropout=0.1)
    yield layers.TimeDistributed(layers.Conv2D(2, 3))


def of_numbers():  # type: ignore[no-untyped-def]
    """(samples, 3), whole numbers below 5"""
    yield layers.Embedding(10, 3, embeddings_regularizer="l2", mask_zero=True)
    yield layers.CategoryEncoding(10, output_mode="multi_hot")
    yield layers.IntegerLookup(vocabulary=[3, 1, 7])
    yield adapted(layers.IntegerLookup(), np.array([[1], [2], [2]]))


def of_words():  # type: ignore[no-untyped-def]
    """(samples, 1)"""
    yield layers.Hashing(5)
    yield layers.Hashing(5, salt=[1, 2], output_mode="one_hot")
    yield layers.StringLookup(vocabulary=["a", "b"])
    yield adapted(layers.StringLookup(), WORDS)


KINDS = {
    "vectors": (of_vectors, (6,), "float32"),
    "sequences": (of_sequences, (5, 4), "float32"),
    "images": (of_images, (8, 8, 4), "float32"),
    "volumes": (of_volumes, (4, 6, 6, 2), "float32"),
    "numbers": (of_numbers, (3,), "int64"),
    "words": (of_words, (1,), "string"),
}


def fed(shape, dtype):  # type: ignore[no-untyped-def]
    """Three samples."""
    if dtype == "string":
        return np.array([["a"], ["b"], ["zz"]])
    if dtype == "int64":
        return _RANDOM.randint(0, 5, (3, *shape))
    return _RANDOM.normal(size=(3, *shape)).astype("float32")


def write(kind):  # type: ignore[no-untyped-def]
    """The model of all layers of a kind, what is fed to it, and what it predicts."""
    make, shape, dtype = KINDS[kind]
    start = layers.Input(shape, dtype=dtype)
    model = keras.Model(start, [layer(start) for layer in make()])
    for weight in model.trainable_weights:
        weight.assign(weight + tf.cast(_RANDOM.normal(0, 0.1, weight.shape), weight.dtype))
    inputs = fed(shape, dtype)
    predicted = model(tf.constant(inputs), training=False)
    np.savez(f"{kind}.npz", inputs)
    np.savez(f"{kind}_y.npz", *[np.asarray(y) for y in predicted])
    model.save(f"{kind}.keras")


def described():  # type: ignore[no-untyped-def]
    """What Keras 2 says of each layer."""
    from tracer.engine.keras2.dialect import serialize_model

    for make, shape, dtype in KINDS.values():
        for layer in make():
            keras.backend.clear_session()
            model = keras.Sequential([layers.Input(shape, dtype=dtype), layer])
            yield serialize_model(model)["config"]["layers"][-1]


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    if sys.argv[1:2] == ["configs"]:
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.writelines(json.dumps(found, sort_keys=True) + "\n" for found in described())
    else:
        for each in KINDS:
            write(each)
