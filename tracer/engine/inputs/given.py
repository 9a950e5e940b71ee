"""Inputs that were given, as arrays or in a file: matched to the inputs of a model, and checked.

Nothing that is given is dropped, reordered by guess, or changed without a word: a sample, an array or a digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from tracer.core.feed import Feed, as_arrays, tell
from tracer.core.inputs.casting import cast
from tracer.core.inputs.specs import InputSpec, leaves, map_structure
from tracer.core.source import Array, Arrays
from tracer.engine import compat
from tracer.engine.inputs.pictures import IMAGE_SUFFIXES, read_picture
from tracer.engine.inputs.signature import channel_axis, signature
from tracer.engine.types import Structure
from tracer.errors import InputError
from tracer.files import arrays as array_files
from tracer.files import room
from tracer.records import Origin


def load_inputs(model: keras.Model, path: str | Path) -> Feed:
    """Inputs for `model` from a file, all of them.

    Args:
        model: what they are for.
        path: `.npz` with arrays by input name, or `arr_0`, `arr_1`, … in the order of the inputs; a single array fits
            a single input under any name; `.npy` for a single input; a picture, which is resized to the input and,
            unless the model itself rescales, mapped to −1 … 1.

    Raises:
        InputError: if the file can't be read or doesn't fit the model.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"inputs file {str(path)!r} is a folder; give a .npz, .npy or picture file.")
    if path.exists() and not path.is_file():
        raise InputError(f"inputs file {str(path)!r} is no file, but a device or a pipe.")
    if not path.is_file():
        raise InputError(f"inputs file {str(path)!r} does not exist; give a .npz, .npy or picture file.")
    suffix = path.suffix.lower()
    value: Structure
    conversions: tuple[str, ...] = ()
    if suffix in IMAGE_SUFFIXES:
        value, conversions = read_picture(leaves(signature(model)), path)
    elif suffix in (".npz", ".npy"):
        value = read_numpy_file(path)
    else:
        known = ", ".join((".npz", ".npy", *sorted(IMAGE_SUFFIXES)))
        raise InputError(f"inputs file {str(path)!r}: unknown kind of file; give one of {known}.")
    return _fit(model, value, origin="file", source=str(path), before=conversions)


def fit_inputs(model: keras.Model, value: Structure) -> Feed:
    """Given inputs in the structure and dtypes that `model` takes.

    Args:
        model: what they are for; where it doesn't say what it takes, `value` is taken as it is.
        value: an array; a list in the order of the inputs; or a dictionary by input name, or of `arr_0`, `arr_1`, ….

    Raises:
        InputError: naming the input, what was expected and what was received.
    """
    return _fit(model, as_arrays(value), origin="given")


def _fit(
    model: keras.Model, value: Structure, *, origin: Origin, source: str = "", before: tuple[str, ...] = ()
) -> Feed:
    try:
        structure = signature(model)
    except InputError:
        unsigned = _unsigned(value, from_file=origin == "file")
        told = tell(_by_place(unsigned), origin=origin, source=source, conversions=before)
        return Feed(arrays=unsigned, told=told)
    specs = leaves(structure)
    matched = _match(specs, value)
    fitted = {spec.index: _fitted(spec, matched[spec.index]) for spec in specs}
    arrays = {spec.name: fitted[spec.index][0] for spec in specs}
    _check_samples(arrays)
    conversions = tuple(sentence for spec in specs for sentence in fitted[spec.index][1])
    return Feed(
        arrays=map_structure(lambda spec: fitted[spec.index][0], structure),
        told=tell(arrays, origin=origin, source=source, conversions=(*before, *conversions)),
    )


def _unsigned(value: Structure, *, from_file: bool) -> Arrays:
    """For a model that doesn't say what it takes: the names in a file are needed only where there are several."""
    if from_file and isinstance(value, Mapping):
        value = array_files.unnamed(value)
    is_numbers = isinstance(value, list) and not any(isinstance(item, np.ndarray) for item in value)
    arrays: Arrays = np.asarray(value) if is_numbers else map_structure(np.asarray, value)
    return arrays


def _by_place(arrays: Structure) -> dict[str, Array]:
    """The arrays of any structure by a name for each."""
    if isinstance(arrays, Mapping):
        return {str(name): array for key, item in arrays.items() for name, array in _below(str(key), item)}
    if isinstance(arrays, (list, tuple)):
        return {name: array for i, item in enumerate(arrays) for name, array in _below(f"input_{i}", item)}
    return {"input": np.asarray(arrays)}


def _below(place: str, item: Structure) -> list[tuple[str, Array]]:
    if isinstance(item, np.ndarray):
        return [(place, item)]
    return [(f"{place}/{name}", array) for name, array in _by_place(item).items()]


def _check_samples(arrays: Mapping[str, Array]) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"inputs have different numbers of samples: {listed}. Give each the same number.")


