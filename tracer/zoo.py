"""Models to try the tracer on: the published cases, and one tiny model of each kind.

Each is a callable without required arguments, so that it can be named as `tracer.zoo:NAME`. All weights are seeded:
the same release builds the same model every time. Importing this module imports no Keras.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tracer.system import leftovers

if TYPE_CHECKING:
    import keras

_FACTORIES = (
    "pretrained_classifier",
    "pretrained_classifier_nested",
    "pretrained_unet",
    "tiny_functional",
    "tiny_sequential",
    "tiny_nested",
    "tiny_multi_io",
    "tiny_shared",
    "tiny_subclassed",
    "tiny_text",
    "tiny_recurrent",
    "tiny_attention",
    "tiny_dropout",
)
# Encoder outputs at a half, a quarter, an eighth and a sixteenth of the picture; the names are the same in B0 … B7.
_SKIPS = (
    "block2a_expand_activation",
    "block3a_expand_activation",
    "block4a_expand_activation",
    "block6a_expand_activation",
)


def names() -> tuple[str, ...]:
    """The factories of this module: each `tracer.zoo:NAME` is a model specification."""
    return _FACTORIES


def pretrained_classifier(size: int = 96, classes: int = 10, seed: int = 0) -> keras.Model:
    """keras#20147: a classifier on EfficientNetB0, whose weights come the way that pretrained ones do.

    They are read from a legacy `.h5` file. Up to Keras 3.5 that leaves the mean and variance with which the
    `Normalization` computes at 0 and 1: this model, the one that would be trained, is wrong, and becomes right when it
    is saved as `.keras` and loaded.

    Args:
        size: height and width of the input in pixels.
        classes: of the softmax.
        seed: of the weights.

    Returns:
        A functional model without nested models.
    """
    import keras

    base = _pretrained("EfficientNetB0", size, seed)
    return keras.Model(base.inputs[0], _head(base.outputs[0], classes, seed), name="pretrained_classifier")


def pretrained_classifier_nested(size: int = 96, classes: int = 10, seed: int = 0) -> keras.Model:
    """The same with the base called as one layer, and right as it is; its `.h5` copy is wrong up to Keras 3.15.1.

    Loading a legacy `.h5` file finalizes the state of direct children alone, so that the nested `Normalization` keeps
    mean 0 and variance 1.

    Args:
        size: height and width of the input in pixels.
        classes: of the softmax.
        seed: of the weights.

    Returns:
        A functional model with `efficientnetb0` as one of its layers.
    """
    import keras

    from tracer.engine.model.seeded import seed_weights

    base = seed_weights(_application("EfficientNetB0", size, None), seed)
    image = keras.Input(base.input_shape[1:], name="image")
    return keras.Model(image, _head(base(image), classes, seed), name="pretrained_classifier_nested")


def pretrained_unet(size: int = 128, encoder: str = "EfficientNetB7", seed: int = 0) -> keras.Model:
    """keras#20460: a U-Net on EfficientNetB7 with weights from a legacy `.h5` file, wrong up to Keras 3.5.

    Args:
        size: height and width of the input in pixels, a multiple of 32.
        encoder: which EfficientNet of `keras.applications`.
        seed: of the weights.

    Returns:
        A functional model with four skip connections that gives a mask of `size` × `size` × 1.
    """
    import keras
    from keras import layers

    base = _pretrained(encoder, size, seed)
    y = base.outputs[0]
    for depth, skip in reversed(list(enumerate(_SKIPS))):
        filters = 16 * 2**depth
        y = layers.UpSampling2D(name=f"up_{depth}")(y)
        y = layers.Concatenate(name=f"skip_{depth}")([y, base.get_layer(skip).output])
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"decoder_{depth}_conv")(y)
        y = layers.BatchNormalization(name=f"decoder_{depth}_bn")(y)
        y = layers.Activation("relu", name=f"decoder_{depth}_relu")(y)
    y = layers.UpSampling2D(name="up_mask")(y)
    y = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(y)
    model = keras.Model(base.inputs[0], y, name="pretrained_unet")
    return _seed_new_layers(model, base, seed)


def _application(name: str, size: int, weights: str | None) -> keras.Model:
    """An EfficientNet without its top; `name=` isn't accepted by the applications of Keras 3.0."""
    import keras

    channels_last = keras.config.image_data_format() == "channels_last"
    shape = (size, size, 3) if channels_last else (3, size, size)
    return getattr(keras.applications, name)(weights=weights, include_top=False, input_shape=shape)


def _pretrained(name: str, size: int, seed: int) -> keras.Model:
    """An EfficientNet with weights from a legacy `.h5` file, which is what `weights="imagenet"` downloads."""
    from tracer.engine.compat import dialect
    from tracer.engine.model.seeded import seed_weights

    with dialect().fresh_names():  # so that the model itself gets the names that users know, without `_1`
        donor = seed_weights(_application(name, size, None), seed)
    with leftovers.temporary_folder() as folder:
        file = str(folder / "donor.h5")
        with _without_format_warning():
            donor.save(file)
        return _application(name, size, file)


