"""What differs between the facts of two paired layers, key by key, as evidence."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, Protocol, TypeAlias, TypeVar

import numpy as np

from tracer.core.numbers.difference import difference, same_bytes
from tracer.core.source import Array, Facts, Function
from tracer.records import Evidence, EvidenceKind

# Takes name and shape of a variable: the other layers of the same class that have such a one, by layer path, with its
# values, one after the other: together they would be a copy of the model's weights.
Siblings = Callable[[str, tuple[int, ...]], Iterable[tuple[str, Array]]]
# Names say nothing of what a layer computes, and Keras numbers them anew.
_NAMES = frozenset({"name", "registered_name", "build_config", "shared_object_id", "module"})
# Compared elsewhere: the layers of a model by themselves, its wiring by the trace, a vocabulary as state.
_ELSEWHERE = frozenset({"layers", "input_layers", "output_layers", "vocabulary_size"})
_POLICY_KEYS = frozenset({"dtype", "dtype_policy", "autocast"})


class Absent(Enum):
    """What a layer has under a name that it doesn't have."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
# A value of a layer's configuration or state.
Setting: TypeAlias = (
    "Array | np.generic | str | bytes | complex | Absent | Function | Sequence[Setting] | Mapping[str, Setting] | None"
)


class _Shaped(Protocol):
    """A weight, or what is known of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its value."""


_W = TypeVar("_W", bound=_Shaped)


def config_differences(reference: Facts, candidate: Facts) -> list[Evidence]:
    """Keys of `get_config()` with other values, by their path; dtype keys are left to the policy."""
    return [
        Evidence(kind=EvidenceKind.CONFIG, name=path, reference=short(a), candidate=short(b))
        for path, a, b in config_pairs(reference.config, candidate.config)
    ]


def config_pairs(a: Mapping[str, Setting], b: Mapping[str, Setting]) -> Iterator[tuple[str, Setting, Setting]]:
    """Path of a key and the two values that it has, where they differ; dtype keys are left to the policy."""
    return ((path, x, y) for path, x, y in _walk(a, b, "") if path.split(".")[0] not in _POLICY_KEYS)


