"""Reproductions of the known Keras defects in `tracer/core/diagnosis/known_issues.toml`, one function an issue.

Runs on any Keras 3 release, with nothing else installed:

    python tests/quality/repro_known.py keras#20147  # one, by its id; `all`: each, one line

A function returns (reference, candidate, inputs): two models of one release. Where two *releases* disagree the
candidate is None: `--save FILE` in one of them, and `--against FILE` in the other says how far the outputs moved.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Repro = tuple[Any, Any, Any]
# What differs only while training: dropout, and statistics of the batch.
TRAINING = frozenset({"keras#19397", "keras#20656", "keras#20815", "keras#23023", "keras#23029", "keras#23657"})


def _keras() -> Any:
    """Keras, imported late, on the CPU, quietly."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import keras

    return keras


def _seeded(model: Any, seed: int = 0) -> Any:
    """The model with weights that depend on nothing but their shapes and order."""
    rng = np.random.RandomState(seed)
    weights = [np.asarray(w) for w in model.get_weights()]
    model.set_weights([rng.uniform(0.1, 1.1, w.shape).astype(w.dtype) if w.dtype.kind == "f" else w for w in weights])
    return model


def _normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return (np.random.RandomState(4).normal(size=shape) * scale + shift).astype("float32")


def _reload(model: Any, suffix: str) -> Any:
    """The model after a trip through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m" + suffix)
        model.save(path)
        return _keras().models.load_model(path, compile=False)


def _model(inputs: Any, outputs: Any, x: Any, suffix: str = "") -> Repro:
    """A seeded model, against its copy from a file of that suffix if one is given."""
    model = _seeded(_keras().Model(inputs, outputs, name="m"))
    return model, _reload(model, suffix) if suffix else None, x


def _layer(layer: Any, x: np.ndarray, suffix: str = "") -> Repro:
    """The same, of one layer."""
    inputs = _keras().Input(x.shape[1:], dtype=x.dtype.name)
    return _model(inputs, layer(inputs), x, suffix)


def _adapted(keras: Any) -> Any:
    """A model that normalizes, with adapted statistics: (0, 1) is far from them."""
    norm = keras.layers.Normalization(name="norm")
    norm.adapt(_normal(64, 4, scale=3, shift=5))
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(norm(inputs)), name="m")
    model.get_layer("out").set_weights([_normal(4, 2), np.zeros(2, "float32")])
    return model


def stale_original() -> Repro:
    """Weights from a legacy .h5 file leave Normalization's mean and variance at 0 and 1; the .keras copy is right."""
    keras = _keras()
    donor = _adapted(keras)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2, name="out")(keras.layers.Normalization(name="norm")(inputs))
    model = keras.Model(inputs, outputs, name="m")
    with tempfile.TemporaryDirectory() as folder:
        donor.save(os.path.join(folder, "weights.h5"))
        model.load_weights(os.path.join(folder, "weights.h5"))
    return model, _reload(model, ".keras"), _normal(5, 4, shift=5)


def stale_h5() -> Repro:
    """The reloaded flat .h5 model keeps mean 0 and variance 1."""
    model = _adapted(_keras())
    return model, _reload(model, ".h5"), _normal(5, 4, shift=5)


def stale_h5_nested() -> Repro:
    """The same, with the Normalization inside a nested model."""
    keras = _keras()
    flat = _adapted(keras)
    inner = keras.Sequential([keras.Input((4,)), *flat.layers[1:]], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner], name="outer")
    return model, _reload(model, ".h5"), _normal(5, 4, shift=5)


def stale_set_weights() -> Repro:
    """set_weights never derives mean and variance from what it sets, at any depth."""
    model = _adapted(_keras())
    copy = _keras().models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    return model, copy, _normal(5, 4, shift=5)


def h5_axis() -> Repro:
    """An integer axis is dropped from the configuration when .h5 is read."""
    return _layer(_keras().layers.Softmax(axis=1), _normal(3, 6, 6), ".h5")


