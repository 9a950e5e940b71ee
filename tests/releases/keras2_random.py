"""Runs in Keras 2, in the current folder: `keras2_random.py FIRST LAST` writes random models, inputs and predictions.

A model of a seed is always the same one: some steps from a random start, each a random layer or function of TensorFlow
with random settings, with branches that meet again, layers that are called twice, and models in models.
"""

import random
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

FUNCTIONS = [
    "relu",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "swish",
    "gelu",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "softmax",
]
ACTIVATIONS = ["relu", "relu6", "elu", "selu", "softplus", "softsign", "silu", "gelu", "leaky_relu"]
SMOOTH = ["exp", "tanh", "sigmoid", "abs", "square", "sin", "cos", "sign"]
POSITIVE = ["log1p", "expm1", "erf", "sqrt", "reciprocal", "rsqrt"]
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")


class Draw(random.Random):
    """Random settings."""

    def function(self):  # type: ignore[no-untyped-def]
        """An activation, by name, as a function of Keras, or as one of TensorFlow."""
        name = self.choice(FUNCTIONS)
        return self.choice([name, name, getattr(keras.activations, name), tf.nn.relu, tf.nn.tanh])

    def flag(self):  # type: ignore[no-untyped-def]
        """True or False."""
        return self.random() < 0.5

    def extras(self):  # type: ignore[no-untyped-def]
        """Regularizers, constraints and initializers, which many layers take."""
        found = {"kernel_regularizer": self.choice([None, "l2", keras.regularizers.L1L2(0.1, 0.2)])}
        found["kernel_constraint"] = self.choice([None, "non_neg", keras.constraints.MaxNorm(2.0)])
        found["bias_initializer"] = self.choice(["zeros", "ones", keras.initializers.RandomNormal(stddev=0.2)])
        return found if self.random() < 0.3 else {}


def of_any_rank(draw):  # type: ignore[no-untyped-def]
    """Layers that take a tensor of any rank and keep it."""
    axis = draw.choice([-1, 1])
    epsilon = draw.choice([1e-3, 1e-5])
    return draw.choice(
        [
            lambda: layers.Activation(draw.function()),
            lambda: layers.LeakyReLU(alpha=draw.choice([0.1, 0.3])),
            lambda: layers.ELU(alpha=draw.choice([0.5, 1.0])),
            lambda: layers.PReLU(shared_axes=draw.choice([None, [1]])),
            lambda: layers.ThresholdedReLU(theta=draw.choice([0.1, 0.5])),
            lambda: layers.ReLU(draw.choice([None, 2.0]), negative_slope=draw.choice([0.0, 0.1]), threshold=0.1),
            lambda: layers.Softmax(axis=axis),
            lambda: layers.BatchNormalization(axis=axis, epsilon=epsilon, center=draw.flag(), scale=draw.flag()),
            lambda: layers.LayerNormalization(axis=axis, epsilon=epsilon, center=draw.flag(), scale=draw.flag()),
            lambda: layers.UnitNormalization(axis=axis),
            lambda: layers.Dropout(0.2),
            lambda: layers.GaussianNoise(0.2),
            lambda: layers.GaussianDropout(0.2),
            lambda: layers.AlphaDropout(0.2),
            lambda: layers.ActivityRegularization(0.1),
            lambda: layers.Rescaling(draw.choice([0.5, 1 / 127.5]), offset=draw.choice([0.0, -1.0])),
            lambda: layers.Dense(draw.randint(2, 6), draw.function(), use_bias=draw.flag(), **draw.extras()),
        ]
    )()


def of_vectors(draw):  # type: ignore[no-untyped-def]
    """Layers that take (samples, channels)."""
    units = draw.randint(2, 6)
    return draw.choice(
        [
            lambda: layers.Dense(units, draw.function(), **draw.extras()),
            lambda: layers.RepeatVector(4),
            lambda: layers.Flatten(),
            lambda: layers.Reshape((-1, 1)),
            lambda: keras.Sequential([layers.Dense(units, draw.function()), of_any_rank(draw)]),
            lambda: layers.EinsumDense("ab,bc->ac", units, activation=draw.function(), bias_axes="c"),
        ]
    )()


