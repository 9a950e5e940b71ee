"""The calls of a graph: from the lists that Keras 2 writes to the arguments that Keras 3 writes.

Keras 2:  [["add", 0, 0, {"y": ["dense", 0, 0]}]]      layer, its call, its output, and other arguments by name
Keras 3:  {"args": [TENSOR], "kwargs": {"y": TENSOR}}   with a TENSOR that names the same three in its `keras_history`
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tracer.core.migration.op_rule import OpCall
from tracer.core.migration.operations import operation_for
from tracer.core.migration.rules import Config, UnsupportedError

_CONSTANT: Final = "_CONSTANT_VALUE"
# Of these, Keras 2 writes the states beside the sequence; Keras 3 takes them by name.
_WITH_STATES: Final = frozenset(
    {"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"}
)
OPERATIONS: Final = frozenset({"TFOpLambda", "SlicingOpLambda"})


@dataclass(frozen=True, slots=True)
class Names:
    """What tensors of a graph are called.

    Attributes:
        layers: names of the layers of this graph.
        first: number of the first call of a layer, where it isn't 0: Keras 2 counts the call that made a nested model.
    """

    layers: Collection[str]
    first: Mapping[str, int]

    def tensor(self, reference: list[Any]) -> Config:
        """A tensor as Keras 3 writes it; its shape and dtype are found anew when it is built."""
        name, call, output = reference[:3]
        history = [name, call - self.first.get(name, 0), output]
        config = {"shape": [], "dtype": "float32", "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}

    def is_tensor(self, value: object) -> bool:
        """Whether it is the name of a tensor: `["dense", 0, 0]`, with a dictionary behind it or not."""
        if not isinstance(value, list) or len(value) not in (3, 4):
            return False
        return isinstance(value[0], str) and value[0] in self.layers and isinstance(value[1], int)


def translate_nodes(layer: Config, names: Names) -> list[Config]:
    """The calls of a layer that stays one.

    Args:
        layer: of a Keras 2 graph: `class_name`, `config`, `inbound_nodes`.
        names: of the graph.
    """
    return [_layer_call(layer["class_name"], node, names) for node in layer["inbound_nodes"]]


def translate_operation(layer: Config, names: Names) -> tuple[OpCall, list[Config]]:
    """The operation that a `TFOpLambda` becomes, and its calls.

    Raises:
        UnsupportedError: if there is none, or the calls of one layer need different operations.
    """
    function = layer["config"]["function"]
    found = [operation_for(function, *_arguments(node, names, single=False)) for node in layer["inbound_nodes"]]
    first = found[0]
    if any((other.class_name, other.config) != (first.class_name, first.config) for other in found):
        raise UnsupportedError(f"`tf.{function}` is called in two ways by one layer")
    return first, [{"args": list(call.args), "kwargs": {}} for call in found]


def _layer_call(class_name: str, node: object, names: Names) -> Config:
    first, keywords = _arguments(node, names, single=True)
    if class_name in _WITH_STATES and isinstance(first, list):
        first, keywords = first[0], {**keywords, "initial_state": first[1:]}
    given = {name: value for name, value in keywords.items() if value is not None}
    return {"args": [first], "kwargs": given}


def _arguments(node: object, names: Names, *, single: bool) -> tuple[Any, Config]:
    """The first argument of a call, and the others by name.

    Args:
        node: as Keras 2 writes it.
        names: of the graph.
        single: a list of one tensor is that tensor.
    """
    keywords: Config = {}

    def read(item: Any) -> Any:
        if _is_leaf(item, names):
            keywords.update(item[3] if len(item) > 3 else {})
            return item[2] if item[0] == _CONSTANT else names.tensor(item)
        if isinstance(item, dict):
            return {key: read(value) for key, value in item.items()}
        if isinstance(item, list):
            return [read(value) for value in item]
        raise UnsupportedError(f"a call that is written as {item!r} can't be read")

    first = read(node)
    if single and isinstance(first, list) and len(first) == 1:
        first = first[0]
    return first, {name: map_tensors(value, names, names.tensor) for name, value in keywords.items()}


def _is_leaf(item: object, names: Names) -> bool:
    is_constant = isinstance(item, list) and len(item) >= 3 and item[0] == _CONSTANT
    return is_constant or names.is_tensor(item)


def map_tensors(value: Any, names: Names, change: Callable[[list[Any]], object]) -> Any:
    """A structure with every name of a tensor in it changed."""
    if names.is_tensor(value):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(item, names, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_tensors(item, names, change) for item in value]
    return value
