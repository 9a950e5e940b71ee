"""What a layer is, apart from what it computes, so that a golden can say whether weights or settings have changed."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from tracer.core.comparison.alignment import translated
from tracer.core.golden.fingerprint import Identity, digest_of, digest_of_all
from tracer.engine import compat
from tracer.engine.layer.graphs import is_graph, is_saved_as_graph, stands_for_layer
from tracer.engine.layer.naming import Tree, is_layer
from tracer.engine.types import Json

_LONGEST = 8
# Names, and what says nothing of a trained layer's numbers; what a graph consists of is compared by itself.
_IDLE = ("name", "dtype", "trainable", "batch_shape", "input_shape", "_initializer", "_regularizer", "_constraint")
_OF_GRAPH = frozenset({"layers", "input_layers", "output_layers"})
_FLOATS = ("float", "bfloat")


def identities(tree: Tree, names: Mapping[str, str]) -> dict[str, Identity]:
    """Of every layer that has weights or settings of its own, by layer path in the other side's names."""
    found = {}
    for path, layer in tree.all_layers().items():
        if is_layer(layer):
            identity = Identity(weights=_weights(layer), settings=_settings(layer))
            if path and (identity.weights or identity.settings):
                found[translated(path, names)] = identity
    return found


def _weights(layer: keras.Layer) -> str:
    dialect = compat.dialect()
    own = dialect.own_variables(layer)
    arrays = [compat.to_numpy(compat.freeze(v)) for v in own if dialect.dtype_name(v.dtype).startswith(_FLOATS)]
    if not arrays:
        return ""
    # As float32, so that a float64 model made from the same seed is the same model.
    return digest_of_all({f"{i:04}": digest_of(np.asarray(array, np.float32)) for i, array in enumerate(arrays)})


def _settings(layer: keras.Layer) -> dict[str, Json]:
    if is_graph(layer) or stands_for_layer(layer):
        return {}  # the configuration of a graph is all of its layers
    try:
        config = layer.get_config()
    # The user's own code, which may raise anything: the layer is compared without its settings.
    except (Exception, SystemExit):
        return {}
    if is_saved_as_graph(layer):  # and runs code of its own, which may be set by what else it was made with
        config = {key: value for key, value in config.items() if key not in _OF_GRAPH}
    return {key: plain for key, value in config.items() if not key.endswith(_IDLE) and (plain := _plain(value)) != ()}


def _plain(value: object) -> Json:
    """The value as JSON has it; an empty tuple for what is left out."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)) and 0 < len(value) <= _LONGEST:
        return list(value) if all(isinstance(item, (bool, int, float, str)) for item in value) else ()
    return ()
