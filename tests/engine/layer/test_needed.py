"""Settings that a configuration lacks and a class can't be made without."""

from __future__ import annotations

import json
from typing import Any

import keras
import pytest
from keras import layers

from tracer.engine.layer import needed


class Needs(layers.Layer):
    """Not registered: it is found only where somebody says which class it is."""

    def __init__(self, width: int, height: int = 3, *, depth: int, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.height, self.depth = width, height, depth


def lacking(described: Any, **known: object) -> list[str]:
    return [finding.place for finding in needed.missing(json.dumps(described), known)]


def nested() -> Any:
    inner = keras.Sequential([keras.Input((4,), name="in"), layers.Dense(3, name="head")], name="inner")
    outside = keras.Input((4,), name="x")
    return json.loads(keras.Model(outside, inner(outside), name="outer").to_json())


def layer_of(described: Any, name: str) -> Any:
    return next(layer["config"] for layer in described["config"]["layers"] if layer["config"]["name"] == name)


def test_a_whole_configuration_lacks_nothing() -> None:
    assert lacking(nested()) == []


@pytest.mark.parametrize(("layer", "key"), [("head", "units"), ("in", "batch_shape")])
def test_it_is_named_with_the_path_of_its_layer(layer: str, key: str) -> None:
    described = nested()
    del layer_of({"config": layer_of(described, "inner")}, layer)[key]
    assert lacking(described) == [f"outer/inner/{layer}.{key}"]


def test_what_has_a_default_is_not_missed() -> None:
    described = nested()
    head = layer_of({"config": layer_of(described, "inner")}, "head")
    for key in ("activation", "use_bias", "kernel_initializer"):
        del head[key]
    assert lacking(described) == []


@pytest.mark.parametrize("key", ["shape", "batch_input_shape", "input_tensor"])
def test_an_input_takes_one_of_several(key: str) -> None:
    described = {"module": "keras.layers", "class_name": "InputLayer", "config": {"name": "x", key: [4]}}
    assert lacking(described) == []
    del described["config"][key]  # type: ignore[attr-defined]
    assert lacking(described) == ["x.batch_shape"]


def test_a_class_of_the_users_is_asked_where_it_is_known() -> None:
    described = {"module": "mine", "class_name": "Needs", "config": {"name": "n", "width": 1}}
    assert lacking(described) == []
    assert lacking(described, Needs=Needs) == ["n.depth"]


def test_what_is_no_layer_is_left_alone() -> None:
    assert lacking({"module": "keras", "class_name": "float", "config": {}}) == []
    assert lacking({"module": "mine", "class_name": "os", "config": {}}, os=json) == []
    assert lacking([{"class_name": 3, "config": {}}, None, "text"]) == []