def recurrent(draw):  # type: ignore[no-untyped-def]
    """A layer that runs over the steps of a sequence."""
    units, sequences = draw.randint(2, 5), draw.flag()
    gate = draw.choice(["sigmoid", "hard_sigmoid"])
    settings = {"return_sequences": sequences, "go_backwards": draw.flag(), "unroll": draw.flag()}
    kind = draw.choice(["lstm", "gru", "simple", "both", "cells"])
    lstm = layers.LSTM(units, draw.function(), gate, unit_forget_bias=draw.flag(), use_bias=draw.flag(), **settings)
    if kind == "both":
        lstm = layers.LSTM(units, recurrent_activation=gate, return_sequences=sequences)
        return layers.Bidirectional(lstm, merge_mode=draw.choice(["concat", "sum", "mul", "ave"]))
    if kind == "cells":
        return layers.RNN([layers.LSTMCell(units), layers.GRUCell(3), layers.SimpleRNNCell(2)], sequences)
    if kind == "gru":
        return layers.GRU(units, draw.function(), gate, reset_after=draw.flag(), **settings)
    return layers.SimpleRNN(units, draw.function(), **settings) if kind == "simple" else lstm


def of_sequences(draw):  # type: ignore[no-untyped-def]
    """Layers that take (samples, steps, channels)."""
    filters, padding = draw.randint(2, 6), draw.choice(["same", "valid", "causal"])
    plain = "same" if padding == "causal" else padding
    return draw.choice(
        [
            lambda: recurrent(draw),
            lambda: recurrent(draw),
            lambda: layers.TimeDistributed(layers.Dense(filters, draw.function())),
            lambda: layers.Conv1D(filters, 2, padding=padding, dilation_rate=draw.randint(1, 2), **draw.extras()),
            lambda: layers.SeparableConv1D(filters, 2, padding=plain, activation=draw.function()),
            lambda: layers.DepthwiseConv1D(2, padding=plain, depth_multiplier=draw.randint(1, 2)),
            lambda: layers.Conv1DTranspose(filters, 3, strides=draw.randint(1, 2), padding=plain),
            lambda: layers.MaxPooling1D(2, padding=plain),
            lambda: layers.AveragePooling1D(2, padding=plain, strides=1),
            lambda: layers.GlobalAveragePooling1D(keepdims=draw.flag()),
            lambda: layers.GlobalMaxPooling1D(keepdims=draw.flag()),
            lambda: layers.UpSampling1D(2),
            lambda: layers.ZeroPadding1D(draw.randint(1, 2)),
            lambda: layers.SpatialDropout1D(0.2),
            lambda: layers.Permute((2, 1)),
            lambda: layers.Flatten(),
            lambda: layers.EinsumDense("abc,cd->abd", (None, filters), activation=draw.function()),
            lambda: layers.LayerNormalization(axis=[1, 2]),
        ]
    )()


def of_images(draw):  # type: ignore[no-untyped-def]
    """Layers that take (samples, height, width, channels)."""
    filters, padding = draw.randint(2, 5), draw.choice(["same", "valid"])
    up = draw.choice(["nearest", "bilinear"])
    return draw.choice(
        [
            lambda: layers.Conv2D(filters, 3, draw.randint(1, 2), padding, activation=draw.function(), **draw.extras()),
            lambda: layers.Conv2D(filters, 2, dilation_rate=2, padding=padding, use_bias=draw.flag()),
            lambda: layers.DepthwiseConv2D(3, draw.randint(1, 2), padding, depth_multiplier=draw.randint(1, 2)),
            lambda: layers.SeparableConv2D(filters, 3, padding=padding, depth_multiplier=2),
            lambda: layers.Conv2DTranspose(
                filters, 3, strides=2, padding=padding, output_padding=draw.choice([None, 1])
            ),
            lambda: layers.MaxPooling2D(2, padding=padding),
            lambda: layers.AveragePooling2D(2, strides=1, padding=padding),
            lambda: layers.GlobalAveragePooling2D(keepdims=draw.flag()),
            lambda: layers.GlobalMaxPooling2D(),
            lambda: layers.UpSampling2D(2, interpolation=up),
            lambda: layers.ZeroPadding2D(((1, 0), (0, 2))),
            lambda: layers.Cropping2D(1),
            lambda: layers.SpatialDropout2D(0.2),
            lambda: layers.Resizing(5, 6, interpolation=up),
            lambda: layers.CenterCrop(4, 4),
            lambda: layers.RandomFlip("horizontal"),
            lambda: layers.RandomRotation(0.1),
            lambda: layers.GroupNormalization(groups=1, epsilon=1e-4),
            lambda: layers.Flatten(),
            lambda: layers.TimeDistributed(recurrent(draw)),
            lambda: layers.ConvLSTM1D(filters, 2, padding=padding, recurrent_activation=draw.choice([*FUNCTIONS[2:4]])),
        ]
    )()


