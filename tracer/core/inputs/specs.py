"""What a model takes at each of its inputs, in records that a graph, a build or a user's array is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tracer.core.source import Array

Kind = Literal["ids", "words", "text", "pixels", "interval", "normal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDomain:
    """What the values of one input have to be.

    Attributes:
        kind: `ids` whole numbers in [low, high); `words` out of `words`; `text` sentences of `words`; `pixels` in
            0 … 255; `interval` [low, high]; `normal` with `mean` and `deviation`.
        low: see `kind`.
        high: see `kind`.
        padded: zeros at the end mean "nothing here" to the consumer.
        words: a vocabulary, strings or whole numbers; empty where any will do.
        mean: a number or an array that broadcasts to the input.
        deviation: likewise.
    """

    kind: Kind
    low: float = 0
    high: float = 0
    padded: bool = False
    words: tuple[str | int, ...] = ()
    mean: float | Array = 0.0
    deviation: float | Array = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a model takes at one of its inputs.

    Attributes:
        name: of the input, for messages and for the arrays of an `.npz` file.
        index: position among the model's inputs, as Keras flattens them.
        shape: with the batch dimension; None where any size will do.
        dtype: a Keras dtype (`float32`, `bfloat16`, `int32`, `string`, …).
        demand: what the values have to be, None if anything goes.
        declared: the model says so; else name and dtype are judged by the layers inside it.
    """

    name: str
    index: int
    shape: tuple[int | None, ...]
    dtype: str
    demand: InputDomain | None = None
    declared: bool = True


def map_structure(function: Callable[[Any], object], structure: object) -> Any:
    """`function` of every leaf; Keras' own tree functions aren't public in every release."""
    if isinstance(structure, Mapping):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_structure(function, value) for value in structure)
    return function(structure)


def flat(structure: object) -> list[Any]:
    """What is in a structure, in its own order."""
    found: list[Any] = []
    map_structure(found.append, structure)
    return found


def leaves(structure: object) -> list[InputSpec]:
    """The specs in a structure, in the order in which Keras flattens them."""
    return sorted(flat(structure), key=lambda spec: spec.index)


def numpy_dtype(dtype: str) -> np.dtype[np.generic]:
    """NumPy has no bfloat16 or float8; Keras casts to them by itself."""
    if dtype == "string":
        return np.dtype(np.str_)
    return np.dtype("float32" if dtype.startswith(("bfloat", "float8")) else dtype)
