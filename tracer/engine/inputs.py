"""Inputs that fit a model: made from a seed, read from a file, or given and checked.

Inputs have the structure of the model's signature (see `tracer.engine.signature`), with an array for each spec.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tracer.engine.demand import Demand
from tracer.engine.signature import InputSpec, channel_axis, leaves, map_structure, signature
from tracer.errors import InputError

Array = npt.NDArray[Any]

# Sizes for dimensions that a model leaves open. 96 can be halved five times.
_IMAGE_SIDE, _STEPS, _CHANNELS, _IMAGE_CHANNELS = 96, 16, 8, 3
_COARSE = 6  # cells a side in the large-scale part of a made picture
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


def make_inputs(model: Any, *, seed: int = 0, batch: int = 2) -> Any:
    """Seeded inputs that `model` takes: the same in every release and on every backend.

    Pictures are pixels in 0 … 255 where the model itself rescales them, else unit normal; ids are in the range of the
    layer that looks them up; strings are of its vocabulary.

    Args:
        model: a Keras model that is functional, sequential and built, or subclassed and built.
        seed: of the values.
        batch: samples, where the model leaves that open.

    Returns:
        An array, a list or a dictionary of arrays, as the model's call takes it.

    Raises:
        InputError: if it can't be told what the model takes.
    """

    def make(spec: InputSpec) -> Array:
        return _values(spec, _open_shape(spec, batch), np.random.RandomState([seed, spec.index]))

    return map_structure(make, signature(model))


def load_inputs(model: Any, path: str | Path, *, batch: int | None = None) -> Any:
    """Inputs for `model` from a file.

    Args:
        model: what they are for.
        path: `.npz` with arrays by input name, or `arr_0`, `arr_1`, … in the order of the inputs; `.npy` for a single
            input; a picture, which is resized to the input and, unless the model itself rescales, mapped to −1 … 1.
        batch: take so many samples at most; None for all.

    Returns:
        As `make_inputs`.

    Raises:
        InputError: if the file can't be read or doesn't fit the model.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"inputs file {str(path)!r} does not exist; give a .npz, .npy or picture file.")
    suffix = path.suffix.lower()
    if suffix in _IMAGE_SUFFIXES:
        value = _picture(leaves(signature(model)), path)
    elif suffix in (".npz", ".npy"):
        value = _numpy_file(path)
    else:
        known = ", ".join((".npz", ".npy", *sorted(_IMAGE_SUFFIXES)))
        raise InputError(f"inputs file {str(path)!r}: unknown kind of file; give one of {known}.")
    return map_structure(lambda array: array[:batch], fit_inputs(model, value))


def fit_inputs(model: Any, value: Any) -> Any:
    """Given inputs in the structure and dtypes that `model` takes.

    Args:
        model: what they are for; where it doesn't say what it takes, `value` is taken as it is.
        value: an array; a list in the order of the inputs; or a dictionary by input name, or of `arr_0`, `arr_1`, ….

    Returns:
        As `make_inputs`.

    Raises:
        InputError: naming the input, what was expected and what was received.
    """
    try:
        structure = signature(model)
    except InputError:
        return map_structure(np.asarray, value)
    specs = leaves(structure)
    arrays = _matched(specs, value)
    fitted = {spec.index: _fitted(spec, arrays[spec.index]) for spec in specs}
    counts = {spec.name: len(fitted[spec.index]) for spec in specs}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"inputs have different numbers of samples: {listed}. Give each the same number.")
    return map_structure(lambda spec: fitted[spec.index], structure)


def _open_shape(spec: InputSpec, batch: int) -> tuple[int, ...]:
    """The shape with a size for each dimension that the model leaves open."""
    channel = channel_axis(spec)
    rank = len(spec.shape)
    sizes = []
    for axis, size in enumerate(spec.shape):
        if axis == 0:
            usual = batch
        elif channel is not None:
            usual = _IMAGE_CHANNELS if axis == channel else _IMAGE_SIDE
        elif axis == rank - 1 and rank > 2:
            usual = _CHANNELS
        else:
            usual = _STEPS if rank < 5 else 2 * _STEPS
        sizes.append(usual if size is None else int(size))
    return tuple(sizes)


