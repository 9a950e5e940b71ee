"""Is it a graph?  Asked here and nowhere else: what a model was built of is one answer, what its call runs is another.

A class that derives from a functional model and overrides `call` has a graph, and runs code of its own: the graph says
what a file holds and which inputs Keras lets through, but not what is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras

from tracer.core.migration.masks.attention import CAUSAL, OF_CAUSAL, OF_KEYS, OF_MIXED, OF_SOFTMAX, PARTS
from tracer.core.migration.masks.parts import MASK_CHANGERS
from tracer.engine import compat
from tracer.engine.types import Graph, Node


def graph_built(model: keras.Operation) -> Graph | None:
    """The graph that a functional or built sequential model was built of, whatever its call runs; else None."""
    return compat.dialect().graph_of(model)


def consumers_in(nodes: Iterable[Node]) -> dict[int, list[Node]]:
    """The calls among these that take a tensor, by the tensor's `id`."""
    found: dict[int, list[Node]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            found.setdefault(id(tensor), []).append(node)
    return found


def graph_run(layer: keras.Operation) -> Graph | None:
    """The graph that the call of a model runs; None for a layer, and for a model that runs code of its own."""
    return graph_built(layer) if _runs_as_keras_does(layer) else None


def functional_of(layer: keras.Operation) -> Graph | None:
    """The graph whose layers are the call sites of a model, or None where the call itself is one.

    One that a migration put in the place of a layer is that layer.
    """
    if not _runs_as_keras_does(layer) or stands_for_layer(layer):
        return None
    return graph_built(layer) if isinstance(layer, keras.Sequential) else layer


def is_graph(layer: keras.Operation) -> bool:
    """Whether it is nothing but its layers; a sequential model is so before it is built, when it has no graph yet."""
    return _runs_as_keras_does(layer) and not stands_for_layer(layer)


def is_saved_as_graph(model: keras.Model) -> bool:
    """Whether a format that holds the layers of a graph one by one has a place for it, whatever its call runs."""
    return isinstance(model, keras.Sequential) or graph_built(model) is not None


def stands_for_layer(layer: keras.Operation) -> bool:
    """Whether it is a model that a migration put in a layer's place, with that layer or its parts in it."""
    names = _names_in(layer)
    if names.isdisjoint(MASK_CHANGERS):
        return False
    return names >= PARTS or names >= OF_SOFTMAX or (layer.name in names and not layer.weights)


def stands_for_attention(layer: keras.Operation) -> bool:
    """Whether it stands for a `MultiHeadAttention`: with its projections in it, called with all of its sequences."""
    names = _names_in(layer)
    return names >= PARTS and not names.isdisjoint(MASK_CHANGERS)


def called_parts(layer: keras.Operation) -> frozenset[str] | None:
    """Names of the layers whose calls are those of the attention that a model stands for; None for anything else.

    Where it is called with masks at one time and without at another, its softmax has them at all times, and isn't
    compared by itself; nor is what comes right behind.
    """
    if not stands_for_attention(layer):
        return None
    return PARTS - {"softmax", "dropout"} if OF_MIXED in _names_in(layer) else PARTS


def words_of(layer: keras.Operation) -> Mapping[str, object]:
    """What a layer with several arguments is called with besides the first one, where a model stands for it.

    Returns:
        Names of the arguments → None for a tensor, which the model takes in its list; else their value, which the model
        has in it.
    """
    names = _names_in(layer)
    if names.isdisjoint(MASK_CHANGERS):
        return {}
    if names >= OF_SOFTMAX:
        return {"mask": None}
    if not names >= PARTS:
        return {}
    sequences = {"key": None, "value": None} if OF_KEYS in names else {"value": None}
    return {**sequences, CAUSAL: True} if OF_CAUSAL in names else sequences


def class_name_of(layer: keras.Operation) -> str:
    """Name of a layer's class, or of that which a model stands for."""
    names = _names_in(layer)
    if not names.isdisjoint(MASK_CHANGERS):
        if names >= PARTS:
            return "MultiHeadAttention"
        if names >= OF_SOFTMAX:
            return "Softmax"
    return type(layer).__name__


def _names_in(layer: keras.Operation) -> set[str]:
    """Of the layers and operations of a functional model that isn't sequential; empty for anything else."""
    functional = compat.dialect().functional_class()
    if not isinstance(layer, functional) or isinstance(layer, keras.Sequential):
        return set()
    return {operation.name for operation in compat.dialect().operations(layer)}


def _runs_as_keras_does(layer: keras.Operation) -> bool:
    """Whether it is of a class of graph models, and `call` is Keras' own."""
    for kind in (keras.Sequential, compat.dialect().functional_class()):
        if isinstance(layer, kind):
            return type(layer).call is kind.call
    return False
