"""What Keras 2.15 wrote of every kind of layer, recorded: the installed Keras takes all of it, once it is translated.

`keras2_configs.jsonl` was written by `tests/releases/keras2_layers.py configs FILE`, in Keras 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from tracer.core.migration.translate import translate

_LAYERS = [
    json.loads(line)
    for line in Path(__file__).with_name("keras2_configs.jsonl").read_text(encoding="utf-8").splitlines()
]
# What the two generations say in other words, and what Keras 3 takes and doesn't say.
_OTHER_WORDS = {"name", "dtype", "module", "registered_name", "factor", "sparse"}


def differences(layer: dict[str, Any]) -> Iterator[str]:
    """What the layer that the installed Keras makes of a record has otherwise than it should."""
    translation = translate(layer)
    yield from map(str, translation.problems)
    made = keras.saving.deserialize_keras_object(translation.config)
    if (type(made).__name__, made.name) != (translation.config["class_name"], layer["config"]["name"]):
        yield f"made as {made.name} ({type(made).__name__})"
    ours, theirs = made.get_config(), translation.config["config"]
    for key in theirs.keys() - _OTHER_WORDS:
        if key not in ours and theirs[key] is not None:
            yield f"{key} is taken and not told"
        elif isinstance(theirs[key], (bool, int, float, str)) and ours.get(key) != theirs[key]:
            yield f"{key} is {ours.get(key)!r} instead of {theirs[key]!r}"


def test_every_layer_is_made_with_its_settings() -> None:
    """In one test, since each of them takes a millisecond."""
    assert [(line["config"]["name"], *found) for line in _LAYERS if (found := list(differences(line)))] == []


@pytest.mark.parametrize("change", [{"units": 7}, {"name": "other"}, {"use_bias": False}])
def test_a_setting_that_is_lost_is_found(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    dense = next(layer for layer in _LAYERS if layer["class_name"] == "Dense")
    translation = translate({**dense, "config": {**dense["config"], **change}})
    kept = keras.saving.deserialize_keras_object
    made = kept(translate(dense).config)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda config: made)
    assert translation.problems == ()
    assert len(list(differences({**dense, "config": {**dense["config"], **change}}))) == 1


def test_nearly_all_kinds_of_layers_are_recorded() -> None:
    recorded = {layer["class_name"] for layer in _LAYERS}
    assert len(recorded) >= 55, sorted(recorded)
    assert {"LSTM", "RNN", "Bidirectional", "Conv2DTranspose", "StringLookup"} <= recorded
