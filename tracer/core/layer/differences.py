"""What differs between the facts of two paired layers, key by key, as evidence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from tracer.core.numbers.difference import difference, same_bytes
from tracer.core.source import Array, Facts
from tracer.records import Evidence

# Layer paths and facts, one after the other: together they would be a copy of the model's weights.
Siblings = Callable[[], Iterable[tuple[str, Facts]]]
ABSENT = object()
# Names say nothing of what a layer computes, and Keras numbers them anew.
_NAMES = frozenset({"name", "registered_name", "build_config", "shared_object_id", "module"})
# Compared elsewhere: the layers of a model by themselves, its wiring by the trace, a vocabulary as state.
_ELSEWHERE = frozenset({"layers", "input_layers", "output_layers", "vocabulary_size"})
_POLICY_KEYS = frozenset({"dtype", "dtype_policy", "autocast"})


class _Shaped(Protocol):
    """A weight, or what is known of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its value."""


_W = TypeVar("_W", bound=_Shaped)


def config_differences(reference: Facts, candidate: Facts) -> list[Evidence]:
    """Keys of `get_config()` with other values, by their path; dtype keys are left to the policy."""
    return [
        Evidence(kind="config", name=path, reference=short(a), candidate=short(b))
        for path, a, b in config_pairs(reference.config, candidate.config)
    ]


def config_pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Path of a key and the two values that it has, where they differ; dtype keys are left to the policy."""
    return ((path, x, y) for path, x, y in _walk(a, b, "") if path.split(".")[0] not in _POLICY_KEYS)


