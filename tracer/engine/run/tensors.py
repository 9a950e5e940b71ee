"""Nested structures of tensors: flatten, rebuild, and pass them on as `Value`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from tracer.core.source import Value
from tracer.engine import compat
from tracer.engine.types import Args, Kwargs, Structure, Tensor

_HOLE = object()  # where a tensor goes in the structure of a layer's result


def leaves(structure: Structure) -> Iterator[object]:
    """Leaves of nested lists, tuples and dicts; dicts by sorted key, as Keras and its backends do."""
    if isinstance(structure, Mapping):
        for key in _keys(structure):
            yield from leaves(structure[key])
    elif isinstance(structure, (list, tuple)) and not compat.is_tensor(structure):
        for item in structure:
            yield from leaves(item)
    else:
        yield structure


def _keys(structure: Mapping[Any, Structure]) -> list[Any]:
    """Sorted; where keys can't be compared with each other, by type first."""
    try:
        return sorted(structure)
    except TypeError:
        return sorted(structure, key=lambda key: (type(key).__name__, str(key)))


def rebuild(structure: Structure, change: Callable[[Any], Structure]) -> Any:
    """The same structure with every leaf changed, in the order of `leaves`."""
    if isinstance(structure, Mapping):
        changed = {key: rebuild(structure[key], change) for key in _keys(structure)}
        return {key: changed[key] for key in structure}
    if isinstance(structure, (list, tuple)) and not compat.is_tensor(structure):
        return _like(structure, [rebuild(item, change) for item in structure])
    return change(structure)


def _like(sequence: Sequence[Structure], items: list[Structure]) -> Structure:
    """The items in a sequence of the same type; a named tuple takes its items one by one."""
    if hasattr(sequence, "_fields"):
        return type(sequence)(*items)
    return tuple(items) if isinstance(sequence, tuple) else items


def tensors(structure: Structure) -> list[Tensor]:
    """The tensors among the leaves, NumPy arrays included."""
    return [leaf for leaf in leaves(structure) if is_array(leaf)]


def is_array(leaf: object) -> TypeGuard[Tensor]:
    """A tensor of the backend or a NumPy array of at least one dimension."""
    return compat.is_tensor(leaf) or type(leaf).__name__ == "ndarray"


def any_placeholder(structure: Structure) -> bool:
    """Whether a graph is being built of what is in there."""
    return any(isinstance(leaf, compat.dialect().placeholder_class()) for leaf in leaves(structure))


def any_symbolic(structure: Structure) -> bool:
    """Whether a leaf is a placeholder without numbers."""
    return any(compat.is_symbolic(leaf) for leaf in leaves(structure))


def as_values(structure: Structure, name: str = "") -> tuple[Value, ...]:
    """The tensors of a structure as values; views of the live numbers, not copies."""
    return tuple(_as_value(tensor, name) for tensor in tensors(structure))


def as_results(structure: Structure, graph_masks: Sequence[bool]) -> tuple[Value, ...]:
    """The tensors that a call has returned; `graph_masks`: for which of them the graph around it has a mask."""
    values = as_values(structure)
    if len(values) != len(graph_masks):
        return values
    return tuple(
        replace(value, bypassed=True) if has_mask and value.mask is None else value
        for value, has_mask in zip(values, graph_masks, strict=True)
    )


def decide_masks(outputs: Sequence[Value] | None) -> bool:
    """Whether what is put in decides about the masks behind it; a graph hands some on past its layers."""
    return outputs is not None and not all(value.bypassed for value in outputs)


def as_inputs(args: Args, kwargs: Kwargs) -> tuple[Value, ...]:
    """The tensors among the arguments of a call, each with the name of its argument."""
    named = [*((f"args[{i}]", item) for i, item in enumerate(args)), *sorted(kwargs.items())]
    return tuple(value for name, item in named for value in as_values(item, name))


def _as_value(tensor: Tensor, name: str) -> Value:
    mask = compat.dialect().get_mask(tensor) if compat.is_tensor(tensor) else None
    return Value(
        array=compat.to_numpy(tensor),
        mask=None if mask is None else compat.to_numpy(mask),
        sparse=compat.is_sparse(tensor),
        name=name,
        native=tensor,
    )


def as_tensor(value: Value) -> Tensor:
    """A live tensor with the value's numbers and mask; in the original's memory, if that is of this process."""
    native = value.native
    tensor = compat.alias(native) if compat.is_tensor(native) else compat.to_tensor(value.array, value.sparse)
    if value.mask is not None and compat.dialect().get_mask(tensor) is None:  # masks may belong to a thread, as on JAX
        compat.dialect().set_mask(tensor, compat.to_tensor(value.mask))
    return tensor


def substitute(args: Args, kwargs: Kwargs, values: Sequence[Value]) -> tuple[Args, Kwargs]:
    """The arguments of a call with other tensors, argument by argument.

    A keyword that only the values have (a mask that the other side got) is added, one that they lack becomes None.

    Raises:
        ValueError: if a positional argument has another number of tensors.
    """
    groups: dict[str, list[Value]] = {}
    for value in values:
        groups.setdefault(value.name, []).append(value)
    changed = [_fill(f"args[{i}]", item, groups.pop(f"args[{i}]", [])) for i, item in enumerate(args)]
    keywords = {k: _fill(k, v, groups.pop(k, None)) if tensors(v) else v for k, v in kwargs.items()}
    for name, extra in groups.items():
        if name.startswith("args["):
            raise ValueError(f"the layer isn't called with {name} on this side")
        supply = [as_tensor(value) for value in extra]
        keywords[name] = supply[0] if len(supply) == 1 else supply
    return tuple(changed), keywords


def _fill(name: str, item: Structure, values: Sequence[Value] | None) -> Structure:
    if values is None:
        return None
    received = len(tensors(item))
    if received != len(values):
        raise ValueError(f"{name} has {received} tensors on this side and {len(values)} on the other")
    supply = iter(values)
    return rebuild(item, lambda leaf: as_tensor(next(supply)) if is_array(leaf) else leaf)


def tensors_or_symbols(structure: Structure) -> list[object]:
    """The tensors among the leaves, placeholders included."""
    return [leaf for leaf in leaves(structure) if is_array(leaf) or compat.is_symbolic(leaf)]


def token(tensor: object) -> tuple[int, int] | None:
    """Equal for the same live tensor with the same numbers; None where numbers change unseen, as NumPy's do."""
    if not compat.is_tensor(tensor) or type(tensor).__name__ == "ndarray" or "Variable" in type(tensor).__name__:
        return None
    # torch counts changes; other backends' tensors don't change, and TensorFlow's are slow to say what they lack.
    return id(tensor), getattr(tensor, "_version", 0) if hasattr(type(tensor), "_version") else 0


def template_of(structure: Structure) -> Structure:
    """The structure without its tensors, for `fill`."""
    return rebuild(structure, lambda leaf: _HOLE if is_array(leaf) else leaf)


def fill(template: Structure, values: Sequence[Value]) -> Structure:
    """The values in the structure of a layer's result; a layer that raised has none, and gets a plain one."""
    supply = [as_tensor(value) for value in values]
    if sum(leaf is _HOLE for leaf in leaves(template)) != len(supply):
        return supply[0] if len(supply) == 1 else supply
    rest = iter(supply)
    return rebuild(template, lambda leaf: next(rest) if leaf is _HOLE else leaf)