def h5_axis_list() -> Repro:
    """So is a list of two axes, still."""
    return _layer(_keras().layers.UnitNormalization(axis=[1, 2]), _normal(3, 6, 6), ".h5")


def rms_scaling() -> Repro:
    """LayerNormalization(rms_scaling=True) comes back as an ordinary layer norm."""
    layer = _keras().layers.LayerNormalization(rms_scaling=True, center=False)
    return _layer(layer, _normal(3, 6, 8, shift=1), ".keras")


def output_padding() -> Repro:
    """Conv2DTranspose forgets output_padding; pooling hides the other shape."""
    keras = _keras()
    inputs = keras.Input((8, 8, 2))
    up = keras.layers.Conv2DTranspose(4, 3, strides=3, padding="same", output_padding=(1, 1))(inputs)
    return _model(inputs, keras.layers.GlobalAveragePooling2D()(up), _normal(3, 8, 8, 2), ".keras")


def nested_shared() -> Repro:
    """A nested model that is called twice: the copy takes another output node."""
    keras = _keras()
    i = keras.Input((4,))
    encoder = keras.Model(i, keras.layers.Dense(4, activation="tanh")(i), name="encoder")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    outputs = [keras.layers.Dense(2, name="ha")(encoder(a)), keras.layers.Dense(2, name="hb")(encoder(b))]
    return _model([a, b], outputs, [_normal(3, 4), _normal(3, 4, shift=2)], ".keras")


def nested_lists() -> Repro:
    """Layers in a list of lists are neither saved nor loaded."""
    keras = _keras()

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

    return _layer(Blocks(), _normal(3, 6), ".keras")


def lora_alpha() -> Repro:
    """Dense.build enables LoRA with alpha = rank, whatever the configuration says."""
    keras = _keras()
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(4, name="d")(inputs))
    model.get_layer("d").enable_lora(2, lora_alpha=7)
    _seeded(model)
    return model, _reload(model, ".h5"), _normal(3, 8)


def autocast() -> Repro:
    """autocast=False isn't in any layer's configuration."""
    layer = _keras().layers.Activation("tanh", dtype="mixed_float16", autocast=False)
    return _layer(layer, _normal(3, 8, scale=9), ".keras")


def sparse_encoding() -> Repro:
    """CategoryEncoding(sparse=True) comes back dense: equal values, another type."""
    layer = _keras().layers.CategoryEncoding(9, output_mode="multi_hot", sparse=True)
    return _layer(layer, np.arange(10, dtype="int32").reshape(2, 5) % 9, ".keras")


def image_data_format() -> Repro:
    """Image preprocessing layers forget data_format. Layers, not models: several releases can't nest this one."""
    layer = _keras().layers.RandomGrayscale(factor=1.0, data_format="channels_first")
    return layer, type(layer).from_config(layer.get_config()), _normal(2, 3, 8, 3)


def attention_seed() -> Repro:
    """Attention(dropout, seed) forgets its seed; .h5 doesn't keep the generator's state either."""
    keras = _keras()
    q = keras.Input((4, 3))
    return _model(q, keras.layers.Attention(score_mode="concat", dropout=0.5, seed=7)([q, q]), _normal(2, 4, 3), ".h5")


def rnn_seed() -> Repro:
    """SimpleRNN(dropout, seed) forgets its seed; .h5 doesn't keep the generator's state either."""
    return _layer(_keras().layers.SimpleRNN(3, dropout=0.5, seed=7), _normal(2, 4, 3), ".h5")


def merge_masks() -> Repro:
    """Add combines the masks of its inputs with "and" in one release, with "or" in the next."""
    keras = _keras()
    a, b = (keras.Input((5,), dtype="int32") for _ in "ab")
    embed = keras.layers.Embedding(9, 3, mask_zero=True)
    outputs = keras.layers.GlobalAveragePooling1D()(keras.layers.Add()([embed(a), embed(b)]))
    x = [np.array([[1, 2, 3, 0, 0]], "int32"), np.array([[1, 0, 0, 4, 0]], "int32")]
    return _model([a, b], outputs, x)


