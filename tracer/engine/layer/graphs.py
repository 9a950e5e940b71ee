"""Is it a graph?  Asked here and nowhere else: what a model was built of is one answer, what its call runs is another.

A class that derives from a functional model and overrides `call` has a graph, and runs code of its own: the graph says
what a file holds and which inputs Keras lets through, but not what is computed.
"""

from __future__ import annotations

import keras

from tracer.core.migration.masks.stand_ins import MASK_CHANGERS
from tracer.engine import compat
from tracer.engine.types import Graph


def graph_built(model: keras.Operation) -> Graph | None:
    """The graph that a functional or built sequential model was built of, whatever its call runs; else None."""
    return compat.dialect().graph_of(model)


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
    """Whether it is a model that a migration put in a layer's place: with that layer in it, and another mask."""
    functional = compat.dialect().functional_class()
    if not isinstance(layer, functional) or isinstance(layer, keras.Sequential) or layer.weights:
        return False
    names = {operation.name for operation in compat.dialect().operations(layer)}
    return layer.name in names and not names.isdisjoint(MASK_CHANGERS)


def _runs_as_keras_does(layer: keras.Operation) -> bool:
    """Whether it is of a class of graph models, and `call` is Keras' own."""
    for kind in (keras.Sequential, compat.dialect().functional_class()):
        if isinstance(layer, kind):
            return type(layer).call is kind.call
    return False
