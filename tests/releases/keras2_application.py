"""Runs in Keras 2: `keras2_application.py NAME NESTED` writes an application, its inputs and what it predicts."""

import sys

import keras
import numpy as np
from keras import layers

SIZE = 96


def fill(model):  # type: ignore[no-untyped-def]
    """Weights that keep a signal alive, which Keras' own don't."""
    random = np.random.RandomState(0)
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, (layers.BatchNormalization, layers.Normalization, keras.Model)):
            continue
        for weight in layer._trainable_weights:
            spread = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1]))) if weight.shape.rank > 1 else 0.1
            weight.assign(random.normal(0, spread, weight.shape))


def build(name, nested):  # type: ignore[no-untyped-def]
    """The application with a new head; as a layer of a model, or by its tensors."""
    size = max(SIZE, 224) if name.startswith("NASNet") else SIZE
    base = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3))
    start = layers.Input((size, size, 3)) if nested else base.input
    features = base(start) if nested else base.output
    end = layers.Dense(10, "softmax", name="head")(layers.GlobalAveragePooling2D(name="gap")(features))
    model = keras.Model(start, end)
    fill(model)
    return model, np.random.RandomState(1).uniform(0, 255, (2, size, size, 3)).astype("float32")


if __name__ == "__main__":
    built, inputs = build(sys.argv[1], bool(int(sys.argv[2])))
    np.savez("model.npz", inputs)
    np.savez("model_y.npz", np.asarray(built(inputs, training=False)))
    built.save("model.h5")
