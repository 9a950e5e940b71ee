"""Change a layer, for good or for the time of one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tracer.core.source import Function, Patch
from tracer.engine import compat
from tracer.engine.layer import values
from tracer.engine.layer.facts import named_variables
from tracer.engine.layer.naming import Tree


def apply(layer: keras.Layer, mend: Patch) -> None:
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
    if name == "vocabulary":
        layer.set_vocabulary(list(value))
        return
    current: Any = getattr(layer, name, None)
    if isinstance(current, compat.dialect().variable_class()) or compat.is_backend_variable(current):
        current.assign(value)
    elif _holds_variables(current):
        for variable, item in zip(current, value, strict=True):
            variable.assign(item)
    else:
        setattr(layer, name, _like(value, current))


def _holds_variables(value: object) -> bool:
    variable_class = compat.dialect().variable_class()
    return isinstance(value, (list, tuple)) and any(isinstance(item, variable_class) for item in value)


def _like(value: object, current: object) -> object:
    """An array becomes what the attribute holds now: a tensor of the backend, or an array."""
    if isinstance(value, Function):
        return values.find_function(value.name) or current
    if isinstance(value, np.ndarray) and compat.is_tensor(current):
        return compat.to_tensor(value)
    if isinstance(value, list) and isinstance(current, tuple):
        return tuple(value)
    return value


@contextlib.contextmanager
def mended(layer: keras.Layer, mend: Patch) -> Iterator[None]:
    """Within it the layer is changed; afterwards it is as before, attributes and variables."""
    changed = [layer, *Tree(layer).below(layer)] if "vocabulary" in mend.attributes else [layer]
    attributes = [dict(vars(one)) for one in changed]
    variables = [(variable, compat.freeze(variable)) for variable in named_variables(layer).values()]
    own = [(value, value.numpy()) for value in vars(layer).values() if compat.is_backend_variable(value)]
    try:
        apply(layer, mend)
        yield
    finally:
        for variable, value in (*variables, *own):
            variable.assign(value)
        for one, before in zip(changed, attributes, strict=True):
            vars(one).clear()
            vars(one).update(before)
