"""What a model file holds of an optimizer, read without Keras and a piece at a time."""

from __future__ import annotations

import contextlib
import importlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from tracer.core.layer.optimizer import Slot, StoredOptimizer, slot_of
from tracer.core.source import Array
from tracer.errors import ModelError
from tracer.files.archives import member_as_file
from tracer.files.hdf5 import Source, attribute, opened

_WEIGHTS: Final = "model.weights.h5"
_VARIABLES: Final = "optimizer/vars"
_LEGACY: Final = "optimizer_weights"
_NAMES: Final = "weight_names"
_PIECE: Final = 1 << 20  # elements


def read_optimizer(path: Path) -> StoredOptimizer:
    """What is in a `.keras`, `.h5` or `.weights.h5` file of its model's optimizer.

    Raises:
        ModelError: if the file is damaged.
    """
    if zipfile.is_zipfile(path):
        return _of_archive(path)
    with opened(path, str(path)) as file:
        if "model_config" not in file.attrs:
            return StoredOptimizer(slots=dict(_number(file)))
        training = _object(attribute(file, "training_config"))
        return StoredOptimizer(
            slots=dict(_list(file)), is_compiled=bool(training), is_named="optimizer_config" in training
        )


def _of_archive(path: Path) -> StoredOptimizer:
    try:
        with zipfile.ZipFile(path) as archive:
            config = _object(_object(archive.read("config.json")).get("compile_config"))
            with member_as_file(archive, path, _WEIGHTS) as weights:
                slots = dict(_in(weights, path))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{str(path)!r} can't be read: {type(error).__name__}: {error}.") from error
    return StoredOptimizer(slots=slots, is_compiled=bool(config), is_named="optimizer" in config)


def _in(source: Source, path: Path) -> Iterator[tuple[str, Slot]]:
    with opened(source, str(path)) as file:
        yield from _number(file)


def _object(value: object) -> dict[str, object]:
    """A JSON object, from text where it is one; empty for anything else."""
    if isinstance(value, (str, bytes)):
        value = json.loads(value)
    return value if isinstance(value, dict) else {}


def _number(file: h5py.File) -> Iterator[tuple[str, Slot]]:
    """Of Keras 3's own formats."""
    group = file.get(_VARIABLES)
    for key in sorted(group, key=_order) if isinstance(group, h5py.Group) else ():
        if isinstance(group[key], h5py.Dataset):
            yield key, _slot(group[key])


def _order(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (1 << 62, key)


def _list(file: h5py.File) -> Iterator[tuple[str, Slot]]:
    """Of the legacy format, which lists the variables in their order; a long list is cut into several attributes."""
    group = file.get(_LEGACY)
    for position, name in enumerate(_names(group) if isinstance(group, h5py.Group) else ()):
        if name in group:
            yield str(position), _slot(group[name])


def _names(group: h5py.Group) -> Iterator[str]:
    parts = [_NAMES] if _NAMES in group.attrs else []
    parts += [f"{_NAMES}{i}" for i in range(len(group.attrs)) if f"{_NAMES}{i}" in group.attrs]
    for part in parts:
        for name in group.attrs[part]:
            yield name.decode() if isinstance(name, bytes) else str(name)


def _slot(data: h5py.Dataset) -> Slot:
    said = data.attrs.get("dtype", "")  # NumPy can't name every dtype: those are stored as bytes of the same size
    name = (said.decode() if isinstance(said, bytes) else str(said)) or data.dtype.name
    dtype = data.dtype
    with contextlib.suppress(ImportError, AttributeError):
        dtype = np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
    return slot_of((_as(piece, dtype) for piece in _pieces(data)), data.shape, name)


def _as(piece: Array, dtype: np.dtype[np.generic]) -> Array:
    """HDF5 may have made a wider number of a bfloat16, or bytes without a meaning."""
    return piece.astype(dtype, copy=False) if piece.dtype.kind == "f" else piece.view(dtype)


def _pieces(data: h5py.Dataset) -> Iterator[Array]:
    """A dataset, flat, by as many rows at a time as make a piece."""
    if not data.shape:
        yield np.asarray(data[()]).reshape(-1)
        return
    rows = max(1, _PIECE // max(1, data.size // max(1, data.shape[0])))
    for start in range(0, data.shape[0], rows):
        yield np.asarray(data[start : start + rows]).reshape(-1)
