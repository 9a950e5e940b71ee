"""Tensors of the two sides that were found equal: what one layer returned isn't read again as the next one's input."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from tracer.core.source import Value

_Key = tuple[int, int, int, int]


class EqualTensors:
    """Pairs of tensors, one of each side, with equal numbers; a pair is forgotten when one of the two is gone.

    A tensor is known by its object: the live one, or the array that was received for it.  torch counts how often a
    tensor was changed in place; a NumPy array of the model's own could be changed unseen, and is never a twin.
    """

    def __init__(self) -> None:
        self._pairs: dict[_Key, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}

    def add(self, reference: Value, candidate: Value) -> None:
        """Remember that the two have equal numbers."""
        here, there = _lasting(reference), _lasting(candidate)
        if here is None or there is None:
            return
        key = _key(here, there)

        def forget(_: object, key: _Key = key, pairs: dict[_Key, Any] = self._pairs) -> None:
            pairs.pop(key, None)

        self._pairs[key] = weakref.ref(here, forget), weakref.ref(there, forget)

    def known(self, reference: Value, candidate: Value) -> bool:
        """Whether these two, unchanged since, were found equal."""
        here, there = _lasting(reference), _lasting(candidate)
        if here is None or there is None:
            return False
        pair = self._pairs.get(_key(here, there))
        return pair is not None and pair[0]() is here and pair[1]() is there


def stays(value: Value) -> bool:
    """Whether a tensor keeps its numbers while its model runs on: torch may change one in place, and so may NumPy."""
    here = _lasting(value)
    return here is not None and not _counts_changes(here)


def _counts_changes(tensor: Any) -> bool:
    """Whether it says how often it was changed; its class is asked: some tensors are slow to say what they lack."""
    return hasattr(type(tensor), "_version")


def _version(tensor: Any) -> int:
    return int(tensor._version) if _counts_changes(tensor) else 0


def _lasting(value: Value) -> Any:
    """The object that stands for a tensor's numbers; None where there is none."""
    if value.native is None:
        return value.array  # received over a wire, once, and not written to
    changes_unseen = isinstance(value.native, np.ndarray) or "Variable" in type(value.native).__name__
    return None if changes_unseen else value.native


def _key(here: Any, there: Any) -> _Key:
    return id(here), _version(here), id(there), _version(there)