def layer_norm_half() -> Repro:
    """LayerNormalization overflows in float16."""
    return _layer(_keras().layers.LayerNormalization(dtype="float16"), _normal(3, 8, scale=400, shift=200))


def group_norm_half() -> Repro:
    """GroupNormalization overflows in float16."""
    return _layer(_keras().layers.GroupNormalization(2, dtype="float16"), _normal(3, 4, 8, scale=400, shift=200))


def group_norm_mixed() -> Repro:
    """GroupNormalization under mixed_float16 casts a signal that float16 can't hold."""
    return _layer(_keras().layers.GroupNormalization(2, dtype="mixed_float16"), _normal(3, 4, 8, scale=9e4))


def resize_integers() -> Repro:
    """Resizing truncates integer images in one release and rounds them in the next."""
    x = np.random.RandomState(4).randint(0, 256, (2, 10, 10, 3)).astype("uint8")
    return _layer(_keras().layers.Resizing(7, 7, dtype="uint8"), x)


def softmax_all_masked() -> Repro:
    """A row that is masked everywhere: uniform, or zero."""
    keras = _keras()
    inputs, mask = keras.Input((5,)), keras.Input((5,), dtype="bool")
    keep = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    return _model([inputs, mask], keras.layers.Softmax()(inputs, mask), [_normal(2, 5), keep])


def attention_value_mask() -> Repro:
    """A (batch, Tv) mask meets (batch, Tq, Tv) scores: with batch = Tq the wrong axis is masked, silently."""
    keras = _keras()
    q, v = keras.Input((3, 2)), keras.Input((4, 2))
    mask_q, mask_v = keras.Input((3,), dtype="bool"), keras.Input((4,), dtype="bool")
    keep = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]], bool)
    x = [_normal(3, 3, 2), _normal(3, 4, 2, shift=1), np.ones((3, 3), bool), keep]
    return _model([q, v, mask_q, mask_v], keras.layers.Attention()([q, v], mask=[mask_q, mask_v]), x)


def batch_norm_mask() -> Repro:
    """Statistics of a masked batch divide by too few elements when the mask has fewer axes than the input."""
    keras = _keras()
    inputs, mask = keras.Input((4, 3, 2)), keras.Input((4, 1), dtype="bool")
    outputs = keras.layers.BatchNormalization()(inputs, mask=mask)
    keep = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)[..., None]
    return _model([inputs, mask], outputs, [_normal(2, 4, 3, 2), keep])


def recurrent_dropout_rate() -> Repro:
    """recurrent_dropout is applied at the rate of dropout: with dropout 0, not at all."""
    return _layer(_keras().layers.LSTM(3, dropout=0.0, recurrent_dropout=0.5, seed=7), _normal(2, 4, 3))


def gru_dropout_masks() -> Repro:
    """One dropout mask for all gates of a recurrent cell, or one a gate."""
    return _layer(_keras().layers.GRU(3, recurrent_dropout=0.5, seed=7), _normal(2, 4, 3))


def rms_scaling_axis() -> Repro:
    """rms_scaling multiplies gamma along the last axis, whatever `axis` says."""
    return _layer(_keras().layers.LayerNormalization(axis=1, rms_scaling=True, center=False), _normal(2, 4, 4))


def explicit_mask() -> Repro:
    """A mask given by keyword isn't passed on to the layers that follow."""
    keras = _keras()
    inputs, mask = keras.Input((4, 3)), keras.Input((4,), dtype="bool")
    outputs = keras.layers.GlobalAveragePooling1D()(keras.layers.LSTM(3, return_sequences=True)(inputs, mask=mask))
    return _model([inputs, mask], outputs, [_normal(2, 4, 3), np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)])


def attention_axes() -> Repro:
    """A negative attention_axes is counted from the end of the wrong shape."""
    keras, inputs = _keras(), _keras().Input((3, 4, 5))
    return _model(inputs, keras.layers.MultiHeadAttention(2, 3, attention_axes=-2)(inputs, inputs), _normal(2, 3, 4, 5))


