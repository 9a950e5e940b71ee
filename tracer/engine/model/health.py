"""What can be said against a loaded model without its original: stale state, values that no training gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import keras
import numpy as np

from tracer.core.layer.patches import instruction
from tracer.core.source import Array, Patch, PatchAction
from tracer.engine import compat
from tracer.engine.layer import facts
from tracer.engine.layer.naming import Tree
from tracer.records import Finding

_FINALIZE: Final = Patch(action=PatchAction.FINALIZE_STATE, finalize=True)
# What variables of these names are made with.
_STATISTICS: Final = MappingProxyType({"moving_mean": 0.0, "moving_variance": 1.0})
_AT_FIRST: Final = MappingProxyType(
    {**_STATISTICS, "mean": 0.0, "variance": 1.0, "gamma": 1.0, "beta": 0.0, "bias": 0.0}
)
_NAMED: Final = 4  # layers that a note names


def stale(tree: Tree) -> Iterator[Finding]:
    """Layers whose state isn't what their own weights say: deriving it anew, which is done here, changes it."""
    for path, layer in tree.all_layers().items():
        if not path or not facts.derives_state(layer) or _knows_nothing(layer):
            continue
        told = "; ".join(_derived(layer))
        if told:
            remedy = f"{instruction(_FINALIZE, path)}."
            yield Finding(kind="stale-state", place=path, detail=f"stale after loading: {told}", remedy=remedy)


def _derived(layer: keras.Layer) -> Iterator[str]:
    """What of a layer's state is another one once it is derived anew."""
    before = _values(layer)
    layer.finalize_state()
    for name, value in _values(layer).items():
        if not _same(before.get(name), value):
            yield f"{name} is {_short(before.get(name))}, its weights say {_short(value)}"


def _values(layer: keras.Layer) -> Mapping[str, Array]:
    return {name: np.array(value) for name, value in facts.state(layer).items() if isinstance(value, np.ndarray)}


def _same(one: Array | None, other: Array) -> bool:
    if one is None or one.shape != other.shape:
        return False
    if one.dtype.hasobject or other.dtype.hasobject:  # words, whose bytes are their addresses
        return bool(one.tolist() == other.tolist())
    return one.tobytes() == other.tobytes()


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


def unadapted(tree: Tree) -> Iterator[Finding]:
    """Layers that look words or boundaries up, and have none: a file in the legacy format doesn't keep them."""
    told: set[str] = set()
    for path, layer in tree.all_layers().items():
        if _knows_nothing(layer) and path.rpartition("/")[0] not in told:  # a TextVectorization has a StringLookup
            told.add(path)
            detail = f"{type(layer).__name__} without anything to look up: it gives the same for whatever it is fed"
            remedy = "after loading, adapt it anew, or set what it had (`set_vocabulary`); save the model as .keras."
            yield Finding(kind="not-adapted", place=path, detail=detail, remedy=remedy)


def _knows_nothing(layer: keras.Layer) -> bool:
    if isinstance(layer, (keras.layers.TextVectorization, keras.layers.StringLookup, keras.layers.IntegerLookup)):
        return not len(layer.get_vocabulary(include_special_tokens=False))
    return isinstance(layer, keras.layers.Discretization) and not len(layer.bin_boundaries or ())


def untrained(tree: Tree) -> Iterator[str]:
    """A sentence for each class of layers that hold what they are made with (gamma 1, bias 0), as far as they do."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, layer in tree.all_layers().items():
        names = tuple(_constants(layer))
        if names:
            held = found.setdefault(type(layer).__name__, {})
            held[path] = names if _is_as_made(layer, names) else ()
    for kind, layers in found.items():
        fresh = {path: names for path, names in layers.items() if names}
        if fresh:
            yield _sentence(kind, fresh, len(layers))


def _sentence(kind: str, fresh: Mapping[str, tuple[str, ...]], all_of_them: int) -> str:
    values = ", ".join(f"{name} {_AT_FIRST[name]:g}" for name in next(iter(fresh.values())))
    named = ", ".join([*fresh][:_NAMED]) + (f" and {len(fresh) - _NAMED} more" if len(fresh) > _NAMED else "")
    others = " The others don't." if len(fresh) < all_of_them else ""
    return (
        f"{len(fresh)} of {all_of_them} {kind} layers hold what they are made with ({values}), as if they had never "
        f"been trained: {named}.{others}"
    )


def _constants(layer: keras.Layer) -> Iterator[str]:
    """Names of the variables that say whether a layer was trained; statistics move in whatever training there is."""
    held = _held(layer)
    chosen = _STATISTICS if held.keys() & _STATISTICS.keys() else _AT_FIRST
    yield from (name for name in chosen if name in held)


def _is_as_made(layer: keras.Layer, names: tuple[str, ...]) -> bool:
    held = _held(layer)
    return all(bool(np.all(compat.to_numpy(held[name].value) == _AT_FIRST[name])) for name in names)


def _held(layer: keras.Layer) -> Mapping[str, keras.Variable]:
    """A layer's own variables, by the last part of their names."""
    own = (*getattr(layer, "_trainable_variables", ()), *getattr(layer, "_non_trainable_variables", ()))
    return {variable.name.rpartition("/")[2]: variable for variable in own}
