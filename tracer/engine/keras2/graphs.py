"""Graphs of Keras 2 as the engine sees those of Keras 3 (`tracer.engine.types.Graph`)."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tracer.core.source import Array
from tracer.engine.keras2.modules import module
from tracer.engine.types import Args, Graph, Kwargs, Node, NodeArguments, Structure, Tensor


def _nest() -> Any:
    return importlib.import_module("tensorflow").nest


@dataclass(frozen=True)
class _Arguments:
    """What a node of Keras 2 calls its layer with."""

    args: Args
    kwargs: Kwargs
    keras_tensors: Sequence[keras.KerasTensor]

    def fill_in(self, tensor_dict: Mapping[int, Structure]) -> tuple[Args, Kwargs]:
        """The arguments with live tensors, which are given by the `id` of their placeholder."""
        args, kwargs = _nest().map_structure(lambda leaf: tensor_dict.get(id(leaf), leaf), (self.args, self.kwargs))
        return tuple(args), kwargs


class NodeView:
    """A node of Keras 2.

    Args:
        node: Keras' own.
    """

    def __init__(self, node: Any) -> None:
        self.operation: keras.Operation = node.layer
        self.input_tensors: Sequence[keras.KerasTensor] = list(node.keras_inputs)
        self.outputs: Sequence[keras.KerasTensor] = _nest().flatten(node.outputs)
        self.is_input: bool = node.is_input
        args, kwargs = _as_in_keras_3(node.layer, tuple(node.call_args), dict(node.call_kwargs))
        self.arguments: NodeArguments = _Arguments(args, kwargs, self.input_tensors)


def _constant(value: Any) -> Any:
    """A constant as it is in the graphs of Keras 3: a number, or an array; what isn't one is returned as it is.

    Read from a file, it is a tensor here where it is the first argument, and a list where it is another one.
    """
    if hasattr(value, "numpy") and not hasattr(value, "_keras_history"):
        array: Array = value.numpy()
        return array if array.ndim else array.item()
    is_list = isinstance(value, list) and bool(value)
    if not is_list or not all(isinstance(leaf, (int, float)) for leaf in _nest().flatten(value)):
        return value
    array = np.array(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else value


def _as_in_keras_3(layer: Any, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """The same call with its arguments named as in the graphs of Keras 3, so that a comparison pairs them."""
    if type(layer).__name__ == "TFOpLambda":  # operations of Keras 3 take their tensors by position
        try:
            bound = inspect.signature(layer.function).bind(*args, **kwargs)
        except (TypeError, ValueError):  # a function that hides its parameters is called as it was
            return args, kwargs
        return tuple(map(_constant, bound.args)), bound.kwargs
    is_recurrent = isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
    if is_recurrent and args and isinstance(args[0], (list, tuple)) and len(args[0]) > 1:
        return (args[0][0],), {**kwargs, "initial_state": list(args[0][1:])}
    return args, kwargs


class GraphView:
    """A graph of Keras 2.

    Args:
        graph: the `Functional` model, or a `Sequential` that has been built.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self.inputs: Sequence[keras.KerasTensor] = list(graph.inputs)
        self.outputs: Sequence[keras.KerasTensor] = list(graph.outputs)
        self._inputs_struct: Structure = graph._nested_inputs
        self._outputs_struct: Structure = graph._nested_outputs
        self._operations: Sequence[keras.Operation] = list(graph.layers)

    @property
    def _nodes_by_depth(self) -> Mapping[int, Sequence[Node]]:
        """The nodes by their distance from the outputs; one view of each, since they are known by their `id`."""
        depths = self._graph._nodes_by_depth
        return {depth: [view_of(node) for node in nodes] for depth, nodes in depths.items()}


def view_of(node: Any) -> Node:
    """The view of a node, which it keeps: always the same one."""
    if not hasattr(node, "_tracer_view"):
        node._tracer_view = NodeView(node)
    view: Node = node._tracer_view
    return view


def node_of(tensor: Any) -> Node:
    """The call that a placeholder comes from."""
    layer, index, _ = tensor._keras_history
    return view_of(layer._inbound_nodes[index])


def graph_of(model: keras.Model) -> Graph | None:
    """The graph of a functional or built sequential model, else None."""
    is_graph = isinstance(model, functional_class()) and getattr(model, "_is_graph_network", False)
    return _view(model) if is_graph and getattr(model, "_nested_outputs", None) is not None else None


def _view(graph: Any) -> Graph:
    view: Any = GraphView(graph)
    found: Graph = view
    return found


def functional_class() -> type[keras.Model]:
    """The class of graph models; `Sequential` derives from it."""
    found: type[keras.Model] = module("engine.functional").Functional
    return found


def resolve_graph_run(graph: Any, args: Args, kwargs: Kwargs) -> tuple[Graph, Args, Kwargs]:
    """The arguments of `Functional._run_internal_graph`, prepared as it prepares them."""
    inputs = kwargs["inputs"] if not args else args[0]
    flat: list[Tensor] = graph._flatten_to_reference_inputs(inputs)
    mask = kwargs.get("mask", args[2] if len(args) > 2 else None)
    masks = [None] * len(flat) if mask is None else graph._flatten_to_reference_inputs(mask)
    for tensor, its_mask in zip(flat, masks, strict=False):
        tensor._keras_mask = its_mask  # type: ignore[attr-defined]
    pairs = zip(graph.inputs, flat, strict=False)
    return _view(graph), ([graph._conform_to_reference_input(y, ref_input=x) for x, y in pairs],), {}
