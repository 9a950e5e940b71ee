"""Whose array it is, held against what Keras itself writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.layer.naming import Tree
from tracer.engine.model.places import owner
from tracer.files import contents


def nested() -> Any:
    inside = keras.Input((4, 8))
    y = layers.MultiHeadAttention(2, 4, name="attention")(inside, inside)
    inner = keras.Model(inside, layers.Dense(8, name="second")(layers.Dense(8, name="first")(y)), name="inner")
    outside = keras.Input((4, 8))
    both = layers.Bidirectional(layers.LSTM(3), name="both")(layers.LayerNormalization(name="norm")(inner(outside)))
    return keras.Model(outside, layers.Dense(1, name="head")(both))


def test_every_array_of_an_archive_is_traced_to_the_layer_that_has_it(tmp_path: Path) -> None:
    """Each variable gets a value of its own, by which it is found again in the file."""
    model = nested()
    held = {}
    for path, layer in Tree(model).all_layers().items():
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
            variable.assign(np.full(variable.shape, len(held) + 1, "float32"))
            held[float(len(held) + 1)] = path
    model.save(tmp_path / "m.keras")
    numbered = {value: owner(model, path) for path, value in _values(tmp_path / "m.keras")}
    assert numbered == held
    assert {"inner/attention/query", "inner/second", "head"} <= set(held.values())


def _values(path: Path) -> Any:
    import io
    import zipfile

    import h5py

    stored = contents.read(path).arrays
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as arrays:
        for name in stored:
            yield name, float(arrays[name][()].reshape(-1)[0])


@pytest.mark.parametrize("path", ["layers/dense_7/vars/0", "nothing/vars/0", "vars/0", "model_weights/head/kernel", ""])
def test_what_belongs_to_no_layer_has_no_owner(path: str) -> None:
    assert owner(nested(), path) == ""
