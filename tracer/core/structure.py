"""Inputs and outputs of models are arrays in nested lists, tuples and dictionaries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracer.core.source import Array


def arrays_of(structure: object, place: str = "") -> list[tuple[str, Array]]:
    """The arrays of a structure with their places in it, such as `/a/0`, in a fixed order: dictionaries by sorted key.

    The place of an array that is no part of anything is "".  What isn't an array becomes one.
    """
    if isinstance(structure, Mapping):
        return [pair for key in sorted(structure) for pair in arrays_of(structure[key], f"{place}/{key}")]
    if isinstance(structure, (list, tuple)):
        return [pair for i, item in enumerate(structure) for pair in arrays_of(item, f"{place}/{i}")]
    return [] if structure is None else [(place, np.asarray(structure))]


def count_samples(inputs: object) -> int:
    """How many samples some inputs hold; 0 where their first axes don't all count the same."""
    sizes = {len(array) if array.ndim else 0 for _, array in arrays_of(inputs)}
    return sizes.pop() if len(sizes) == 1 else 0
