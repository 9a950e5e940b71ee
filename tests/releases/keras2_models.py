"""Runs in Keras 2, in the current folder: writes models, their inputs and what Keras 2 predicts."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_RANDOM = np.random.RandomState(0)


def save(name, model, inputs):  # type: ignore[no-untyped-def]
    """As .h5, .keras and a SavedModel folder."""
    np.savez(f"{name}.npz", *(inputs if isinstance(inputs, list) else [inputs]))
    predicted = model.predict(inputs, verbose=0)
    np.savez(f"{name}_y.npz", *(predicted if isinstance(predicted, list) else [predicted]))
    model.save(f"{name}.h5")
    if name != "elided":
        model.save(f"{name}.keras")
    model.save(f"{name}_saved", save_format="tf")


def normal(*shape):  # type: ignore[no-untyped-def]
    """Unit normal inputs."""
    return _RANDOM.normal(size=shape).astype("float32")


def operations():  # type: ignore[no-untyped-def]
    """Operators and functions of TensorFlow in a graph."""
    x = layers.Input((6,))
    y = [2.0 - x, x / 3.0, x**2, tf.where(x > 0, x, 0.1 * x), tf.nn.gelu(x), tf.nn.leaky_relu(x), x[:, ::-1]]
    y = [*y, x + tf.constant([1.0, 2, 3, 4, 5, 6]), tf.math.l2_normalize(x, axis=-1), tf.clip_by_value(x, -0.5, 0.5)]
    y = tf.concat([*y, tf.tile(tf.reduce_mean(x, axis=[1], keepdims=True), [1, 6])], axis=-1)
    return keras.Model(x, layers.Dense(3, name="out")(y)), normal(4, 6)


def recurrent():  # type: ignore[no-untyped-def]
    """States, cells, both directions, and the hard sigmoid of Keras 2."""
    x = layers.Input((5, 3))
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid"))(x)
    encoded = layers.LSTM(4, return_state=True, name="encoder")(x)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(x, initial_state=encoded[1:])
    cells = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(x)
    steps = layers.TimeDistributed(layers.Dense(2, activation="hard_sigmoid"))(x)
    return keras.Model(x, [layers.GRU(3)(both), decoded, cells, steps]), normal(2, 5, 3)


def convolutional():  # type: ignore[no-untyped-def]
    """Arguments that are gone, renamed or written otherwise."""
    x = layers.Input((8, 8, 3))
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x)
    y = layers.LeakyReLU(alpha=0.2, name="leaky")(y)
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.SeparableConv2D(3, 3)(layers.SpatialDropout2D(0.2)(y))
    y = layers.DepthwiseConv2D(3, activation="hard_sigmoid", name="hard")(y)
    return keras.Model(x, layers.ThresholdedReLU(0.1)(layers.PReLU()(y))), normal(2, 8, 8, 3)


def nested():  # type: ignore[no-untyped-def]
    """Shared layers and models, called several times; several inputs and outputs; attention."""
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    shared = layers.Dense(5, activation="tanh", name="shared")
    start = layers.Input((5,))
    two = keras.Model(start, [layers.Dense(2)(start), layers.Dense(3)(start)], name="two")
    head = keras.Sequential([layers.Dense(4, activation="relu", input_shape=(5,)), layers.Dense(3)], name="head")
    (u, v), (w, z) = two(shared(a)), two(shared(b))
    tokens = layers.Reshape((3, 2))(a)
    attended = layers.MultiHeadAttention(2, 2, name="attention")(tokens, tokens)
    outputs = [head(shared(a)), layers.Add()([u, w]), layers.Concatenate()([v, z]), attended + tokens]
    return keras.Model([a, b], outputs), [normal(3, 6), normal(3, 6)]


def category():  # type: ignore[no-untyped-def]
    """Layers that put numbers into classes."""
    x, ids = layers.Input((3,)), layers.Input((2,), dtype="int32")
    y = [layers.CategoryEncoding(5, output_mode="multi_hot")(ids), layers.Dense(2)(x)]
    y = [*y, layers.Flatten()(layers.Embedding(4, 3)(layers.IntegerLookup(vocabulary=[1, 3])(ids)))]
    model = keras.Model([x, ids], layers.Dense(2)(layers.Concatenate()(y)))
    return model, [normal(3, 3), _RANDOM.randint(0, 5, (3, 2))]


def filmed():  # type: ignore[no-untyped-def]
    """A model for each picture of a film, and a layer that runs over what it makes of them."""
    x, start = layers.Input((5, 8, 8, 3)), layers.Input((8, 8, 3))
    inner = layers.Dense(3, activation="hard_sigmoid")(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(start)))
    return keras.Model(x, layers.LSTM(3)(layers.TimeDistributed(keras.Model(start, inner))(x))), normal(2, 5, 8, 8, 3)


def attended():  # type: ignore[no-untyped-def]
    """Attention that reads masks, and layers behind it that get them."""
    x = layers.Input((6,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.MultiHeadAttention(2, 3)(y, y)
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y))), _RANDOM.randint(0, 5, (3, 6))


def padded():  # type: ignore[no-untyped-def]
    """Attention with dropout and masks: rows of which all is masked, sequences that are all padding, shared layers."""
    x, y = layers.Input((6,), dtype="int32"), layers.Input((4,), dtype="int32")
    a, b = layers.Embedding(9, 4, mask_zero=True)(x), layers.Embedding(9, 5, mask_zero=True)(y)
    itself = layers.MultiHeadAttention(2, 3, dropout=0.2, name="itself")(a, a, use_causal_mask=True)
    other = layers.MultiHeadAttention(2, 3, 2, dropout=0.2, use_bias=False, output_shape=4, name="other")(itself, b)
    shared = layers.MultiHeadAttention(1, 2, dropout=0.2, name="shared")
    ends = [shared(other, a, key=itself), shared(tf.sin(a), layers.Add()([a, other]), key=a)]
    return keras.Model([x, y], [layers.LSTM(3)(ends[0]), *ends]), [_RANDOM.randint(0, 3, (4, n)) for n in (6, 4)]


def masked():  # type: ignore[no-untyped-def]
    """Two sequences with masks of their own, and one without, merged; layers behind that get the mask or don't."""
    x, y = layers.Input((6,), dtype="int32"), layers.Input((6,), dtype="int32")
    a, b = layers.Embedding(9, 4, mask_zero=True)(x), layers.Embedding(9, 4, mask_zero=True)(y)
    c = layers.Add()([layers.Multiply()([a, b]), layers.Rescaling(0.5)(a)])
    d = layers.EinsumDense("abc,cd->abd", (None, 5))(layers.Concatenate()([a, layers.Dense(3)(c)]))
    films = layers.ConvLSTM1D(2, 2, padding="same")(tf.expand_dims(d, 1))
    return keras.Model([x, y], [layers.LSTM(3)(c), films]), [_RANDOM.randint(0, 5, (3, 6)) for _ in range(2)]


