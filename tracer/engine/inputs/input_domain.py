"""What values an input of a model has to have: found by walking from the input to the layers that consume it.

ids ──▶ Reshape ──▶ Embedding(100)         → whole numbers below 100
x ──▶ RandomFlip ──▶ Rescaling(1/255) ──▶  → pixels, 0 … 255
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import keras
import numpy as np

from tracer.core.inputs.specs import InputDomain
from tracer.engine import compat
from tracer.engine.layer.graphs import consumers_in, graph_built
from tracer.engine.layer.naming import held_at
from tracer.engine.types import Graph, Node

# These hand on each value as it is, or leave it out; whatever stands behind them still sees the input's own values.
_HANDS_ON = frozenset(
    {
        "Activation",
        "BroadcastTo",
        "Cast",
        "Concatenate",
        "Copy",
        "Cropping1D",
        "Dropout",
        "ExpandDims",
        "Flatten",
        "GetItem",
        "Identity",
        "Masking",
        "Permute",
        "Ravel",
        "Repeat",
        "RepeatVector",
        "Reshape",
        "SpatialDropout1D",
        "Split",
        "Squeeze",
        "Stack",
        "SwapAxes",
        "Take",
        "Tile",
        "Transpose",
        "Unstack",
    }
)
_DIVISIONS = frozenset({"Divide", "TrueDivide", "FloorDivide"})
_FAR = 12  # operations from an input on; what rescales an image is right at its front


def demand_in_graph(graph: Graph, tensor: keras.KerasTensor) -> InputDomain | None:
    """What the consumers of `tensor`, an input of the functional model `graph`, demand; None if they take anything.

    Several consumers of ids agree on the smallest range; else the first consumer counts.
    """
    return _agreed(_demands(graph, tensor, exact=True))


def demand_of_code(model: keras.Model, graph: Graph, tensor: keras.KerasTensor) -> InputDomain | None:
    """What a model demands of its input that has a graph, and runs code of its own: it may run the graph within.

    The code may as well hand its input to layers that aren't in the graph.  With several inputs it can't be told which
    of them these take.
    """
    known = {id(operation) for operation in compat.dialect().operations(graph)}
    others = [] if len(graph.inputs) > 1 else [held for _, held in held_at(model) if id(held) not in known]
    found = [demand_in_graph(graph, tensor), *map(demand_of_layer, others)]
    return _agreed(demand for demand in found if demand is not None)


def demand_of_layer(layer: keras.Layer) -> InputDomain | None:
    """What a layer demands of its input, judged by itself and the layers inside it."""
    own = _own_demand(layer)
    if own is not None:
        return own
    inner = layer._flatten_layers(include_self=False) if isinstance(layer, keras.layers.Layer) else ()
    return _agreed(d for d in map(_own_demand, inner) if d is not None)


def _agreed(demands: Iterator[InputDomain]) -> InputDomain | None:
    found = list(demands)
    text = [d for d in found if d.kind == "text"]
    if text:  # layers that take ids of words have them from it: nothing makes text of anything else
        return text[0]
    ids = [d for d in found if d.kind == "ids"]
    if ids:
        return replace(min(ids, key=lambda d: d.high), padded=any(d.padded for d in ids))
    return found[0] if found else None


def _demands(graph: Graph, start: keras.KerasTensor, exact: bool) -> Iterator[InputDomain]:
    """The demands met on all ways from `start`; `exact` while its own values still arrive, not something computed."""
    consumers = consumers_in(itertools.chain.from_iterable(graph._nodes_by_depth.values()))
    queue = deque([(start, exact, 0)])
    while queue:
        tensor, exact, hops = queue.popleft()
        for node in consumers.get(id(tensor), ()):
            met = list(_demands_at(node, tensor, exact))
            yield from met
            if not met and hops < _FAR and _is_passed(node):
                hands_on = type(node.operation).__name__ in _HANDS_ON
                queue.extend((output, exact and hands_on, hops + 1) for output in node.outputs)


def _demands_at(node: Node, tensor: keras.KerasTensor, exact: bool) -> Iterator[InputDomain]:
    """What one call demands of the tensor: at most one demand, but of a model whatever its graph does."""
    inner = _graph_called(node)
    if inner is not None:
        position = [id(t) for t in node.input_tensors].index(id(tensor))
        if position < len(inner.inputs):  # behind the inputs come masks, which Keras hands in by keyword
            yield from _demands(inner, inner.inputs[position], exact)
        return
    demand = _demand_at(node, tensor, exact)
    if demand is not None:
        yield demand


def _is_passed(node: Node) -> bool:
    """Whether what comes behind a call may still demand something of the input: not behind weights or a model."""
    return _graph_called(node) is None and not getattr(node.operation, "weights", ())


def _graph_called(node: Node) -> Graph | None:
    """The graph of a model that is called, though its own code may run instead: there it is a hint at least."""
    return graph_built(node.operation) if isinstance(node.operation, keras.Model) else None


def _demand_at(node: Node, tensor: keras.KerasTensor, exact: bool) -> InputDomain | None:
    """What one call demands of the input that has come this way."""
    operation = node.operation
    if _scales_pixels(node):
        return InputDomain(kind="pixels")
    if type(operation).__name__ == "OneHot" and exact:
        return InputDomain(kind="ids", high=operation.num_classes)
    demand = demand_of_layer(operation)
    if demand is None or demand.kind == "pixels":
        return demand
    if not exact:  # something was computed before: only that a picture is normalized can still be told
        return InputDomain(kind="pixels") if demand.kind == "normal" and len(tensor.shape) == 4 else None
    return None if demand.kind == "ids" and _takes_features(operation, tensor) else demand


def _scales_pixels(node: Node) -> bool:
    """Whether a call divides by about 255, or multiplies by about 1/255."""
    kind = type(node.operation).__name__
    constants = [a for a in _flat(node.arguments.args) if isinstance(a, (int, float)) and not isinstance(a, bool)]
    if kind in _DIVISIONS:
        return any(constant >= 100 for constant in constants)
    return kind == "Multiply" and any(0 < abs(constant) <= 0.05 for constant in constants)


def _takes_features(operation: keras.Operation, tensor: keras.KerasTensor) -> bool:
    """A table of positions inside a layer that takes features has nothing to do with the values of its input."""
    is_table = isinstance(getattr(operation, "layer", operation), keras.layers.Embedding)
    return not is_table and len(tensor.shape) > 2 and "float" in str(tensor.dtype)


def _own_demand(layer: keras.Operation) -> InputDomain | None:
    """Of one layer, by its class, without those inside it."""
    for layer_class, demand_of in _DEMAND_OF_CLASS:
        if isinstance(layer, layer_class):
            return demand_of(layer)
    return None


def _of_embedding(layer: keras.layers.Embedding) -> InputDomain:
    return InputDomain(kind="ids", high=layer.input_dim, padded=bool(layer.mask_zero))


def _of_categories(layer: keras.layers.CategoryEncoding) -> InputDomain:
    return InputDomain(kind="ids", high=layer.num_tokens)


def _of_text(layer: keras.layers.TextVectorization) -> InputDomain:
    return InputDomain(kind="text", words=_vocabulary(layer))


def _of_lookup(layer: keras.layers.StringLookup | keras.layers.IntegerLookup) -> InputDomain:
    return InputDomain(kind="words", words=_vocabulary(layer))


def _of_hashing(_: keras.layers.Hashing) -> InputDomain:
    return InputDomain(kind="words")


def _of_discretization(layer: keras.layers.Discretization) -> InputDomain:
    """Values on both sides of every edge."""
    edges = [float(b) for b in (layer.bin_boundaries or (0.0, 1.0))]
    margin = (edges[-1] - edges[0]) / len(edges) or 1.0
    return InputDomain(kind="interval", low=edges[0] - margin, high=edges[-1] + margin)


def _of_rescaling(layer: keras.layers.Rescaling) -> InputDomain | None:
    return InputDomain(kind="pixels") if float(np.mean(np.abs(layer.scale))) <= 0.05 else None


def _vocabulary(layer: keras.Layer) -> tuple[str | int, ...]:
    """The words that a lookup knows, without its mask and out-of-vocabulary tokens; none before it is adapted."""
    try:
        words = layer.get_vocabulary(include_special_tokens=False)
    except (ValueError, AttributeError, RuntimeError):  # depends on the release, when there is no vocabulary yet
        return ()
    return tuple(w.item() if isinstance(w, np.generic) else w for w in words if w != "")


def _of_normalization(layer: keras.layers.Normalization) -> InputDomain | None:
    """What it maps to mean 0 and variance 1. Its variables, not the state that it may have lost."""
    if not layer.built or layer.invert:
        return None
    mean, variance = layer.input_mean, layer.input_variance
    if mean is None:
        mean = compat.to_numpy(layer.adapt_mean)
        variance = compat.to_numpy(layer.adapt_variance)
    shape = tuple(layer.mean.shape)
    mean, variance = (np.asarray(v, dtype=np.float64) for v in (mean, variance))
    if math.prod(shape) == mean.size:
        mean, variance = mean.reshape(shape), variance.reshape(shape)
    return InputDomain(kind="normal", mean=mean, deviation=np.sqrt(variance))


# The first class counts that a layer is an instance of.
_DEMAND_OF_CLASS: tuple[tuple[type[keras.Layer], Callable[[keras.Layer], InputDomain | None]], ...] = (
    (keras.layers.Embedding, _of_embedding),
    (keras.layers.CategoryEncoding, _of_categories),
    (keras.layers.TextVectorization, _of_text),
    (keras.layers.StringLookup, _of_lookup),
    (keras.layers.IntegerLookup, _of_lookup),
    (keras.layers.Hashing, _of_hashing),
    (keras.layers.Discretization, _of_discretization),
    (keras.layers.Rescaling, _of_rescaling),
    (keras.layers.Normalization, _of_normalization),
)


def _flat(arguments: object) -> Iterator[object]:
    if isinstance(arguments, Sequence) and not isinstance(arguments, str):
        for argument in arguments:
            yield from _flat(argument)
    else:
        yield arguments
