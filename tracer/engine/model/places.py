"""Whose array it is: from the path of an array in a model file to the layer that it belongs to.

A `.keras` file names layers by their class (`layers/dense_1/vars/0`), which is no name that anybody knows them by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras

from tracer.engine import keras3


def owner(model: keras.Model, path: str) -> str:
    """Layer path of the layer whose array is at a path of a `.keras` file; "" where none can be told.

    Args:
        model: that was loaded from the file, or made of its configuration.
        path: in the file's weights, as `layers/functional/layers/dense_1/vars/0`.
    """
    place: object = model
    names: list[str] = []
    for step in path.split("/"):
        if step == "vars":
            break
        place = _inside(place, step)
        if place is None:
            return ""
        if isinstance(place, keras.layers.Layer):
            names.append(place.name)
    return "/".join(names)


def _inside(place: object, step: str) -> object:
    """What Keras calls so when it walks through a model: an attribute, or a member of a list by its class."""
    if isinstance(place, dict):
        return dict(_members(place.values())).get(step)
    if isinstance(place, (list, tuple)):
        return dict(_members(place)).get(step)
    return getattr(place, step, None)


def _members(values: Iterable[object]) -> Iterator[tuple[str, object]]:
    naming = keras3.module("keras.src.utils.naming")
    counted: dict[str, int] = {}
    for value in values:
        name = naming.to_snake_case(type(value).__name__)
        count = counted[name] = counted.get(name, -1) + 1
        yield (f"{name}_{count}" if count else name), value
