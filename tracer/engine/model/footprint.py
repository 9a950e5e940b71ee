"""What running a model will need, from the shapes in its graph, before anything runs."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from tracer.core import memory
from tracer.core.memory import Footprint, Step
from tracer.engine import compat
from tracer.engine.layer.graphs import graph_run
from tracer.engine.layer.naming import is_layer
from tracer.engine.run.graph_run import node_order
from tracer.engine.types import Graph

_NOTHING = Footprint(peak=0, widest=0)


class _UnknownSizeError(Exception):
    """A dimension that the graph doesn't know."""


def footprint(model: keras.Model, batch: int) -> Footprint | None:
    """Of one run with so many samples; None where no graph tells: code of its own, a free dimension."""
    graph = graph_run(model)
    if graph is None:
        return None
    try:
        return _of_graph(graph, batch)
    except _UnknownSizeError:
        return None


def _of_graph(graph: Graph, batch: int) -> Footprint:
    steps, complete = [], True
    for node in node_order(graph):
        found = _inside(node.operation, batch)
        complete = complete and found.complete
        gives = {id(tensor): _bytes(tensor, batch) for tensor in node.outputs}
        steps.append(Step(takes=tuple(id(tensor) for tensor in node.input_tensors), gives=gives, inside=found.peak))
    inputs = {id(tensor): _bytes(tensor, batch) for tensor in graph.inputs}
    return memory.footprint(steps, inputs, [id(tensor) for tensor in graph.outputs], complete=complete)


def _inside(operation: keras.Operation, batch: int) -> Footprint:
    """Of the layers that a call runs; incomplete where it runs them in code of its own."""
    if not is_layer(operation):
        return _NOTHING
    graph = graph_run(operation)
    if graph is not None:
        return _of_graph(graph, batch)
    return replace(_NOTHING, complete=not operation._flatten_layers(include_self=False))


def _bytes(tensor: keras.KerasTensor, batch: int) -> int:
    """Of a symbolic tensor, with the batch put in."""
    sizes = [batch if axis == 0 and size is None else size for axis, size in enumerate(tensor.shape)]
    if None in sizes:
        raise _UnknownSizeError
    return int(np.prod(sizes, dtype=np.int64)) * _item(compat.dialect().dtype_name(tensor.dtype))


def _item(dtype: str) -> int:
    """Bytes of a number; a backend has a few dtypes that NumPy hasn't."""
    if dtype == "string":
        raise _UnknownSizeError
    return {"bfloat16": 2, "bool": 1}.get(dtype) or (1 if dtype.startswith("float8") else np.dtype(dtype).itemsize)
