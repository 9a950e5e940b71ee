"""Known Keras defects of one backend: it gives other numbers than the others for the same model.

`KERAS_BACKEND` chooses: `--save FILE` on one, `--against FILE` on the other.
"""

from __future__ import annotations

import numpy as np
from repro_parts import Repro, import_keras, layer_of, model_of, normal


def transposed_padding() -> Repro:
    """A stride of 2 and a kernel of 3: torch cuts off the other end."""
    layer = import_keras().layers.Conv2DTranspose(2, 3, strides=2, padding="same")
    return layer_of(layer, normal(2, 5, 7, 4))


def average_of_edges() -> Repro:
    """Torch repeats the edge, and counts it."""
    return layer_of(import_keras().layers.AveragePooling2D(4, strides=2, padding="same"), normal(2, 5, 7, 4))


def symmetric_pad() -> Repro:
    """Torch repeats the edge, where the others mirror."""
    keras = import_keras()
    inputs = keras.Input((6,))
    return model_of(inputs, keras.ops.pad(inputs, ((0, 0), (2, 3)), mode="symmetric"), normal(2, 6))


def half_a_turn() -> Repro:
    """TensorFlow takes the height for the width between two quarters of the turn."""
    keras = import_keras()
    inputs = keras.Input((4, 6, 3))
    x = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)
    return model_of(inputs, keras.ops.rot90(inputs, k=2, axes=(1, 2)), x)
