"""A file can't make its layers take more memory than it can hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import canaries
import keras
import pytest
from keras import layers

from tracer.core.spec import parse_spec
from tracer.engine.loading import growth
from tracer.engine.model.build import build
from tracer.errors import ModelError


def wide(units: int) -> canaries.Json:
    return canaries.model(canaries.node(canaries.layer("Dense", units=units), "dense", canaries.TENSOR))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_small_file_with_a_layer_of_two_hundred_million_units(suffix: str, tmp_path: Path) -> None:
    write = canaries.write_archive if suffix == ".keras" else canaries.write_legacy
    config = wide(200_000_000)
    config["config"]["output_layers"] = [["dense", 0, 0]]
    with pytest.raises(ModelError, match=r"layer 'dense' brings the weights to 3\.2GB, where the file can hold"):
        build(parse_spec(str(write(tmp_path / f"m{suffix}", config))))


def test_a_configuration_has_the_memory_that_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = wide(3)
    config["config"]["output_layers"] = [["dense", 0, 0]]
    (tmp_path / "m.json").write_text(json.dumps(config))
    assert build(parse_spec(str(tmp_path / "m.json"))).count_params() == 15
    monkeypatch.setattr("tracer.system.room.available", lambda: 100)
    with pytest.raises(ModelError, match="layer 'dense' brings the weights to"):
        build(parse_spec(str(tmp_path / "m.json")))


def test_what_is_added_up_is_the_bytes_of_all_weights_and_keras_is_left_as_it_was() -> None:
    before = keras.layers.Layer.add_weight
    with growth.bounded(4 * 15):
        layers.Dense(3).build((None, 4))
    with pytest.raises(ModelError, match=r"layer 'dense\w*' brings"), growth.bounded(4 * 15 - 1):
        layers.Dense(3).build((None, 4))
    assert keras.layers.Layer.add_weight is before


def test_a_shape_is_found_wherever_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras 2 takes the name first, and shapes of its own kind."""
    taken: list[object] = []

    class Shape:
        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Iterator[int]:
            return iter((20, 30))

    def add_weight(self: object, name: object = None, shape: object = None) -> None:
        taken.append(shape)

    monkeypatch.setattr(keras.layers.Layer, "add_weight", add_weight)
    layer = layers.Dense(3)
    for shape in ((20, 30), [20, 30], Shape()):
        with pytest.raises(ModelError, match=r"brings the weights to 2\.4KB"), growth.bounded(2399):
            layer.add_weight("kernel", shape)
    with growth.bounded(2400):
        layer.add_weight("kernel", (20, 30))
    with pytest.raises(ModelError, match=r"brings the weights to 2\.4KB"), growth.bounded(2399):
        layer.add_weight(name="kernel", shape=(20, 30))
    assert taken == [(20, 30)]