def by_tensorflow(draw, x):  # type: ignore[no-untyped-def]
    """What functions of TensorFlow make of a tensor."""
    rank, axis = len(x.shape), draw.randint(1, len(x.shape) - 1)
    number = draw.choice([2.0, -0.5, 3])
    keep = draw.flag() or rank < 3
    return draw.choice(
        [
            lambda: draw.choice([x + number, number - x, x * number, x / number, number + x, -x, abs(x) + 1.0]),
            lambda: tf.nn.relu(x) ** 2 if draw.flag() else tf.square(x) - 1.0,
            lambda: getattr(tf.nn, draw.choice(ACTIVATIONS))(x),
            lambda: getattr(tf, draw.choice(SMOOTH))(tf.nn.tanh(x)),
            lambda: getattr(tf.math, draw.choice(POSITIVE))(tf.abs(x) + 0.5),
            lambda: tf.where(x > 0.1, x, number * x),
            lambda: tf.cast(x >= 0.0, "float32") * x,
            lambda: tf.clip_by_value(x, -0.5, 0.8),
            lambda: tf.maximum(x, 0.1) + tf.minimum(x, -0.1),
            lambda: tf.reduce_mean(x, axis=axis, keepdims=keep),
            lambda: tf.reduce_sum(x, axis=[axis], keepdims=keep),
            lambda: tf.reduce_max(x, axis=-1, keepdims=True) - x,
            lambda: tf.math.reduce_std(x, axis=-1, keepdims=True),
            lambda: tf.nn.softmax(x, axis=axis),
            lambda: tf.math.l2_normalize(x, axis=axis),
            lambda: tf.concat([x, tf.nn.tanh(x)], axis=axis),
            lambda: tf.stack([x, x * 2.0], axis=1) if rank < 4 else x[:, 0],
            lambda: tf.split(x, [1, x.shape[-1] - 1], axis=-1)[1] if x.shape[-1] > 1 else x,
            lambda: tf.expand_dims(x, axis) if rank < 4 else tf.squeeze(x[:, :1], 1),
            lambda: tf.transpose(x, [0, *draw.sample(range(1, rank), rank - 1)]),
            lambda: tf.reshape(x, (-1, int(np.prod(x.shape[1:])))),
            lambda: x[..., :1] if draw.flag() else x[:, ::-1],
            lambda: tf.tile(x, [1] * (rank - 1) + [2]),
            lambda: tf.pad(x, [[0, 0]] * (rank - 1) + [[1, 0]]),
            lambda: tf.gather(x, [0, 0], axis=axis),
            lambda: tf.matmul(x, x, transpose_b=True) if rank == 3 else x,
            lambda: keras.backend.mean(x, axis=axis, keepdims=keep),
        ]
    )()


def attended(draw, x):  # type: ignore[no-untyped-def]
    """Attention of a sequence to itself."""
    if draw.flag():
        attention = layers.MultiHeadAttention(2, draw.randint(2, 3), use_bias=draw.flag(), dropout=0.1)
        return attention(x, x)
    kind = draw.choice([layers.Attention, layers.AdditiveAttention])
    return kind(use_scale=draw.flag())([x, x])


def merged(draw, x, y):  # type: ignore[no-untyped-def]
    """Two tensors of one shape as one."""
    name = draw.choice([*MERGES, "Concatenate", "+", "-", "*"])
    if name in ("+", "-", "*"):
        return {"+": x + y, "-": x - y, "*": x * y}[name]
    return getattr(layers, name)(**({"axis": -1} if name == "Concatenate" else {}))([x, y])


