"""Change a layer, for good or for the time of one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from tracer.core.source import Mend
from tracer.engine import compat
from tracer.engine.layer.facts import named_variables


def apply(layer: keras.Layer, mend: Mend) -> None:
    """Set variables and attributes, then derive the state anew if asked to."""
    variables = named_variables(layer)
    for name, value in mend.weights.items():
        variables[name].assign(value)
    for name, value in mend.attributes.items():
        current = getattr(layer, name, None)
        if isinstance(current, compat.variable_class()):
            current.assign(value)
        elif isinstance(current, (list, tuple)) and any(isinstance(item, compat.variable_class()) for item in current):
            for variable, item in zip(current, value, strict=True):
                variable.assign(item)
        else:
            setattr(layer, name, _like(value, current))
    if mend.finalize:
        layer.finalize_state()


def _like(value: object, current: object) -> object:
    """An array becomes what the attribute holds now: a tensor of the backend, or an array."""
    if isinstance(value, np.ndarray) and compat.is_tensor(current):
        return compat.to_tensor(value)
    if isinstance(value, list) and isinstance(current, tuple):
        return tuple(value)
    return value


@contextlib.contextmanager
def mended(layer: keras.Layer, mend: Mend) -> Iterator[None]:
    """Within it the layer is changed; afterwards it is as before, attributes and variables."""
    attributes = dict(vars(layer))
    values = [(variable, compat.freeze(variable)) for variable in named_variables(layer).values()]
    try:
        apply(layer, mend)
        yield
    finally:
        for variable, value in values:
            variable.assign(value)
        vars(layer).clear()
        vars(layer).update(attributes)