@contextlib.contextmanager
def _without_format_warning() -> Iterator[None]:
    """Keras advises against the legacy format, in some releases as a warning and in others as a log line."""
    logger = logging.getLogger("absl")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _head(features: keras.KerasTensor, classes: int, seed: int) -> keras.KerasTensor:
    """Pooling and a seeded softmax on top of `features`."""
    import numpy as np
    from keras import layers

    pooled = layers.GlobalAveragePooling2D(name="gap")(features)
    head = layers.Dense(classes, activation="softmax", name="head")
    logits = head(pooled)
    random = np.random.RandomState(seed)
    # Pooled features have a root mean square near 0.2: this gives logits a standard deviation near 2.
    kernel = random.normal(size=head.kernel.shape) * 10.0 / np.sqrt(head.kernel.shape[0])
    head.set_weights([kernel.astype("float32"), np.zeros(classes, "float32")])
    return logits


def _seed_new_layers(model: keras.Model, base: keras.Model, seed: int) -> keras.Model:
    """Seeds what `model` adds to `base`, and leaves `base` in the very state that its file left it in."""
    from tracer.engine.model.seeded import seed_weights

    known = {id(layer) for layer in base.layers}
    return seed_weights(model, seed, skip=lambda layer: id(layer) in known)


def tiny_functional() -> keras.Model:
    """A small convolutional classifier of 16 × 16 pixels, with a residual branch."""
    import keras
    from keras import layers

    image = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1.0 / 255.0, name="rescaling")(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Activation("swish", name="swish")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return _seeded(keras.Model(image, layers.Dense(4, activation="softmax", name="head")(x), name="tiny_functional"))


def tiny_sequential() -> keras.Model:
    """Two dense layers, sequential."""
    import keras
    from keras import layers

    stack = [keras.Input((8,)), layers.Dense(6, activation="relu", name="hidden"), layers.Dense(3, name="out")]
    return _seeded(keras.Sequential(stack, name="tiny_sequential"))


def tiny_nested() -> keras.Model:
    """A functional model in a functional model, with a `Normalization` inside the inner one."""
    import keras
    from keras import layers

    inside = keras.Input((6,), name="features")
    x = layers.Normalization(name="normalization")(inside)
    inner = keras.Model(inside, layers.Dense(5, activation="tanh", name="dense")(x), name="inner")
    outside = keras.Input((6,), name="x")
    return _seeded(keras.Model(outside, layers.Dense(2, name="out")(inner(outside)), name="tiny_nested"))


def tiny_multi_io() -> keras.Model:
    """A dictionary of two inputs, a dictionary of two outputs."""
    import keras
    from keras import layers

    inputs = {"left": keras.Input((4,), name="left"), "right": keras.Input((3,), name="right")}
    x = layers.Concatenate(name="both")([inputs["left"], inputs["right"]])
    x = layers.Dense(5, activation="gelu", name="mix")(x)
    outputs = {"score": layers.Dense(1, name="score")(x), "kind": layers.Dense(3, activation="softmax", name="kind")(x)}
    return _seeded(keras.Model(inputs, outputs, name="tiny_multi_io"))


def tiny_shared() -> keras.Model:
    """One layer called at two places."""
    import keras
    from keras import layers

    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = layers.Dense(5, activation="relu", name="shared_dense")
    x = layers.Subtract(name="difference")([shared(left), shared(right)])
    return _seeded(keras.Model([left, right], layers.Dense(1, name="out")(x), name="tiny_shared"))


def tiny_subclassed() -> keras.Model:
    """A subclassed model, without a graph of its own, built by one call."""
    import keras
    import numpy as np

    class TinySubclassed(keras.Model):  # type: ignore[misc]
        """Two dense layers and a skip."""

        def __init__(self, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.first = keras.layers.Dense(6, activation="relu", name="first")
            self.second = keras.layers.Dense(6, name="second")

        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            hidden = self.first(inputs)
            return hidden + self.second(hidden)

    model = TinySubclassed(name="tiny_subclassed")
    model(np.zeros((1, 5), "float32"))
    return _seeded(model)


def tiny_text() -> keras.Model:
    """Token ids with a mask, embedded and averaged."""
    import keras
    from keras import layers

    tokens = keras.Input((12,), dtype="int32", name="tokens")
    x = layers.Embedding(50, 8, mask_zero=True, name="embedding")(tokens)
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return _seeded(keras.Model(tokens, layers.Dense(2, activation="softmax", name="head")(x), name="tiny_text"))


def tiny_recurrent() -> keras.Model:
    """A bidirectional LSTM and a GRU."""
    import keras
    from keras import layers

    steps = keras.Input((7, 4), name="steps")
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True, name="lstm"), name="bidirectional")(steps)
    x = layers.GRU(4, name="gru")(x)
    return _seeded(keras.Model(steps, layers.Dense(1, name="out")(x), name="tiny_recurrent"))


def tiny_attention() -> keras.Model:
    """One transformer block."""
    import keras
    from keras import layers

    steps = keras.Input((6, 8), name="steps")
    x = layers.LayerNormalization(name="norm")(steps)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.Add(name="add")([steps, x])
    x = layers.Dense(8, activation="gelu", name="feed_forward")(x)
    return _seeded(keras.Model(steps, layers.Dense(3, name="out")(x), name="tiny_attention"))


def tiny_dropout() -> keras.Model:
    """A dropout between two dense layers: random when it is run with `training=True`."""
    import keras
    from keras import layers

    x = keras.Input((8,), name="x")
    y = layers.Dense(16, activation="relu", name="hidden")(x)
    y = layers.Dropout(0.5, seed=1, name="dropout")(y)
    return _seeded(keras.Model(x, layers.Dense(2, name="out")(y), name="tiny_dropout"))


def _seeded(model: keras.Model) -> keras.Model:
    from tracer.engine.model.seeded import seed_weights

    return seed_weights(model)