def _walk(a: Setting, b: Setting, path: str) -> Iterator[tuple[str, Setting, Setting]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        yield from _walk_keys(a, b, path)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _walk(x, y, f"{path}[{i}]")
    elif a != b:
        yield path, a, b


def _walk_keys(a: Mapping[str, Setting], b: Mapping[str, Setting], path: str) -> Iterator[tuple[str, Setting, Setting]]:
    for key in sorted((a.keys() | b.keys()) - _NAMES - _ELSEWHERE):
        below = f"{path}.{key}" if path else str(key)
        x, y = a.get(key, ABSENT), b.get(key, ABSENT)
        if key not in _POLICY_KEYS or _policy_name(x) != _policy_name(y):
            yield from _walk(x, y, below)


def _policy_name(value: Setting) -> Setting:
    """The name of a dtype policy of which that says all: releases write the one or the other."""
    config = value.get("config") if isinstance(value, Mapping) and "class_name" in value else None
    return config["name"] if isinstance(config, Mapping) and config.keys() == {"name"} else value


def policy_differences(reference: Facts, candidate: Facts) -> list[Evidence]:
    """Dtype policy, compute and variable dtype, autocasting, quantization."""
    keys = sorted(reference.policy.keys() | candidate.policy.keys())
    return [
        Evidence(
            kind=EvidenceKind.POLICY,
            name=key,
            reference=reference.policy.get(key, "absent"),
            candidate=candidate.policy.get(key, "absent"),
        )
        for key in keys
        if reference.policy.get(key) != candidate.policy.get(key)
    ]


def is_autocasting(name: str) -> bool:
    """Whether a key of a policy says that inputs are cast, of the layer or of the one that it wraps."""
    return name.rpartition(".")[2] == "autocast"


def state_differences(reference: Facts, candidate: Facts, config: set[str]) -> list[Evidence]:
    """Attributes with other values that neither weights nor configuration carry.

    An attribute that the constructor takes and that `get_config()` doesn't write is configuration that was lost.
    """
    in_config = {re.split(r"[\[.]", path)[0] for path in config} | _POLICY_KEYS | {"_dtype_policy"}
    # What one side has because it was loaded, and the other has not because it wasn't, says nothing.
    late = (reference.state.keys() ^ candidate.state.keys()) & {*reference.late, *candidate.late}
    names = (reference.state.keys() | candidate.state.keys()) - late
    names = {name for name in names if name not in in_config and name.lstrip("_") not in in_config}
    found = []
    for name in sorted(names):
        a, b = reference.state.get(name, ABSENT), candidate.state.get(name, ABSENT)
        if not _equal(a, b):
            found.append(_state_evidence(name, a, b, reference))
    return sorted(found, key=lambda e: (e.kind != EvidenceKind.LOST_CONFIG, e.name.startswith("_"), e.name))


def _state_evidence(name: str, a: Setting, b: Setting, reference: Facts) -> Evidence:
    seen = first_difference(a, b)
    if name in reference.arguments and name not in reference.config:
        detail = f"the constructor takes `{name}`, but get_config() doesn't write it" + (f"; {seen}" if seen else "")
        return Evidence(kind=EvidenceKind.LOST_CONFIG, name=name, reference=short(a), candidate=short(b), detail=detail)
    return Evidence(kind=EvidenceKind.STATE, name=name, reference=short(a), candidate=short(b), detail=seen)


def unreadable_evidence(reference: Facts, candidate: Facts) -> list[Evidence]:
    """Attributes that hold what can't be compared by value; they may differ or not."""
    here, there = reference.unreadable, candidate.unreadable
    detail = "it can't be read, so nobody knows whether it differs"
    return [
        Evidence(
            kind=EvidenceKind.STATE,
            name=name,
            reference=f"a {here[name]}" if name in here else "absent",
            candidate=f"a {there[name]}" if name in there else "absent",
            detail=detail,
        )
        for name in sorted(here.keys() | there.keys())
    ]


def _equal(a: Setting, b: Setting) -> bool:
    """Whether two readable values are the same: arrays by their bytes, NaN equal to itself."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, Function):
        return isinstance(b, Function) and a.is_like(b)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and _equal_sequences(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and _equal_mappings(a, b)
    return type(a) is type(b) and equal_or_both_nan(a, b)


def first_difference(a: Setting, b: Setting) -> str:
    """Where two values differ that look alike when they are shortened, in words; "" where that can be seen."""
    if isinstance(a, Function) and isinstance(b, Function):
        return _where_functions_differ(a, b)
    if short(a) != short(b):
        return ""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _first_key(a, b)
    return _first_item(a, b)


def _first_item(a: Setting, b: Setting) -> str:
    here, there = _items_of(a), _items_of(b)
    pairs = enumerate(itertools.zip_longest(here, there, fillvalue=ABSENT))
    index, (x, y) = next((pair for pair in pairs if not _equal(*pair[1])), (0, (type(a).__name__, type(b).__name__)))
    lengths = f", length {len(here)} against {len(there)}" if len(here) != len(there) else ""
    return f"first at {index}: {_near(a, index) or short(x)} against {_near(b, index) or short(y)}{lengths}"


def _first_key(a: Mapping[str, Setting], b: Mapping[str, Setting]) -> str:
    values = {key: (a.get(key, ABSENT), b.get(key, ABSENT)) for key in sorted({*a, *b}, key=str)}
    key, (x, y) = next((item for item in values.items() if not _equal(*item[1])), ("", (ABSENT, ABSENT)))
    lengths = f", {len(a)} entries against {len(b)}" if len(a) != len(b) else ""
    return f"first at {key!r}: {short(x)} against {short(y)}{lengths}"


def _where_functions_differ(a: Function, b: Function) -> str:
    gaps = [abs(x - y) for x, y in zip(a.computes, b.computes, strict=False)]
    if gaps:
        return f"called on the same numbers they differ by up to {max(gaps):.2g}"
    return "the same name, and other code" if a.name == b.name else ""


def _items_of(value: Setting) -> Sequence[Setting]:
    if isinstance(value, np.ndarray):
        return list(value.reshape(-1))
    return value if isinstance(value, (str, bytes, list, tuple)) else (value,)


def _near(value: Setting, index: int) -> str:
    """Text around the place where it differs."""
    return repr(value[max(0, index - 10) : index + 20]) if isinstance(value, (str, bytes)) else ""


def _equal_sequences(a: Sequence[Setting], b: Sequence[Setting]) -> bool:
    return len(a) == len(b) and all(map(_equal, a, b))


def _equal_mappings(a: Mapping[str, Setting], b: Mapping[str, Setting]) -> bool:
    return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)


def equal_or_both_nan(a: Setting, b: Setting) -> bool:
    """Whether two values are equal, or both unequal to themselves, as NaN is."""
    return bool(a == b or (a != a and b != b))


# --- weights


def weight_differences(reference: Facts, candidate: Facts, siblings: Siblings) -> list[Evidence]:
    """Variables with other values, and what happened to them where that can be seen."""
    found = []
    for name, here, there in paired_weights(reference.weights, candidate.weights):
        detail = _difference_of_weights(name, here, there, siblings)
        if detail:
            a = "absent" if here is None else short(here)
            b = "absent" if there is None else short(there)
            found.append(Evidence(kind=EvidenceKind.WEIGHT, name=name, reference=a, candidate=b, detail=detail))
    return found


def _difference_of_weights(name: str, here: Array | None, there: Array | None, siblings: Siblings) -> str:
    """In words; "" where the two are the same."""
    if here is None or there is None:
        return f"only the {'candidate' if here is None else 'reference'} has it"
    if here.shape != there.shape:
        return f"shape {here.shape} against {there.shape}"
    return "" if same_bytes(here, there) else _what_happened(name, here, there, siblings)


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
    owner = _owner(name, b, siblings)
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


def nobody(*_: object) -> Iterable[tuple[str, Array]]:
    """Siblings of a layer that has none, or of which nobody asks."""
    return ()


def _owner(name: str, value: Array, siblings: Siblings) -> str:
    """The sibling layer in the reference that holds this very value, if it is more than a constant."""
    if value.size < 2 or bool(np.all(value == value.reshape(-1)[0])):
        return ""
    held = siblings(name.rpartition("/")[2], value.shape)
    return next((path for path, weight in held if same_bytes(weight, value)), "")


def _looks_fresh(value: Array) -> bool:
    """Constant 0 or 1, or spread evenly over the range of Glorot's uniform initializer (Keras' default)."""
    if value.dtype.kind != "f" or value.size == 0:
        return False
    if bool(np.all(value == 0)) or bool(np.all(value == 1)):
        return True
    return value.ndim >= 2 and value.size >= 32 and _is_glorot_uniform(value)


def _is_glorot_uniform(value: Array) -> bool:
    field = int(np.prod(value.shape[:-2]))
    limit = float(np.sqrt(6.0 / (field * (value.shape[-2] + value.shape[-1]))))
    peak, spread = float(np.abs(value).max()), float(value.std())
    return 0.8 * limit <= peak <= 1.0001 * limit and abs(spread * np.sqrt(3.0) / limit - 1.0) < 0.2


def short(value: Setting, width: int = 60) -> str:
    """A value shortened for reading: arrays by their first numbers."""
    if value is ABSENT:
        return "absent"
    if isinstance(value, Function):
        return value.name
    if isinstance(value, np.ndarray):
        return _short_array(value)
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _short_array(array: Array) -> str:
    flat = array.reshape(-1)
    numbers = ", ".join(f"{x:.6g}" if flat.dtype.kind == "f" else str(x) for x in flat[:4])
    return f"[{numbers}{', …' if flat.size > 4 else ''}]" if array.ndim else numbers