def compiled():  # type: ignore[no-untyped-def]
    """Losses with settings, for two outputs, and an optimizer with a schedule."""
    x = layers.Input((5, 4))
    y = layers.LSTM(6, kernel_regularizer="l2")(x)
    model = keras.Model(x, [layers.Dense(3, name="out")(y), layers.Dense(2, "softmax", name="side")(y)])
    losses = {
        "out": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "side": "kullback_leibler_divergence",
    }
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(keras.optimizers.Adam(rate), losses, {"out": ["accuracy"]}, loss_weights={"out": 1.0, "side": 0.5})
    return model, normal(3, 5, 4)


def uncomputed():  # type: ignore[no-untyped-def]
    """Compiled with a loss that its outputs lack an axis for."""
    model = keras.Sequential([layers.Dense(3, input_shape=(4,))])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(axis=2))
    return model, normal(3, 4)


def dead():  # type: ignore[no-untyped-def]
    """A model whose own weights let the signal die, so that what it predicts shows nothing."""
    zeros = layers.Dense(4, kernel_initializer="zeros", activation="relu", input_shape=(3,))
    return keras.Sequential([zeros, layers.LeakyReLU(alpha=0.2), layers.Dense(2, activation="softmax")]), normal(2, 3)


def coded():  # type: ignore[no-untyped-def]
    """A layer with code of its own."""
    return keras.Sequential([layers.Lambda(lambda t: t * 2, input_shape=(3,), name="twice")]), normal(2, 3)


def elided():  # type: ignore[no-untyped-def]
    """Indices that Keras 2 can write into a `.h5` file, and into no `.keras` file; in a nested model too."""
    x, start = layers.Input((4, 6)), layers.Input((4, 5))
    inner = keras.Model(start, layers.Dense(2, activation="hard_sigmoid")(start[..., ::-1]), name="inner")
    return keras.Model(x, layers.Dense(3, activation=tf.nn.gelu)(inner(x[..., 1:]))), normal(2, 4, 6)


def gone():  # type: ignore[no-untyped-def]
    """A layer that Keras 3 hasn't."""
    return keras.Sequential([layers.LocallyConnected1D(2, 3, input_shape=(6, 2), name="local")]), normal(2, 6, 2)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    sequences = (recurrent, attended, padded, masked, filmed, compiled)
    for make in (operations, convolutional, nested, category, *sequences, uncomputed, dead, coded, elided, gone):
        save(make.__name__, *make())
