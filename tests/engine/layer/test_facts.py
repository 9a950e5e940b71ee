"""`tracer.engine.layer.facts`: what can be said of a layer without running it, and what is left unsaid."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.source import Function
from tracer.engine.layer import facts
from tracer.engine.layer.naming import Tree


class Odd(layers.Layer):
    """Keeps all kinds of things."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.number, self.word, self.nothing = 3, "three", None
        self.array = np.arange(3)
        self.table = keras.ops.ones((2,))
        self.sizes, self.pair = [1, [2, 3]], (1, "a")
        self.words = {"b": 2, "a": 1}
        self.function = np.linalg.norm
        self.helper = object()
        self.inner = layers.Dense(2, name="inner")
        self.deep = [[[[1]]]]
        self.data = list(range(100))

    def call(self, x: Any) -> Any:
        return x


def odd() -> Any:
    return Odd(name="odd")


def test_attributes_are_told_by_value() -> None:
    told = facts.state(odd())
    assert (told["number"], told["word"], told["nothing"]) == (3, "three", None)
    assert np.array_equal(told["array"], [0, 1, 2])
    assert isinstance(told["table"], np.ndarray) and told["table"].tolist() == [1.0, 1.0]
    assert told["sizes"] == [1, [2, 3]] and told["pair"] == (1, "a") and told["words"] == {"a": 1, "b": 2}
    assert told["deep"] == [[[[1]]]] and told["data"] == list(range(100))
    assert isinstance(told["function"], Function) and told["function"].name == "numpy.linalg.norm"


def test_what_has_no_value_to_compare_is_left_out() -> None:
    """Layers; objects that hold nothing; what Keras keeps for itself."""
    told = facts.state(odd())
    assert {"helper", "inner"}.isdisjoint(told)
    assert {"_tracker", "_name", "built", "_losses"}.isdisjoint(told)
    assert not [name for name in told if name.startswith("_tf_")]


def test_an_array_that_is_told_is_a_copy() -> None:
    layer = odd()
    told = facts.state(layer)
    layer.array[:] = 7
    assert told["array"].tolist() == [0, 1, 2]


def test_a_replaced_method_is_no_state() -> None:
    layer = layers.Dense(2)
    layer.call = lambda x: x  # type: ignore[method-assign]
    assert "call" not in facts.state(layer)


def test_variables_have_the_names_of_the_layers_that_hold_them_and_are_told_once() -> None:
    shared = layers.Dense(3, name="one")
    model = keras.Sequential([keras.Input((3,)), shared, layers.Dense(2, name="two"), layers.LSTM(2, name="r")][:3])
    holder = layers.TimeDistributed(layers.Dense(2, name="step"), name="steps")
    holder.build((None, 4, 3))
    assert list(facts.named_variables(model)) == ["one/kernel", "one/bias", "two/kernel", "two/bias"]
    assert list(facts.named_variables(holder)) == ["step/kernel", "step/bias"]
    assert facts.named_variables(keras.ops) == {}  # no layer


def test_two_variables_of_one_name_stay_two() -> None:
    class Twice(layers.Layer):
        def build(self, _shape: Any) -> None:
            self.first = self.add_weight(shape=(1,), name="w")
            self.second = self.add_weight(shape=(2,), name="w")

    layer = Twice()
    layer.build(None)
    assert {name: tuple(v.shape) for name, v in facts.named_variables(layer).items()} == {"w": (1,), "w'": (2,)}


def test_facts_of_a_layer_path_hold_its_weights_as_they_are_now() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_initializer="ones", name="d")], name="m")
    tree = Tree(model)
    found = facts.facts(tree, "dense", {"d": "dense"})  # as the other side calls it
    assert found is not None
    assert found.class_name.endswith(".Dense") and found.config["units"] == 2 and not found.derives
    model.layers[0].kernel.assign(np.zeros((3, 2), "float32"))
    assert found.weights["kernel"].tolist() == np.ones((3, 2)).tolist()
    assert facts.facts(tree, "nothing", {}) is None


def test_a_layer_that_derives_its_state_says_so() -> None:
    assert facts.settings(layers.Normalization()).derives


def test_a_layer_that_only_inherits_from_all_layers_how_to_derive_state_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in Keras 2, where the method of all layers does nothing."""
    monkeypatch.setattr(layers.Layer, "finalize_state", lambda self: None, raising=False)
    assert not facts.derives_state(layers.Dense(2))
    assert facts.derives_state(layers.Normalization())
    assert facts.settings(layers.Normalization()).weights == {}


def test_a_configuration_is_plain_and_one_that_fails_is_empty() -> None:
    class Plain(layers.Layer):
        def get_config(self) -> dict[str, Any]:
            return {"size": (1, 2), "odd": object(), 3: "three", "policy": keras.DTypePolicy("float32")}

    class Failing(layers.Layer):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("not serializable")

    config = facts.settings(Plain()).config
    assert config["size"] == [1, 2] and config["odd"] == "<object>" and config["3"] == "three"
    assert config["policy"]["config"] == {"name": "float32"}
    assert facts.settings(Failing()).config == {}


def test_the_dtype_policy_is_told_in_words() -> None:
    told = facts.policy(layers.Dense(2, dtype="mixed_float16"))
    assert (told["dtype_policy"], told["compute_dtype"], told["variable_dtype"]) == (
        "mixed_float16", "float16", "float32",
    )  # fmt: skip
    assert told["autocast"] == "True" and "quantization_mode" not in told


def test_the_arguments_are_those_of_all_constructors() -> None:
    class Mine(layers.Dense):
        def __init__(self, units: int, *, gain: float = 1.0, **options: Any) -> None:
            super().__init__(units, **options)
            self.gain = gain

    told = facts.settings(Mine(2)).arguments
    assert {"units", "gain", "kernel_initializer", "activity_regularizer", "dtype", "trainable"} <= set(told)
    assert {"self", "options", "kwargs"}.isdisjoint(told)


def test_a_vocabulary_is_told_though_it_is_neither_weight_nor_configuration() -> None:
    lookup = layers.StringLookup(vocabulary=["b", "a"])
    words = facts.vocabulary(lookup)
    assert words is not None and words.tolist() == ["[UNK]", "b", "a"]
    assert facts.state(lookup)["vocabulary"].tolist() == ["[UNK]", "b", "a"]
    assert facts.vocabulary(layers.Dense(2)) is None


@pytest.mark.parametrize("error", [ValueError, AttributeError, RuntimeError])
def test_a_vocabulary_that_is_not_there_yet_is_none(error: type[Exception]) -> None:
    class Empty(layers.Layer):
        def get_vocabulary(self) -> list[str]:
            raise error("adapt it first")

    assert facts.vocabulary(Empty()) is None