def step(draw, x):  # type: ignore[no-untyped-def]
    """One more layer or function; the tensor itself where its shape isn't one for that."""
    rank = len(x.shape)
    chosen = draw.random()
    try:
        if chosen < 0.3:
            return by_tensorflow(draw, x)
        if chosen < 0.4 and rank == 3:
            return attended(draw, x)
        if chosen < 0.5:
            layer = of_any_rank(draw)
            return merged(draw, layer(x), layer(x * 0.5))
        if chosen < 0.55:
            return nested(draw, x)
        layer = {2: of_vectors, 3: of_sequences, 4: of_images}[rank](draw) if chosen < 0.85 else of_any_rank(draw)
        return layer(x)
    except ValueError:
        return x


def nested(draw, x):  # type: ignore[no-untyped-def]
    """A model of its own, called twice."""
    start = layers.Input(x.shape[1:])
    end = start
    for _ in range(draw.randint(1, 3)):
        end = step(draw, end)
    inner = keras.Model(start, [end, of_any_rank(draw)(start)] if draw.flag() else end)
    first, second = inner(x), inner(x + 1.0)
    return merged(draw, first[0], second[0]) if isinstance(first, list) else merged(draw, first, second)


def starting(draw):  # type: ignore[no-untyped-def]
    """An input, what is fed to it, and the first tensor made of it."""
    numbers = np.random.RandomState(draw.randrange(2**31))
    if draw.random() < 0.2:
        ids = layers.Input((5,), dtype=draw.choice(["int32", "float32"]))
        fed = numbers.randint(0, 9, (3, 5)).astype("int32")
        length = draw.choice([None, 5])
        return ids, fed, layers.Embedding(9, 4, mask_zero=draw.flag(), input_length=length)(ids)
    shape = draw.choice([(6,), (5, 3), (8, 9, 3)])
    x = layers.Input(shape)
    if draw.random() < 0.2:
        norm = layers.Normalization()
        norm.adapt(numbers.normal(2, 3, (20, *shape)))
        return x, numbers.normal(2, 3, (3, *shape)).astype("float32"), norm(x)
    return x, numbers.normal(size=(3, *shape)).astype("float32"), x


def build(seed):  # type: ignore[no-untyped-def]
    """The model of a seed, and what is fed to it."""
    draw = Draw(seed)
    keras.utils.set_random_seed(seed)
    starts = [starting(draw) for _ in range(draw.choice([1, 1, 2]))]
    ends = [end for _, _, end in starts]
    for _ in range(draw.randint(3, 8)):
        index = draw.randrange(len(ends))
        x = step(draw, ends[index])
        if any(size is not None and size < 1 for size in x.shape[1:]) or np.prod(x.shape[1:]) > 4000:
            continue
        ends = [*ends, x] if draw.random() < 0.15 else [*ends[:index], x, *ends[index + 1 :]]
    ends = [end if end is not start else layers.Dense(2)(end) for start, _, _ in starts[:1] for end in ends]
    model = keras.Model([start for start, _, _ in starts], ends)
    numbers = np.random.RandomState(seed)
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, (keras.Model, layers.Normalization, layers.Wrapper, layers.RNN)):
            spread = {weight.name: 0.1 / max(1, weight.shape.rank) for weight in layer.weights}
            for weight in layer._trainable_weights:
                weight.assign(weight + numbers.normal(0, spread[weight.name], weight.shape))
    if draw.random() < 0.3:
        model.compile("adam", "mse")
    return model, [fed for _, fed, _ in starts]


def write(seed):  # type: ignore[no-untyped-def]
    """The files of a seed: one format each, taking turns."""
    keras.backend.clear_session()
    model, inputs = build(seed)
    name = f"random_{seed}"
    predicted = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    predicted = predicted if isinstance(predicted, (list, tuple)) else [predicted]
    np.savez(f"{name}.npz", *inputs)
    np.savez(f"{name}_y.npz", *[np.asarray(y) for y in predicted])
    try:
        model.save(f"{name}.{'keras' if seed % 2 else 'h5'}")
    except TypeError:  # Keras 2 can't write `...` into a .keras file
        model.save(f"{name}.h5")


if __name__ == "__main__":
    for one in range(int(sys.argv[1]), int(sys.argv[2])):
        write(one)
