"""Change a layer, for good or for the time of one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

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
        _set_attribute(layer, name, value)
    if mend.finalize:
        layer.finalize_state()


def _set_attribute(layer: keras.Layer, name: str, value: Any) -> None:
    """Variables keep their identity and are given the value; anything else is replaced by it."""
    current = getattr(layer, name, None)
    variable_class = compat.dialect().variable_class()
    if isinstance(current, variable_class):
        current.assign(value)
    elif isinstance(current, (list, tuple)) and any(isinstance(item, variable_class) for item in current):
        for variable, item in zip(current, value, strict=True):
            variable.assign(item)
    else:
        setattr(layer, name, _like(value, current))


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
