"""`tracer.engine.layer.naming`: every layer has one name below its parent, wherever a model keeps it."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from tracer.core.comparison.alignment import align, all_paths, translated
from tracer.engine.layer.naming import Tree, base_name
from tracer.engine.layer.places import outline_of


@pytest.mark.parametrize(
    "kind",
    ["Dense", "Conv2D", "Conv2DTranspose", "BatchNormalization", "GlobalAveragePooling1D", "LSTM", "GRU", "ReLU",
     "UnitNormalization", "MultiHeadAttention", "UpSampling2D"],
)  # fmt: skip
def test_base_name_is_the_name_that_keras_gives(kind: str) -> None:
    needed = {"Dense": (3,), "Conv2D": (3, 2), "Conv2DTranspose": (3, 2), "LSTM": (3,), "GRU": (3,),
              "MultiHeadAttention": (2, 2)}  # fmt: skip
    keras.backend.clear_session()
    assert base_name(kind) == getattr(layers, kind)(*needed.get(kind, ())).name


def _inner(name: str = "encoder") -> Any:
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(4, name="dense")(x), name=name)


def _graph() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner, shared = _inner(), layers.Dense(3, name="shared")
    joined = layers.Add(name="add")([shared(inner(a)), shared(inner(b))])
    return keras.Model([a, b], joined * 2.0, name="siamese")


class Holder(layers.Layer):
    """Keeps layers in every kind of container; `call` isn't what is asked about."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.single = layers.Dense(1, name="single")
        self.flat = [layers.Dense(1, name="in_list"), layers.Dense(1, name="also_in_list")]
        self.deep = [[layers.Dense(1, name="in_list_of_lists")], {"k": layers.Dense(1, name="in_dict_in_list")}]
        self.named = {"b": layers.Dense(1, name="in_dict")}
        self.pair = (layers.Dense(1, name="in_tuple"),)
        self.numbers = [1, 2.0, "three", None]

    def call(self, x: Any) -> Any:
        return x


def test_layers_are_found_in_every_container() -> None:
    expected = {"single", "in_list", "also_in_list", "in_list_of_lists", "in_dict_in_list", "in_dict", "in_tuple"}
    assert set(Tree(Holder()).children(Tree(Holder()).model)) == expected


def test_the_outline_of_a_graph_has_its_layers_and_operations_once_and_no_inputs() -> None:
    outline = outline_of(Tree(_graph()))
    names = [child.name for child in outline.children]
    assert names[:3] == ["encoder", "shared", "add"]
    assert len(names) == 4 and names[3].startswith("multiply")
    assert [child.name for child in outline.children[0].children] == ["dense"]
    assert (outline.children[1].class_name, outline.children[1].base) == ("Dense", "dense")


def test_sequential_lists_its_layers_in_order_built_or_not() -> None:
    stack = [layers.Dense(3, name="z"), layers.Dense(3, name="a"), layers.Flatten(name="m")]
    for inputs in ([], [keras.Input((4,))]):
        outline = outline_of(Tree(keras.Sequential([*inputs, *stack])))
        assert [child.name for child in outline.children] == ["z", "a", "m"]


def test_two_layers_of_one_name_stay_two() -> None:
    class EqualTensors(layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="twins")
            self.parts = [layers.Dense(2, name="part"), layers.Dense(3, name="part"), layers.Dense(4, name="part")]

    layer = EqualTensors()
    named = Tree(layer).children(layer)
    assert {name: part.units for name, part in named.items()} == {"part": 2, "part~1": 3, "part~2": 4}


def test_a_layer_that_contains_itself_is_followed_once() -> None:
    class Ring(layers.Layer):
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.other: Any = None

    first, second = Ring("first"), Ring("second")
    first.other, second.other = second, first
    assert all_paths(outline_of(Tree(first))) == {"second"}
    assert set(Tree(first).all_layers()) == {"", "second"}


def test_find_is_the_way_back_from_a_layer_path() -> None:
    model = _graph()
    tree = Tree(model)
    for path, layer in tree.all_layers().items():
        if path:
            assert tree.find(path, {}) is layer
    assert tree.find("encoder#1/dense:2", {}) is model.get_layer("encoder").get_layer("dense")
    assert tree.find("siamese", {}) is model
    assert tree.find("encoder/nothing", {}) is None
    assert tree.find("nothing", {}) is None


def _unnamed() -> Any:
    x = keras.Input((4,))
    hidden = layers.Dense(4)(x)
    inner_input = keras.Input((4,))
    inner = keras.Sequential([inner_input, layers.Dense(4), layers.ReLU(), layers.Dense(4)])
    return keras.Model(x, layers.Dense(2)(inner(hidden)))


def test_find_speaks_the_other_sides_names() -> None:
    """The same model, built later in a process: other numbers, the same paths."""
    keras.backend.clear_session()
    reference, candidate = Tree(_unnamed()), Tree(_unnamed())
    names = align(outline_of(reference), outline_of(candidate)).names
    assert names
    assert all_paths(outline_of(candidate), names) == all_paths(outline_of(reference))
    for path, layer in candidate.all_layers().items():
        if path:
            assert candidate.find(translated(path, names), names) is layer


def test_descendants_prefer_the_shortest_path() -> None:
    inner = _inner()
    x = keras.Input((4,))
    dense = inner.get_layer("dense")
    model = keras.Model(x, dense(inner(x)))
    assert Tree(model).descendants(model)[id(dense)] == "dense"


@pytest.mark.parametrize("name", ["block:1", "conv#2"])
def test_names_with_the_marks_of_a_layer_path_are_found(name: str) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, name=name)(x))
    assert Tree(model).find(name, {}) is model.get_layer(name)
