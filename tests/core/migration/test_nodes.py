"""Calls in a graph of Keras 2: which tensor goes where."""

from __future__ import annotations

from typing import Any

import pytest

from tracer.core.migration.nodes import Names, map_tensors, translate_nodes, translate_operation
from tracer.core.migration.rules import UnsupportedError

_NAMES = Names(layers=frozenset({"a", "b", "model"}), first={"model": 1})


def tensor(name: str, call: int = 0, output: int = 0) -> dict[str, Any]:
    """As Keras 3 writes it."""
    config = {"shape": [], "dtype": "float32", "keras_history": [name, call, output]}
    return {"class_name": "__keras_tensor__", "config": config}


@pytest.mark.parametrize(
    ("class_name", "node", "args", "kwargs"),
    [
        ("Dense", [["a", 0, 0, {}]], [tensor("a")], {}),
        ("Add", [["a", 0, 0, {}], ["b", 2, 1, {}]], [[tensor("a"), tensor("b", 2, 1)]], {}),
        ("Dense", [["model", 1, 0, {}]], [tensor("model", 0)], {}),  # Keras 2 counts the call that made the model
        ("Dropout", [["a", 0, 0, {"training": True}]], [tensor("a")], {"training": True}),
        ("Dropout", [["a", 0, 0, {"training": None}]], [tensor("a")], {}),
        ("MultiHeadAttention", [["a", 0, 0, {"value": ["b", 0, 0]}]], [tensor("a")], {"value": tensor("b")}),
        ("LSTM", [["a", 0, 0, {}], ["b", 0, 1, {}]], [tensor("a")], {"initial_state": [tensor("b", 0, 1)]}),
        ("LSTM", [["a", 0, 0, {}]], [tensor("a")], {}),
        ("M", {"x": ["a", 0, 0, {}], "y": ["b", 0, 0, {}]}, [{"x": tensor("a"), "y": tensor("b")}], {}),
    ],
)
def test_calls_of_layers(class_name: str, node: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    layer = {"class_name": class_name, "config": {}, "inbound_nodes": [node]}
    assert translate_nodes(layer, _NAMES) == [{"args": args, "kwargs": kwargs}]


def test_every_call_of_a_shared_layer() -> None:
    layer = {"class_name": "Dense", "config": {}, "inbound_nodes": [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]}
    assert [call["args"] for call in translate_nodes(layer, _NAMES)] == [[tensor("a")], [tensor("b")]]


@pytest.mark.parametrize(
    ("function", "node", "class_name", "args"),
    [
        ("math.multiply", ["a", 0, 0, {"y": 2.0, "name": None}], "Multiply", [tensor("a"), 2.0]),
        ("math.multiply", ["a", 0, 0, {"y": ["b", 0, 0]}], "Multiply", [tensor("a"), tensor("b")]),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 2.0, {"y": ["a", 0, 0]}], "Subtract", [2.0, tensor("a")]),
        ("concat", [["a", 0, 0, {"axis": 1}], ["b", 0, 0, {"axis": 1}]], "Concatenate", [[tensor("a"), tensor("b")]]),
        ("concat", [["a", 0, 0, {"axis": 1}]], "Concatenate", [[tensor("a")]]),  # a list of one stays a list
        (
            "__operators__.add",
            ["a", 0, 0, {"y": [1.0, 2.0, 3.0]}],
            "Add",
            [tensor("a"), {"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 3.0], "dtype": "float32"}}],
        ),
    ],
)
def test_calls_of_operations(function: str, node: Any, class_name: str, args: list[Any]) -> None:
    layer = {"class_name": "TFOpLambda", "config": {"function": function}, "inbound_nodes": [node]}
    call, calls = translate_operation(layer, _NAMES)
    assert call.class_name == class_name
    assert calls == [{"args": args, "kwargs": {}}]


def test_one_layer_called_as_two_operations_is_refused() -> None:
    nodes = [["a", 0, 0, {"axis": 1}], ["a", 0, 0, {"axis": 2}]]
    layer = {"class_name": "TFOpLambda", "config": {"function": "expand_dims"}, "inbound_nodes": nodes}
    with pytest.raises(UnsupportedError, match="is called in two ways"):
        translate_operation(layer, _NAMES)


def test_a_call_that_cannot_be_read_is_refused() -> None:
    layer = {"class_name": "Dense", "config": {}, "inbound_nodes": ["a"]}
    with pytest.raises(UnsupportedError, match="can't be read"):
        translate_nodes(layer, _NAMES)


def test_only_names_of_layers_are_tensors() -> None:
    assert map_tensors({"k": [["a", 0, 0], ["c", 0, 0], 3]}, _NAMES, lambda t: t[0]) == {"k": ["a", ["c", 0, 0], 3]}
