"""What models are fed: the arrays, and what is said of them in a report.  NumPy only: any process can make one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracer.core.source import Array, Arrays
from tracer.errors import InputError
from tracer.records import Inputs, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Inputs of a model, as its call takes them.

    Attributes:
        arrays: an array, a list or a dictionary of arrays.
        told: where they come from, and what was done to them.
    """

    arrays: Arrays
    told: Inputs


def as_arrays(value: Any) -> Any:
    """Given inputs with every tensor in them as a NumPy array: tensors of no backend go into another process.

    Numbers and strings in lists are left as they are.

    Raises:
        InputError: if something in it is no array, such as a generator or a data set.
    """
    if isinstance(value, Mapping):
        return _named_arrays(value)
    if isinstance(value, (list, tuple)):
        return [as_arrays(item) for item in value]
    if isinstance(value, (bool, int, float, complex, str, bytes, np.generic, np.ndarray)):
        return _unmasked(value)
    return _from_tensor(value)


def _named_arrays(value: Mapping[Any, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, item in value.items():
        if str(name) in found:
            raise InputError(f"the inputs hold {str(name)!r} twice, as keys of different types: give each name once.")
        found[str(name)] = as_arrays(item)
    return found


def _unmasked(value: object) -> object:
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise InputError("the inputs are a masked NumPy array, and models don't see its mask: fill it (.filled).")
        return np.asarray(value)
    return value


def _from_tensor(value: Any) -> Array:
    """A tensor of any library, a data frame or a picture, as an array."""
    if hasattr(value, "detach"):  # torch, maybe on another device
        value = value.detach().cpu()
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return _read(value)
    kind = _kind(value)
    advice = "Give arrays, one for each input, or the path of a .npz, .npy or picture file"
    if isinstance(value, Iterator) or hasattr(value, "__iter__") or hasattr(value, "__getitem__"):
        raise InputError(
            f"the inputs are of type {kind}, which doesn't say what belongs to one call. {advice}; of a data set one "
            "batch, without its labels."
        )
    raise InputError(f"the inputs are of type {kind}, which is no array. {advice}.")


def _read(value: object) -> Array:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, NotImplementedError) as error:  # a placeholder without numbers, or a sparse tensor
        raise InputError(f"the inputs are of type {_kind(value)}, which has no numbers to read: {error}") from error


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def tell(arrays: Mapping[str, Array], *, origin: Origin, source: str = "", conversions: tuple[str, ...] = ()) -> Inputs:
    """What a report says of inputs.

    Args:
        arrays: by the name of the input, as the model gets them.
        origin: see `tracer.records.Inputs`.
        source: the file, or the seed in words; empty where arrays were given.
        conversions: every change that was made to what was given, one sentence each.
    """
    first = next(iter(arrays.values()), None)
    return Inputs(
        origin=origin,
        source=source,
        samples=len(first) if first is not None and np.ndim(first) else 0,
        shapes={name: tuple(array.shape) for name, array in arrays.items()},
        dtypes={name: "string" if array.dtype.kind in "OSUT" else array.dtype.name for name, array in arrays.items()},
        conversions=conversions,
    )
