"""Known Keras defects that a file, a configuration or a copy of the weights brings out, within one release."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
from repro_parts import Repro, import_keras, layer_of, model_of, normal, reloaded, seeded


def _adapted(keras: Any) -> Any:
    """A model that normalizes, with adapted statistics: (0, 1) is far from them."""
    norm = keras.layers.Normalization(name="norm")
    norm.adapt(normal(64, 4, scale=3, shift=5))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(norm(inputs)), name="m")
    model.get_layer("out").set_weights([normal(4, 2), np.zeros(2, "float32")])
    return model


def stale_original() -> Repro:
    """Weights from a legacy .h5 file leave Normalization's mean and variance at 0 and 1; the .keras copy is right."""
    keras = import_keras()
    donor = _adapted(keras)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2, name="out")(keras.layers.Normalization(name="norm")(inputs))
    model = keras.Model(inputs, outputs, name="m")
    with tempfile.TemporaryDirectory() as folder:
        donor.save(os.path.join(folder, "weights.h5"))
        model.load_weights(os.path.join(folder, "weights.h5"))
    return model, reloaded(model, ".keras"), normal(5, 4, shift=5)


def stale_h5() -> Repro:
    """The reloaded flat .h5 model keeps mean 0 and variance 1."""
    model = _adapted(import_keras())
    return model, reloaded(model, ".h5"), normal(5, 4, shift=5)


def stale_h5_nested() -> Repro:
    """The same, with the Normalization inside a nested model."""
    keras = import_keras()
    flat = _adapted(keras)
    inner = keras.Sequential([keras.Input((4,)), *flat.layers[1:]], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner], name="outer")
    return model, reloaded(model, ".h5"), normal(5, 4, shift=5)


def stale_set_weights() -> Repro:
    """set_weights never derives mean and variance from what it sets, at any depth."""
    model = _adapted(import_keras())
    copy = import_keras().models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    return model, copy, normal(5, 4, shift=5)


def optimizer_taken_by_h5() -> Repro:
    """Saving as .h5 takes the optimizer out of the compile settings: training goes on with RMSprop."""
    keras = import_keras()
    inputs, x = keras.Input((4,)), normal(8, 4)
    model = seeded(keras.Model(inputs, keras.layers.Dense(2, name="out")(inputs), name="m"))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError())
    model.train_on_batch(x, x[:, :2])
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "m.h5"))
        model.save(os.path.join(folder, "m.keras"))
        copy = keras.models.load_model(os.path.join(folder, "m.keras"))
    for each in (model, copy):
        each.train_on_batch(x, x[:, :2])
    return model, copy, normal(5, 4)


def _split_terms(between: str) -> Repro:
    """A term with a line break becomes two when the list of terms is read; those behind it move on."""
    keras = import_keras()
    lookup = keras.layers.StringLookup(name="lookup")
    lookup.adapt(np.array(["a"] * 3 + [f"b{between}c"] * 2 + ["d"]))
    inputs = keras.Input((2,), dtype="string")
    model = keras.Model(inputs, lookup(inputs), name="m")
    return model, reloaded(model, ".keras"), keras.ops.convert_to_tensor([["a", "d"], ["a", "x"]])


def line_feeds() -> Repro:
    """Any release."""
    return _split_terms("\n")


def line_boundaries() -> Repro:
    """What else Python takes for the end of a line, since 3.14."""
    return _split_terms("\u2028")


def h5_axis() -> Repro:
    """An integer axis is dropped from the configuration when .h5 is read."""
    return layer_of(import_keras().layers.Softmax(axis=1), normal(3, 6, 6), ".h5")


def h5_axis_list() -> Repro:
    """So is a list of two axes, still."""
    return layer_of(import_keras().layers.UnitNormalization(axis=[1, 2]), normal(3, 6, 6), ".h5")


def rms_scaling() -> Repro:
    """LayerNormalization(rms_scaling=True) comes back as an ordinary layer norm."""
    layer = import_keras().layers.LayerNormalization(rms_scaling=True, center=False)
    return layer_of(layer, normal(3, 6, 8, shift=1), ".keras")


def output_padding() -> Repro:
    """Conv2DTranspose forgets output_padding; pooling hides the other shape."""
    keras = import_keras()
    inputs = keras.Input((8, 8, 2))
    up = keras.layers.Conv2DTranspose(4, 3, strides=3, padding="same", output_padding=(1, 1))(inputs)
    return model_of(inputs, keras.layers.GlobalAveragePooling2D()(up), normal(3, 8, 8, 2), ".keras")


def nested_shared() -> Repro:
    """A nested model that is called twice: the copy takes another output node."""
    keras = import_keras()
    i = keras.Input((4,))
    encoder = keras.Model(i, keras.layers.Dense(4, activation="tanh")(i), name="encoder")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    outputs = [keras.layers.Dense(2, name="ha")(encoder(a)), keras.layers.Dense(2, name="hb")(encoder(b))]
    return model_of([a, b], outputs, [normal(3, 4), normal(3, 4, shift=2)], ".keras")


def nested_lists() -> Repro:
    """Layers in a list of lists are neither saved nor loaded."""
    keras = import_keras()

    @keras.saving.register_keras_serializable("repro_known")
    class Blocks(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.blocks = [[keras.layers.Dense(6), keras.layers.Dense(6)]]

        def build(self, shape: Any) -> None:
            for layer in self.blocks[0]:
                layer.build(shape)
            self.built = True

        def call(self, x: Any) -> Any:
            return self.blocks[0][1](self.blocks[0][0](x))

    return layer_of(Blocks(), normal(3, 6), ".keras")


def lora_alpha() -> Repro:
    """Dense.build enables LoRA with alpha = rank, whatever the configuration says."""
    keras = import_keras()
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(4, name="d")(inputs))
    model.get_layer("d").enable_lora(2, lora_alpha=7)
    seeded(model)
    return model, reloaded(model, ".h5"), normal(3, 8)


def autocast() -> Repro:
    """autocast=False isn't in any layer's configuration."""
    layer = import_keras().layers.Activation("tanh", dtype="mixed_float16", autocast=False)
    return layer_of(layer, normal(3, 8, scale=9), ".keras")


def sparse_encoding() -> Repro:
    """CategoryEncoding(sparse=True) comes back dense: equal values, another type."""
    layer = import_keras().layers.CategoryEncoding(9, output_mode="multi_hot", sparse=True)
    return layer_of(layer, np.arange(10, dtype="int32").reshape(2, 5) % 9, ".keras")


def image_data_format() -> Repro:
    """Image preprocessing layers forget data_format. Layers, not models: several releases can't nest this one."""
    layer = import_keras().layers.RandomGrayscale(factor=1.0, data_format="channels_first")
    return layer, type(layer).from_config(layer.get_config()), normal(2, 3, 8, 3)


def attention_seed() -> Repro:
    """Attention(dropout, seed) forgets its seed; .h5 doesn't keep the generator's state either."""
    keras = import_keras()
    q = keras.Input((4, 3))
    return model_of(q, keras.layers.Attention(score_mode="concat", dropout=0.5, seed=7)([q, q]), normal(2, 4, 3), ".h5")


def rnn_seed() -> Repro:
    """SimpleRNN(dropout, seed) forgets its seed; .h5 doesn't keep the generator's state either."""
    return layer_of(import_keras().layers.SimpleRNN(3, dropout=0.5, seed=7), normal(2, 4, 3), ".h5")