def read_numpy_file(path: Path) -> Structure:
    """The array of a `.npy`, or a dictionary of those of a `.npz`. Never unpickles: that would run the file."""
    try:
        need = array_files.claimed(path)
        room.check_growth(str(path), need, path.stat().st_size)
        room.check_claimed(str(path), need)
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return loaded
        with loaded:
            _check_names(path, loaded.files)
            return {name: loaded[name] for name in loaded.files}
    except array_files.DAMAGE as error:
        raise InputError(
            f"inputs file {str(path)!r} can't be read: {compat.reason(error)}. Write it with "
            "numpy.savez(file, name=array); arrays of Python objects aren't taken."
        ) from error


def _check_names(path: Path, names: list[str]) -> None:
    """An archive can hold two arrays under one name, of which only one would be read."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"inputs file {str(path)!r} holds {', '.join(twice)} more than once; give each name once.")


def _match(specs: list[InputSpec], value: Structure) -> dict[int, Structure]:
    """Given arrays by the index of their input."""
    if isinstance(value, Mapping):
        return _matched_by_name(specs, value)
    arrays = list(value) if isinstance(value, (list, tuple)) and not _is_one_array(specs, value) else [value]
    if len(arrays) != len(specs):
        taken = f"{len(specs)} input{'s' if len(specs) > 1 else ''} ({', '.join(s.name for s in specs)})"
        rows = " Samples of one input belong in one array (numpy.stack)." if len(specs) == 1 else ""
        raise InputError(f"this model takes {taken}; received {len(arrays)}.{rows}")
    return dict(enumerate(arrays))


def _is_one_array(specs: list[InputSpec], value: Sequence[Structure]) -> bool:
    """Whether a list is meant as numbers, `[[1, 2], [3, 4]]`, not as a list of inputs."""
    return len(specs) == 1 and not any(isinstance(item, np.ndarray) for item in value)


def _matched_by_name(specs: list[InputSpec], value: Mapping[str, Structure]) -> dict[int, Structure]:
    if len(specs) == len(value) == 1:
        return {specs[0].index: next(iter(value.values()))}
    for names in ([spec.name for spec in specs], [f"arr_{spec.index}" for spec in specs]):
        if set(value) == set(names):
            return {spec.index: value[name] for spec, name in zip(specs, names, strict=True)}
    raise InputError(_misnamed([spec.name for spec in specs], list(value)))


def _misnamed(names: Sequence[str], received: Sequence[str]) -> str:
    missing = [name for name in names if name not in received]
    unknown = [str(name) for name in received if name not in names]
    return (
        f"inputs by name don't fit: this model takes {', '.join(names)}; received {', '.join(map(str, received))}; "
        f"missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}."
    )


def _fitted(spec: InputSpec, value: Structure) -> tuple[Array, tuple[str, ...]]:
    """One given array, checked against its input and cast to its dtype; and what was changed."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"input {spec.name!r}: no array can be made of it: {error}") from error
    # Keras holds nobody to a batch size: a Sequential has that of the call that built it.
    if not _fits((None, *spec.shape[1:])[: len(spec.shape)], array.shape):
        shown = "(" + ", ".join("any" if size is None else str(size) for size in spec.shape) + ")"
        raise InputError(f"input {spec.name!r}: expected shape {shown}, received {array.shape}.{_advice(spec, array)}")
    if array.size == 0:
        raise InputError(f"input {spec.name!r}: holds no samples (shape {array.shape}); nothing would be compared.")
    return cast(spec, array)


def _fits(expected: Sequence[int | None], shape: Sequence[int]) -> bool:
    return len(expected) == len(shape) and all(e in (None, got) for e, got in zip(expected, shape, strict=True))


def _channels_moved(shape: tuple[int, ...], channel: int) -> tuple[int, ...]:
    """The shape with its channels moved to their axis from the other one where libraries have them."""
    if len(shape) != 4:
        return shape
    return (shape[0], *shape[2:], shape[1]) if channel == 3 else (shape[0], shape[3], *shape[1:3])


def _advice(spec: InputSpec, array: Array) -> str:
    """What was probably meant."""
    if _fits(spec.shape[1:], array.shape):
        return " It looks like a single sample: add the batch dimension, as in array[None]."
    if spec.shape[-1:] == (1,) and _fits(spec.shape[:-1], array.shape):
        return " The last axis seems to be missing: add it, as in array[..., None]."
    channel = channel_axis(spec)
    if channel is not None and _fits(spec.shape, _channels_moved(array.shape, channel)):
        return f" The channels seem to be on another axis: numpy.moveaxis(array, {4 - channel}, {channel})."
    if channel is not None and array.ndim == len(spec.shape):
        return " Arrays aren't resized; a picture file is."
    return ""
