"""Known Keras defects in what a layer computes: two releases give other numbers for the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
from repro_parts import Repro, import_keras, layer_of, model_of, normal


def merge_masks() -> Repro:
    """Add combines the masks of its inputs with "and" in one release, with "or" in the next."""
    keras = import_keras()
    a, b = (keras.Input((5,), dtype="int32") for _ in "ab")
    embed = keras.layers.Embedding(9, 3, mask_zero=True)
    outputs = keras.layers.GlobalAveragePooling1D()(keras.layers.Add()([embed(a), embed(b)]))
    x = [np.array([[1, 2, 3, 0, 0]], "int32"), np.array([[1, 0, 0, 4, 0]], "int32")]
    return model_of([a, b], outputs, x)


def hard_sigmoid() -> Repro:
    """Another slope than in Keras 2."""
    return layer_of(import_keras().layers.Dense(3, activation="hard_sigmoid"), normal(3, 4, shift=-0.5))


def hard_sigmoid_gates() -> Repro:
    """The same, in the gates of a recurrent layer."""
    return layer_of(import_keras().layers.LSTM(3, recurrent_activation="hard_sigmoid"), normal(2, 4, 3, shift=-0.5))


def layer_norm_half() -> Repro:
    """LayerNormalization overflows in float16."""
    return layer_of(import_keras().layers.LayerNormalization(dtype="float16"), normal(3, 8, scale=400, shift=200))


def group_norm_half() -> Repro:
    """GroupNormalization overflows in float16."""
    return layer_of(import_keras().layers.GroupNormalization(2, dtype="float16"), normal(3, 4, 8, scale=400, shift=200))


def group_norm_mixed() -> Repro:
    """GroupNormalization under mixed_float16 casts a signal that float16 can't hold."""
    return layer_of(import_keras().layers.GroupNormalization(2, dtype="mixed_float16"), normal(3, 4, 8, scale=9e4))


def resize_integers() -> Repro:
    """Resizing truncates integer images in one release and rounds them in the next."""
    x = np.random.RandomState(4).randint(0, 256, (2, 10, 10, 3)).astype("uint8")
    return layer_of(import_keras().layers.Resizing(7, 7, dtype="uint8"), x)


def softmax_all_masked() -> Repro:
    """A row that is masked everywhere: uniform, or zero."""
    keras = import_keras()
    inputs, mask = keras.Input((5,)), keras.Input((5,), dtype="bool")
    keep = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    return model_of([inputs, mask], keras.layers.Softmax()(inputs, mask), [normal(2, 5), keep])


def attention_value_mask() -> Repro:
    """A (batch, Tv) mask meets (batch, Tq, Tv) scores: with batch = Tq the wrong axis is masked, silently."""
    keras = import_keras()
    q, v = keras.Input((3, 2)), keras.Input((4, 2))
    mask_q, mask_v = keras.Input((3,), dtype="bool"), keras.Input((4,), dtype="bool")
    keep = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]], bool)
    x = [normal(3, 3, 2), normal(3, 4, 2, shift=1), np.ones((3, 3), bool), keep]
    return model_of([q, v, mask_q, mask_v], keras.layers.Attention()([q, v], mask=[mask_q, mask_v]), x)


def batch_norm_mask() -> Repro:
    """Statistics of a masked batch divide by too few elements when the mask has fewer axes than the input."""
    keras = import_keras()
    inputs, mask = keras.Input((4, 3, 2)), keras.Input((4, 1), dtype="bool")
    outputs = keras.layers.BatchNormalization()(inputs, mask=mask)
    keep = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)[..., None]
    return model_of([inputs, mask], outputs, [normal(2, 4, 3, 2), keep])


def recurrent_dropout_rate() -> Repro:
    """recurrent_dropout is applied at the rate of dropout: with dropout 0, not at all."""
    return layer_of(import_keras().layers.LSTM(3, dropout=0.0, recurrent_dropout=0.5, seed=7), normal(2, 4, 3))


def gru_dropout_masks() -> Repro:
    """One dropout mask for all gates of a recurrent cell, or one a gate."""
    return layer_of(import_keras().layers.GRU(3, recurrent_dropout=0.5, seed=7), normal(2, 4, 3))


def rms_scaling_axis() -> Repro:
    """rms_scaling multiplies gamma along the last axis, whatever `axis` says."""
    return layer_of(import_keras().layers.LayerNormalization(axis=1, rms_scaling=True, center=False), normal(2, 4, 4))


def explicit_mask() -> Repro:
    """A mask given by keyword isn't passed on to the layers that follow."""
    keras = import_keras()
    inputs, mask = keras.Input((4, 3)), keras.Input((4,), dtype="bool")
    outputs = keras.layers.GlobalAveragePooling1D()(keras.layers.LSTM(3, return_sequences=True)(inputs, mask=mask))
    return model_of([inputs, mask], outputs, [normal(2, 4, 3), np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)])


def attention_axes() -> Repro:
    """A negative attention_axes is counted from the end of the wrong shape."""
    keras, inputs = import_keras(), import_keras().Input((3, 4, 5))
    return model_of(
        inputs, keras.layers.MultiHeadAttention(2, 3, attention_axes=-2)(inputs, inputs), normal(2, 3, 4, 5)
    )


def channels_first_images() -> Repro:
    """UpSampling2D transposes images to channels-last, and has them resized as the global setting says."""
    keras = import_keras()

    class Upsampled(keras.Model):  # type: ignore[misc]  # Keras is imported late
        def __init__(self) -> None:
            super().__init__()
            self.layer = keras.layers.UpSampling2D(2, interpolation="bilinear", data_format="channels_first")

        def call(self, x: Any) -> Any:
            keras.config.set_image_data_format("channels_first")
            try:
                return self.layer(x)
            finally:
                keras.config.set_image_data_format("channels_last")

    return Upsampled(), None, normal(2, 5, 7, 4)
