"""What can be said against a loaded model without its original: stale state, values that no training gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import keras
import numpy as np

from tracer.core.layer.patches import instruction
from tracer.core.source import Array, Mend
from tracer.engine import compat
from tracer.engine.layer import facts
from tracer.engine.layer.naming import Tree
from tracer.records import Finding

_FINALIZE: Final = Mend(action="finalize_state", finalize=True)
_AT_FIRST: Final = MappingProxyType({"moving_mean": 0.0, "moving_variance": 1.0})


def stale(tree: Tree) -> Iterator[Finding]:
    """Layers whose state isn't what their own weights say: deriving it anew, which is done here, changes it."""
    for path, layer in tree.all_layers().items():
        if not path or not callable(getattr(layer, "finalize_state", None)):
            continue
        before = _values(layer)
        layer.finalize_state()
        after = _values(layer)
        changed = [name for name in after if not _same(before.get(name), after[name])]
        if changed:
            told = "; ".join(
                f"{name} is {_short(before.get(name))}, its weights say {_short(after[name])}" for name in changed
            )
            remedy = f"{instruction(_FINALIZE, path)}."
            yield Finding(kind="stale-state", place=path, detail=f"stale after loading: {told}", remedy=remedy)


def _values(layer: keras.Layer) -> Mapping[str, Array]:
    return {name: np.array(value) for name, value in facts.state(layer).items() if isinstance(value, np.ndarray)}


def _same(one: Array | None, other: Array) -> bool:
    return one is not None and one.shape == other.shape and one.tobytes() == other.tobytes()


def _short(value: Array | None) -> str:
    if value is None:
        return "missing"
    flat = value.reshape(-1)
    numbers = ", ".join(f"{float(number):.4g}" for number in flat[:3]) if value.dtype.kind in "fiu" else str(flat[:3])
    return f"[{numbers}{', …' if flat.size > 3 else ''}]"


def implausible(tree: Tree) -> Iterator[Finding]:
    """Variances below zero: arrays that changed places are the usual reason."""
    for path, layer in tree.all_layers().items():
        for variable in getattr(layer, "_non_trainable_variables", ()):
            if variable.name.rpartition("/")[2] in ("moving_variance", "variance", "adapt_variance"):
                values = compat.to_numpy(variable.value)
                below = int(np.count_nonzero(values < 0))
                if below:
                    detail = f"{below} of {values.size} values are negative: was this array stored in another's place?"
                    yield Finding(kind="values", place=f"{path}/{variable.name}", detail=detail)


def untrained(tree: Tree) -> tuple[list[str], int]:
    """Layer paths of the BatchNormalization layers that hold the values they are made with, and how many there are."""
    layers = [(p, each) for p, each in tree.all_layers().items() if isinstance(each, keras.layers.BatchNormalization)]
    return [path for path, layer in layers if _is_as_made(layer)], len(layers)


def _is_as_made(layer: keras.Layer) -> bool:
    held = {variable.name.rpartition("/")[2]: compat.to_numpy(variable.value) for variable in layer.variables}
    moving = [name for name in _AT_FIRST if name in held]
    return bool(moving) and all(bool(np.all(held[name] == _AT_FIRST[name])) for name in moving)
