"""Files that Keras refuses: what the audit names, where Keras doesn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import test_audit
from keras import layers
from test_audit import edited, layer_of

import tracer

file = test_audit.file


def test_a_legacy_file_says_itself_which_array_it_lacks(tmp_path: Path) -> None:
    """Keras says `KeyError: 'kernel'` of it; and this model can't be saved again, so no second file says more."""
    stack = [keras.Input((8, 8, 3)), layers.RandomContrast(0.2, seed=1), layers.Conv2D(2, 3, name="conv")]
    keras.Sequential(stack).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as model:
        [name] = [n for n in model["model_weights/conv"].attrs["weight_names"] if b"kernel" in np.bytes_(n)]
        del model["model_weights/conv"][name]
    refused, absent = tracer.audit(tmp_path / "m.h5").findings
    assert refused.kind == "load-refused"
    assert absent.kind == "variable-not-in-file" and absent.place.startswith("model_weights/conv/")
    assert absent.place.endswith("/kernel") and absent.detail == "the file lists this array and doesn't have it"


def test_a_setting_that_a_model_can_not_be_made_without_is_named(file: Path, tmp_path: Path) -> None:
    """Keras says "You must pass a `shape` argument" of one, and nothing of the layer."""
    path = edited(file, tmp_path, config=lambda c: c["config"]["layers"][0]["config"].pop("batch_shape"))
    refused, missing = tracer.audit(path).findings
    assert refused.kind == "load-refused"
    assert missing.kind == "config-missing" and missing.place.endswith(".batch_shape")
    path = edited(file, tmp_path, config=lambda c: layer_of(c, "head").pop("units"))
    assert [(f.kind, f.place) for f in tracer.audit(path).findings[1:]] == [("config-missing", "trained/head.units")]


def test_settings_that_a_refused_file_lacks_are_told_beside_its_arrays(file: Path, tmp_path: Path) -> None:
    def spoil(config: Any) -> None:
        layer_of(config, "head").update(units=2)
        layer_of(config, "bn").pop("epsilon")

    found = tracer.audit(edited(file, tmp_path, config=spoil)).findings
    assert [f.kind for f in found] == ["load-refused", "array-differs", "array-differs", "config-default"]
    assert found[-1].place.endswith(".epsilon")