def reproductions() -> Mapping[str, Callable[[], Repro]]:
    """By the id of the issue, as `known_issues.toml` has it."""
    return {
        "keras#20147": stale_original,
        "keras#20168": stale_h5,
        "keras#20147/nested-h5": stale_h5_nested,
        "keras#20147/set-weights": stale_set_weights,
        "keras#20963": h5_axis,
        "keras#20973": h5_axis_list,
        "keras#19807": rms_scaling,
        "keras#23014": output_padding,
        "keras@7dae3e918f": nested_shared,
        "keras#20598": nested_lists,
        "keras#21139": lora_alpha,
        "keras#17362": autocast,
        "keras#23375": sparse_encoding,
        "keras#23023": image_data_format,
        "keras#23029": attention_seed,
        "keras#23657": rnn_seed,
        "keras#18416": merge_masks,
        "keras#20257": layer_norm_half,
        "keras#20385": group_norm_half,
        "keras#23070": group_norm_mixed,
        "keras#20213": resize_integers,
        "keras#21149": softmax_all_masked,
        "keras#21595": attention_value_mask,
        "keras#20815": batch_norm_mask,
        "keras#19397": recurrent_dropout_rate,
        "keras#20656": gru_dropout_masks,
        "keras#19643": rms_scaling_axis,
        "keras#21449": explicit_mask,
        "keras#21721": attention_axes,
    }


def _outputs(model: Any, x: Any, training: bool) -> list[np.ndarray]:
    """Outputs as arrays; a sparse one as its dense values, with one more array that says so."""
    keras = _keras()
    called = model(x, training=training)
    arrays: list[np.ndarray] = []
    for value in called if isinstance(called, (list, tuple)) else [called]:
        if "Sparse" in type(value).__name__:
            import tensorflow as tf

            arrays.append(np.ones(1))
            value = tf.sparse.to_dense(value)
        arrays.append(np.asarray(keras.ops.convert_to_numpy(value)))
    return arrays


def distance(left: list[np.ndarray], right: list[np.ndarray]) -> str:
    """Largest absolute difference, or in words what kind of thing differs."""
    if [a.shape for a in left] != [b.shape for b in right]:
        return f"shapes {[a.shape for a in left]} against {[b.shape for b in right]}"
    pairs = [(a.astype("float64"), b.astype("float64")) for a, b in zip(left, right, strict=True)]
    broken = sum(int((np.isfinite(a) != np.isfinite(b)).sum()) for a, b in pairs)
    worst = max(float(np.nanmax(np.abs(a - b), initial=0.0, where=np.isfinite(a - b))) for a, b in pairs)
    return f"{worst:.3g}" + (f" and {broken} values finite on one side only" if broken else "")


def measure(issue: str, save: dict[str, np.ndarray], against: Mapping[str, np.ndarray]) -> str:
    """One line about one issue in this release."""
    try:
        reference, candidate, x = reproductions()[issue]()
        outputs = _outputs(reference, x, issue in TRAINING)
        if candidate is not None:
            return distance(outputs, _outputs(candidate, x, issue in TRAINING))
    except Exception as error:  # a release that refuses the model is a result too: it is printed as one
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:90]}"
    save.update({f"{issue} {i}": a for i, a in enumerate(outputs)})
    if not against:
        return "one model: give --against"
    saved = [against[k] for i in range(len(outputs)) if (k := f"{issue} {i}") in against]
    return distance(outputs, saved) if saved else "not in the file that was saved"


def main(arguments: list[str]) -> int:
    """Prints the release, then a line an issue."""
    parser = argparse.ArgumentParser()
    for name in ("issue", "--save", "--against"):
        parser.add_argument(name)
    options, kept = parser.parse_args(arguments), dict[str, np.ndarray]()
    against = dict(np.load(options.against)) if options.against else {}
    print(f"Keras {_keras().__version__}")
    for issue in reproductions() if options.issue == "all" else [options.issue]:
        print(f"{issue:24s} {measure(issue, kept, against)}", flush=True)
    if options.save:
        np.savez(options.save, **kept)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