def _numpy_dtype(dtype: str) -> np.dtype[Any]:
    """NumPy has no bfloat16 or float8; Keras casts to them by itself."""
    if dtype == "string":
        return np.dtype(np.str_)
    return np.dtype("float32" if dtype.startswith(("bfloat", "float8")) else dtype)


def _values(spec: InputSpec, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    """Values that the input's consumers can work with, in the input's dtype."""
    dtype = _numpy_dtype(spec.dtype)
    demand = spec.demand
    if dtype.kind == "U":
        return _strings(demand, shape, random)
    if dtype.kind == "b":
        return random.uniform(size=shape) < 0.5
    if demand is not None and demand.kind == "words":
        known = [w for w in demand.words if not isinstance(w, str)] or list(range(1, 100))
        return random.choice(known, shape).astype(dtype)
    if demand is not None and demand.kind == "ids":
        return _ids(demand, shape, random).astype(dtype)
    channel = channel_axis(spec)
    if dtype.kind in "iu":
        whole = random.randint(0, 4, shape) if channel is None else _pixels(shape, channel, random)
        return whole.astype(dtype)
    if demand is not None and demand.kind == "interval":
        return random.uniform(demand.low, demand.high, shape).astype(dtype)
    if demand is not None and demand.kind == "pixels":
        return _pixels(shape, channel, random).astype(dtype)
    normal = random.normal(size=shape)
    if demand is not None and demand.kind == "normal":
        normal = demand.mean + demand.deviation * normal
    return np.asarray(normal.astype(dtype))


def _ids(demand: Demand, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    """Ids in range; where zeros mean "nothing here", the last quarter of each row is zero and nothing else."""
    low = 1 if demand.padded and demand.high > 1 else int(demand.low)
    ids = random.randint(low, max(low + 1, int(demand.high)), shape)
    if demand.padded and len(shape) > 1:
        ids[..., shape[-1] - shape[-1] // 4 :] = 0
    return np.asarray(ids)


def _strings(demand: Demand | None, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    words = [str(w) for w in demand.words] if demand is not None and demand.words else list(_WORDS)
    length = _COARSE if demand is not None and demand.kind == "text" else 1
    drawn = random.randint(0, len(words), (int(np.prod(shape)), length))
    return np.array([" ".join(words[i] for i in row) for row in drawn]).reshape(shape)


def _pixels(shape: tuple[int, ...], channel: int | None, random: np.random.RandomState) -> Array:
    """Something like a photograph, in 0 … 255: large patches of colour, which pooling keeps, under fine noise."""
    fine = random.uniform(0.0, 255.0, shape)
    if channel is None:
        return fine
    coarse_shape = [_COARSE if axis not in (0, channel) else size for axis, size in enumerate(shape)]
    coarse = random.uniform(0.0, 255.0, coarse_shape)
    for axis in {1, 2, 3} - {channel}:
        coarse = np.take(coarse, np.arange(shape[axis]) * _COARSE // shape[axis], axis=axis)
    return np.asarray(np.floor(0.7 * coarse + 0.3 * fine))


def _numpy_file(path: Path) -> Any:
    """The array of a `.npy`, or a dictionary of those of a `.npz`. Never unpickles: that would run the file."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"inputs file {str(path)!r} can't be read: {error}. Write it with numpy.savez(file, name=array); "
            "arrays of Python objects aren't taken."
        ) from error


def _picture(specs: list[InputSpec], path: Path) -> Array:
    """A batch of the one picture, resized to the model's input."""
    channel = channel_axis(specs[0])
    if len(specs) != 1 or channel is None:
        taken = ", ".join(f"{s.name} {s.shape}" for s in specs)
        raise InputError(f"inputs file {str(path)!r} is a picture; this model takes {taken}. Give a .npz file.")
    size = tuple(s for axis, s in enumerate(specs[0].shape) if axis not in (0, channel))
    modes = {1: "grayscale", 4: "rgba"}
    try:
        image = keras.utils.load_img(
            path,
            color_mode=modes.get(specs[0].shape[channel] or 3, "rgb"),
            target_size=None if None in size else size,
        )
    except ImportError as error:
        raise InputError(f"reading a picture needs Pillow: pip install pillow, or give {path.stem}.npy.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"inputs file {str(path)!r} can't be read as a picture: {error}") from error
    array = keras.utils.img_to_array(image, data_format="channels_last" if channel == 3 else "channels_first")[None]
    rescales = specs[0].demand is not None or "int" in specs[0].dtype
    return np.asarray(array if rescales else array / 127.5 - 1.0)


def _matched(specs: list[InputSpec], value: Any) -> dict[int, Any]:
    """Given arrays by the index of their input."""
    if isinstance(value, Mapping):
        return _matched_by_name(specs, value)
    arrays = list(value) if isinstance(value, (list, tuple)) and not _is_one_array(specs, value) else [value]
    if len(arrays) != len(specs):
        taken = ", ".join(s.name for s in specs)
        raise InputError(f"this model takes {len(specs)} inputs ({taken}); received {len(arrays)}.")
    return dict(enumerate(arrays))


def _is_one_array(specs: list[InputSpec], value: Any) -> bool:
    """Whether a list is meant as numbers, `[[1, 2], [3, 4]]`, not as a list of inputs."""
    return len(specs) == 1 and not (len(value) == 1 and isinstance(value[0], np.ndarray))


def _matched_by_name(specs: list[InputSpec], value: Mapping[str, Any]) -> dict[int, Any]:
    names = [s.name for s in specs]
    if set(value) == set(names):
        return {s.index: value[s.name] for s in specs}
    if set(value) == {f"arr_{i}" for i in range(len(specs))}:
        return {s.index: value[f"arr_{s.index}"] for s in specs}
    missing = [n for n in names if n not in value]
    unknown = [n for n in value if n not in names]
    raise InputError(
        f"inputs by name don't fit: this model takes {', '.join(names)}; received {', '.join(map(str, value))}; "
        f"missing {', '.join(missing) or 'none'}, unknown {', '.join(map(str, unknown)) or 'none'}."
    )


def _fitted(spec: InputSpec, value: Any) -> Array:
    """One given array, checked against its input and cast to its dtype."""
    array = np.asarray(value)
    expected = tuple("any" if s is None else s for s in spec.shape)
    wrong = len(array.shape) != len(spec.shape) or any(
        size is not None and size != got for size, got in zip(spec.shape, array.shape, strict=False)
    )
    if wrong:
        shown = "(" + ", ".join(map(str, expected)) + ")"
        raise InputError(f"input {spec.name!r}: expected shape {shown}, received {array.shape}.")
    if array.size == 0:
        raise InputError(f"input {spec.name!r}: holds no samples (shape {array.shape}); nothing would be compared.")
    dtype = _numpy_dtype(spec.dtype)
    if not _casts(array, dtype):
        raise InputError(f"input {spec.name!r}: expected {spec.dtype}, received {array.dtype}.")
    return array if dtype.kind == "U" else array.astype(dtype)


def _casts(array: Array, dtype: np.dtype[Any]) -> bool:
    """Whether the values mean the same in `dtype`; whole numbers may come as floats, as many files have them."""
    if dtype.kind == "U":
        return array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat))
    if array.dtype.kind not in "biuf":
        # bfloat16 arrays come from an extension of NumPy, with kind V.
        return dtype.kind == "f" and "float" in array.dtype.name
    if dtype.kind in "iub" and array.dtype.kind == "f":
        return bool(np.all(array == np.floor(array)))
    return True
