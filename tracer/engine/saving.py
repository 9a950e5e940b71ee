"""Save a model in every way that Keras offers, and load it back as a user would."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from tracer.engine import compat
from tracer.errors import ModelError, SpecError

Save = Callable[[Any, Path], None]
Load = Callable[[Path], Any]


def _save_keras(model: Any, folder: Path) -> None:
    model.save(str(folder / "model.keras"))


def _load_keras(folder: Path) -> Any:
    return keras.models.load_model(str(folder / "model.keras"), compile=False)


def _save_h5(model: Any, folder: Path) -> None:
    model.save(str(folder / "model.h5"))


def _load_h5(folder: Path) -> Any:
    return keras.models.load_model(str(folder / "model.h5"), compile=False)


def _save_weights(model: Any, folder: Path) -> None:
    (folder / "config.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(str(folder / "model.weights.h5"))


def _load_weights(folder: Path) -> Any:
    model = _from_json(folder)
    model.load_weights(str(folder / "model.weights.h5"))
    return model


def _save_config(model: Any, folder: Path) -> None:
    (folder / "config.json").write_text(model.to_json(), encoding="utf-8")
    weights = {f"{i:05d}": _storable(w) for i, w in enumerate(model.get_weights())}
    kinds = [str(np.asarray(w).dtype.name) for w in model.get_weights()]
    np.savez(folder / "weights.npz", **weights)
    (folder / "dtypes.json").write_text(json.dumps(kinds), encoding="utf-8")


def _load_config(folder: Path) -> Any:
    model = _from_json(folder)
    kinds = json.loads((folder / "dtypes.json").read_text(encoding="utf-8"))
    with np.load(folder / "weights.npz", allow_pickle=False) as stored:
        model.set_weights([compat.as_dtype(stored[key], kind) for key, kind in zip(sorted(stored), kinds, strict=True)])
    return model


def _storable(weight: Any) -> Any:
    """NumPy's file format has no bfloat16: store the bytes."""
    array = np.asarray(weight)
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _from_json(folder: Path) -> Any:
    return keras.models.model_from_json((folder / "config.json").read_text(encoding="utf-8"))


# How a model goes out and comes back, by the name that `--format` takes.
FORMATS: Mapping[str, tuple[Save, Load, str]] = MappingProxyType(
    {
        "keras": (_save_keras, _load_keras, "model.save('m.keras'), load_model"),
        "h5": (_save_h5, _load_h5, "model.save('m.h5'), load_model (legacy HDF5)"),
        "weights": (
            _save_weights,
            _load_weights,
            "to_json + save_weights('m.weights.h5'), model_from_json + load_weights",
        ),
        "config": (_save_config, _load_config, "to_json + get_weights, model_from_json + set_weights"),
    }
)


def supported(model: Any) -> tuple[str, ...]:
    """Names of the formats that a model can be saved in; a subclassed one has no `.h5`."""
    is_graph = isinstance(model, keras.Sequential) or hasattr(model, "_nodes")
    return tuple(name for name in FORMATS if is_graph or name != "h5")


def save(model: Any, folder: Path, format: str) -> None:
    """Write a model into an empty folder.

    Raises:
        SpecError: if there is no such format.
        ModelError: if Keras can't save the model so.
    """
    write, _, _ = _way(format)
    with _explained(f"{model.name}: can't be saved as {format}"):
        write(model, folder)


def _way(format: str) -> tuple[Save, Load, str]:
    if format not in FORMATS:
        raise SpecError(f"unknown format {format!r}; known are {', '.join(FORMATS)}.")
    return FORMATS[format]


def load(folder: Path, format: str) -> Any:
    """Read back what `save` wrote.

    Raises:
        SpecError: if there is no such format.
        ModelError: if Keras can't load it; says which custom object is missing, if that is the reason.
    """
    _, read, _ = _way(format)
    with _explained(f"the model saved as {format} can't be loaded again"):
        return read(folder)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Keras raises almost any type here; all of them mean that this model doesn't go this way."""
    try:
        yield
    except Exception as error:  # see above
        raise ModelError(f"{what}: {compat.reason(error)}{_hint(str(error))}") from error


def _hint(text: str) -> str:
    unknown = re.search(r"Unknown layer: '(\w+)'", text)
    if unknown and any(
        hasattr(importlib.import_module(f"keras.src.ops.{m}"), unknown[1]) for m in ("numpy", "core", "nn")
    ):
        return " A .h5 file can't hold operations of a graph; save it as .keras."
    if "custom object" in text or "could not be deserialized" in text or "Unknown layer" in text:
        return " Name the module that defines its custom objects: --custom-objects package.module."
    return ""
