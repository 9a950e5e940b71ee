"""The probe sub-model itself, for people who want to look at activations with their own eyes."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

import keras

from tracer.engine.layer import graphs, naming
from tracer.engine.run import tensors
from tracer.engine.run.graph_run import mask_nodes, node_order
from tracer.engine.types import Graph, Structure
from tracer.errors import ModelError, SpecError


def probe(model: keras.Model, layers: Iterable[str] | None = None) -> keras.Model:
    """A plain `keras.Model` from the model's inputs to every (chosen) intermediate output, by layer path.

    Layers and weights are shared with the model.  Layers of nested models are reached too (`outer/inner`); where there
    are any, every layer is called once more, symbolically, which leaves what the model computes and saves as it was.

    Args:
        model: a Functional or Sequential model, or one built like these.
        layers: layer paths, as reports show them; all of them by default.

    Returns:
        A model whose outputs are a dict of layer path → activation, shaped as the layer returns it.

    Raises:
        ModelError: if the model has no graph (a subclassed model, or a Sequential one that isn't built).
        SpecError: if there is no such layer path.
    """
    graph = graphs.functional_of(model) if isinstance(model, keras.Model) else None
    if graph is None:
        raise ModelError(
            f"{getattr(model, 'name', model)!r} has no graph to probe: a Functional or a built Sequential model is "
            "needed. `tracer.diff` and `tracer.roundtrip` follow the calls of any model."
        )
    nested = any(graphs.functional_of(child) is not None for child in naming.Tree(model).children(model).values())
    found: dict[str, keras.KerasTensor] = {}
    if nested:
        inputs = tensors.rebuild(graph._inputs_struct, _same_input)
        _walk(model, graph, "", list(tensors.leaves(inputs)), found)
    else:
        inputs = graph._inputs_struct
        _read(model, graph, found)
    return keras.Model(inputs, _choose(found, layers), name=f"{model.name}_probe")


def _same_input(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _read(model: keras.Model, graph: Graph, found: dict[str, keras.KerasTensor]) -> None:
    """The outputs that the graph has already."""
    names, counts = naming.Tree(model).descendants(model), Counter[str]()
    order = node_order(graph)
    hidden = mask_nodes(order, graph.outputs)
    for node in order:
        if id(node) not in hidden:
            _add(_path("", names[id(node.operation)], counts), node.outputs, found)


def _walk(
    layer: keras.Layer, graph: Graph, prefix: str, inputs: Sequence[Structure], found: dict[str, keras.KerasTensor]
) -> Structure:
    """Call every layer of a graph on symbolic inputs, those of nested models one by one."""
    names, counts = naming.Tree(layer).descendants(layer), Counter[str]()
    live = dict(zip(map(id, graph.inputs), inputs, strict=True))
    order = node_order(graph)
    hidden = mask_nodes(order, graph.outputs)
    for node in order:
        args, kwargs = node.arguments.fill_in(live)
        if id(node) in hidden:
            outputs = node.operation(*args, **kwargs)
            live.update(zip(map(id, node.outputs), tensors.leaves(outputs), strict=False))
            continue
        path = _path(prefix, names[id(node.operation)], counts)
        inner = graphs.functional_of(node.operation) if naming.is_layer(node.operation) else None
        if inner is None:
            outputs = node.operation(*args, **kwargs)
            _add(path, list(tensors.leaves(outputs)), found)
        else:
            outputs = _walk(node.operation, inner, f"{path}/", tensors.tensors_or_symbols((args, kwargs)), found)
        live.update(zip(map(id, node.outputs), tensors.leaves(outputs), strict=False))
    supply = iter([live[id(tensor)] for tensor in graph.outputs])
    return tensors.rebuild(graph._outputs_struct, lambda _: next(supply))


def _path(prefix: str, name: str, counts: Counter[str]) -> str:
    count = counts[name]
    counts[name] += 1
    return f"{prefix}{name}#{count}" if count else f"{prefix}{name}"


def _add(path: str, outputs: Iterable[keras.KerasTensor], found: dict[str, keras.KerasTensor]) -> None:
    for index, tensor in enumerate(outputs):
        found[f"{path}:{index}" if index else path] = tensor


def _choose(found: dict[str, keras.KerasTensor], layers: Iterable[str] | None) -> dict[str, keras.KerasTensor]:
    if layers is None:
        return found
    wanted = [layers] if isinstance(layers, str) else list(layers)
    for path in wanted:
        if path not in found:
            near = difflib.get_close_matches(path, found, n=3, cutoff=0.3)
            raise SpecError(f"no layer path {path!r} in the model; the nearest are {', '.join(near) or 'none'}.")
    return {path: found[path] for path in wanted}