def _walk(a: Any, b: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted(a.keys() | b.keys()):
            if key not in _NAMES and key not in _ELSEWHERE:
                below = f"{path}.{key}" if path else str(key)
                yield from _walk(a.get(key, ABSENT), b.get(key, ABSENT), below)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _walk(x, y, f"{path}[{i}]")
    elif a != b:
        yield path, a, b


def policy_differences(reference: Facts, candidate: Facts) -> list[Evidence]:
    """Dtype policy, compute and variable dtype, autocasting, quantization."""
    keys = sorted(reference.policy.keys() | candidate.policy.keys())
    return [
        Evidence(
            kind="policy",
            name=key,
            reference=reference.policy.get(key, "absent"),
            candidate=candidate.policy.get(key, "absent"),
        )
        for key in keys
        if reference.policy.get(key) != candidate.policy.get(key)
    ]


def state_differences(reference: Facts, candidate: Facts, config: set[str]) -> list[Evidence]:
    """Attributes with other values that neither weights nor configuration carry.

    An attribute that the constructor takes and that `get_config()` doesn't write is configuration that was lost.
    """
    found = []
    in_config = {re.split(r"[\[.]", path)[0] for path in config} | _POLICY_KEYS | {"_dtype_policy"}
    for name in sorted(reference.state.keys() | candidate.state.keys()):
        a, b = reference.state.get(name, ABSENT), candidate.state.get(name, ABSENT)
        if name in in_config or name.lstrip("_") in in_config or _equal(a, b):
            continue
        lost = name in reference.arguments and name not in reference.config
        kind = "lost-config" if lost else "state"
        detail = f"the constructor takes `{name}`, but get_config() doesn't write it" if lost else ""
        found.append(Evidence(kind=kind, name=name, reference=short(a), candidate=short(b), detail=detail))
    return sorted(found, key=lambda e: (e.kind != "lost-config", e.name.startswith("_"), e.name))


def _equal(a: object, b: object) -> bool:
    """Whether two readable values are the same: arrays by their bytes, NaN equal to itself."""
    for kinds, equal in _EQUALITIES:
        if isinstance(a, kinds) or isinstance(b, kinds):
            return isinstance(a, kinds) and isinstance(b, kinds) and equal(a, b)
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _equal_sequences(a: Sequence[object], b: Sequence[object]) -> bool:
    return len(a) == len(b) and all(map(_equal, a, b))


def _equal_mappings(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)


_EQUALITIES: tuple[tuple[type | tuple[type, ...], Callable[[Any, Any], bool]], ...] = (
    (np.ndarray, same_bytes),
    ((list, tuple), _equal_sequences),
    (dict, _equal_mappings),
)


# --- weights


def weight_differences(reference: Facts, candidate: Facts, siblings: Siblings) -> list[Evidence]:
    """Variables with other values, and what happened to them where that can be seen."""
    found = []
    for name, here, there in paired_weights(reference.weights, candidate.weights):
        a = "absent" if here is None else short(here)
        b = "absent" if there is None else short(there)
        if here is None or there is None:
            detail = f"only the {'candidate' if here is None else 'reference'} has it"
        elif here.shape != there.shape:
            detail = f"shape {here.shape} against {there.shape}"
        elif same_bytes(here, there):
            continue
        else:
            detail = _what_happened(name, here, there, siblings)
        found.append(Evidence(kind="weight", name=name, reference=a, candidate=b, detail=detail))
    return found


def paired_weights(here: Mapping[str, _W], there: Mapping[str, _W]) -> Iterator[tuple[str, _W | None, _W | None]]:
    """By name; by position where auto-numbered names inside a composite layer have shifted."""
    if here.keys() != there.keys() and [w.shape for w in here.values()] == [w.shape for w in there.values()]:
        yield from zip(here, here.values(), there.values(), strict=True)
        return
    for name in [*here, *(n for n in there if n not in here)]:
        yield name, here.get(name), there.get(name)


def _what_happened(name: str, a: Array, b: Array, siblings: Siblings) -> str:
    gap = difference(a, b)
    size = f"max abs {gap.max_abs:.3g}, relative {gap.rel_error:.3g}"
    if _is_transposed(a, b):
        return f"{size}; it is the reference's, transposed"
    owner = _owner(name, b, siblings())
    if owner:
        return f"{size}; it is the weight of `{owner}`"
    if a.size > 1 and same_bytes(np.sort(a, axis=None), np.sort(b, axis=None)):
        return f"{size}; the same numbers in another order"
    if _looks_fresh(b) and not _looks_fresh(a):
        return f"{size}; it looks like fresh initial values"
    return size


def _is_transposed(a: Array, b: Array) -> bool:
    """Whether some other order of the axes of `a` makes it `b`."""
    if not 2 <= a.ndim <= 5 or min(a.shape) == 0:
        return False
    own = tuple(range(a.ndim))
    orders = (axes for axes in itertools.permutations(own) if axes != own)
    views = (np.transpose(a, axes) for axes in orders)
    return any(view.shape == b.shape and same_bytes(np.ascontiguousarray(view), b) for view in views)


def _owner(name: str, value: Array, siblings: Iterable[tuple[str, Facts]]) -> str:
    """The sibling layer in the reference that holds this very value, if it is more than a constant."""
    if value.size < 2 or bool(np.all(value == value.reshape(-1)[0])):
        return ""
    variable = name.rpartition("/")[2]
    for path, facts in siblings:
        for other, weight in facts.weights.items():
            if other.rpartition("/")[2] == variable and same_bytes(weight, value):
                return path
    return ""


def _looks_fresh(value: Array) -> bool:
    """Constant 0 or 1, or spread evenly over the range of Glorot's uniform initializer (Keras' default)."""
    if value.dtype.kind != "f" or value.size == 0:
        return False
    if bool(np.all(value == 0)) or bool(np.all(value == 1)):
        return True
    if value.ndim < 2 or value.size < 32:
        return False
    field = int(np.prod(value.shape[:-2]))
    limit = float(np.sqrt(6.0 / (field * (value.shape[-2] + value.shape[-1]))))
    peak, spread = float(np.abs(value).max()), float(value.std())
    return 0.8 * limit <= peak <= 1.0001 * limit and abs(spread * np.sqrt(3.0) / limit - 1.0) < 0.2


def short(value: Any, width: int = 60) -> str:
    """A value shortened for reading: arrays by their first numbers."""
    if value is ABSENT:
        return "absent"
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1)
        numbers = ", ".join(f"{x:.6g}" if flat.dtype.kind == "f" else str(x) for x in flat[:4])
        return f"[{numbers}{', …' if flat.size > 4 else ''}]" if value.ndim else numbers
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
