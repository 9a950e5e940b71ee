"""Nested structures of tensors: flatten, rebuild, and pass them on as `Value`s."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tracer.core.source import Value
from tracer.engine import compat


def leaves(structure: Any) -> Iterator[Any]:
    """Leaves of nested lists, tuples and dicts; dicts by sorted key, as Keras and its backends do."""
    if isinstance(structure, Mapping):
        for key in sorted(structure):
            yield from leaves(structure[key])
    elif isinstance(structure, (list, tuple)) and not compat.is_tensor(structure):
        for item in structure:
            yield from leaves(item)
    else:
        yield structure


def rebuild(structure: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf changed, in the order of `leaves`."""
    if isinstance(structure, Mapping):
        changed = {key: rebuild(structure[key], change) for key in sorted(structure)}
        return {key: changed[key] for key in structure}
    if isinstance(structure, (list, tuple)) and not compat.is_tensor(structure):
        items = [rebuild(item, change) for item in structure]
        if hasattr(structure, "_fields"):  # a named tuple takes its items one by one
            return type(structure)(*items)
        return tuple(items) if isinstance(structure, tuple) else items
    return change(structure)


def tensors(structure: Any) -> list[Any]:
    """The tensors among the leaves, NumPy arrays included."""
    return [leaf for leaf in leaves(structure) if is_array(leaf)]


def is_array(leaf: Any) -> bool:
    """A tensor of the backend or a NumPy array of at least one dimension."""
    return compat.is_tensor(leaf) or type(leaf).__name__ == "ndarray"


def any_symbolic(structure: Any) -> bool:
    """Whether a leaf is a placeholder without numbers."""
    return any(compat.is_symbolic(leaf) for leaf in leaves(structure))


def as_values(structure: Any) -> tuple[Value, ...]:
    """The tensors of a structure as values; views of the live numbers, not copies."""
    return tuple(as_value(tensor) for tensor in tensors(structure))


def as_value(tensor: Any) -> Value:
    """One tensor as a value."""
    mask = compat.get_mask(tensor) if compat.is_tensor(tensor) else None
    return Value(
        array=compat.to_numpy(tensor),
        mask=None if mask is None else compat.to_numpy(mask),
        sparse=compat.is_sparse(tensor),
        native=tensor,
    )


def as_tensor(value: Value) -> Any:
    """A live tensor with the value's numbers and mask: the original where it is of this process and backend."""
    if value.native is not None and compat.is_tensor(value.native):
        return value.native
    tensor = compat.to_tensor(value.array, value.sparse)
    if value.mask is not None:
        compat.set_mask(tensor, compat.to_tensor(value.mask))
    return tensor


def substitute(structure: Any, values: Sequence[Value]) -> Any:
    """The structure with its tensors replaced, in order.

    Raises:
        ValueError: if the number of tensors isn't the number of values.
    """
    received = len(tensors(structure))
    if received != len(values):
        raise ValueError(f"{received} tensors in the structure, {len(values)} values to put in")
    supply = iter(values)
    return rebuild(structure, lambda leaf: as_tensor(next(supply)) if is_array(leaf) else leaf)


def tensors_or_symbols(structure: Any) -> list[Any]:
    """The tensors among the leaves, placeholders included."""
    return [leaf for leaf in leaves(structure) if is_array(leaf) or compat.is_symbolic(leaf)]
