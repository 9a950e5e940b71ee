"""Out and back, as a user would do it: one function to write a model, one to read it, for each format."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np

from tracer.core.source import Array
from tracer.engine import compat
from tracer.engine.layer.graphs import is_saved_as_graph
from tracer.engine.types import Structure

Save = Callable[["keras.Model", Path], None]
Load = Callable[[Path], "keras.Model"]

_SHARDS = 3  # so that small models are sharded too


# --- whole models


def _save_keras(model: keras.Model, folder: Path) -> None:
    model.save(str(folder / "model.keras"))


def _load_keras(folder: Path) -> keras.Model:
    return keras.models.load_model(str(folder / "model.keras"), compile=False, safe_mode=compat.dialect().safe_mode())


def _load_compiled(folder: Path) -> keras.Model:
    return keras.models.load_model(str(folder / "model.keras"), safe_mode=compat.dialect().safe_mode())


def _save_folder(model: keras.Model, folder: Path) -> None:
    model.save(str(folder / "model"), zipped=False)


def _load_folder(folder: Path) -> keras.Model:
    return keras.models.load_model(str(folder / "model"), compile=False, safe_mode=compat.dialect().safe_mode())


def _save_h5(model: keras.Model, folder: Path) -> None:
    model.save(str(folder / "model.h5"))


def _load_h5(folder: Path) -> keras.Model:
    return keras.models.load_model(str(folder / "model.h5"), compile=False, safe_mode=compat.dialect().safe_mode())


def _load_compiled_h5(folder: Path) -> keras.Model:
    return keras.models.load_model(str(folder / "model.h5"), safe_mode=compat.dialect().safe_mode())


def _save_checkpoint(model: keras.Model, folder: Path) -> None:
    _end_of_epoch(model, keras.callbacks.ModelCheckpoint(str(folder / "model.keras")))


def _end_of_epoch(model: keras.Model, checkpoint: keras.callbacks.Callback) -> None:
    """What `fit` does with the callback after an epoch."""
    checkpoint.set_model(model)
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {})


def _save_pickle(model: keras.Model, folder: Path) -> None:
    (folder / "model.pickle").write_bytes(pickle.dumps(model))


def _load_pickle(folder: Path) -> keras.Model:
    """Of a file that this tool has just written into a folder of its own, because `--format pickle` was asked for."""
    return pickle.loads((folder / "model.pickle").read_bytes())


# --- architecture and weights


def _save_weights(model: keras.Model, folder: Path) -> None:
    _save_json(model, folder)
    model.save_weights(str(folder / "model.weights.h5"))


def _load_weights(folder: Path) -> keras.Model:
    model = _from_json(folder)
    model.load_weights(str(folder / "model.weights.h5"))
    return model


def _save_sharded(model: keras.Model, folder: Path) -> None:
    _save_json(model, folder)
    sizes = [np.asarray(weight).nbytes for weight in model.get_weights()] or [1]
    limit = max(sum(sizes) / _SHARDS, *sizes) + 1  # no variable is split
    model.save_weights(str(folder / "model.weights.json"), max_shard_size=limit / 1024**3)


def _load_sharded(folder: Path) -> keras.Model:
    model = _from_json(folder)
    model.load_weights(str(folder / "model.weights.json"))
    return model


def _save_checkpoint_weights(model: keras.Model, folder: Path) -> None:
    _save_json(model, folder)
    path = str(folder / "model.weights.h5")
    _end_of_epoch(model, keras.callbacks.ModelCheckpoint(path, save_weights_only=True))


def _save_h5_weights(model: keras.Model, folder: Path) -> None:
    _save_json(model, folder)
    _save_h5(model, folder)


def _load_h5_weights(folder: Path) -> keras.Model:
    model = _from_json(folder)
    model.load_weights(str(folder / "model.h5"))
    return model


def _load_h5_by_name(folder: Path) -> keras.Model:
    model = _from_json(folder)
    model.load_weights(str(folder / "model.h5"), by_name=True)
    return model


def _save_config(model: keras.Model, folder: Path) -> None:
    _save_json(model, folder)
    weights = [np.asarray(weight) for weight in model.get_weights()]
    np.savez(folder / "weights.npz", **{f"{i:05d}": _storable(w) for i, w in enumerate(weights)})  # type: ignore[arg-type]
    (folder / "dtypes.json").write_text(json.dumps([w.dtype.name for w in weights]), encoding="utf-8")


def _load_config(folder: Path) -> keras.Model:
    model = _from_json(folder)
    kinds = json.loads((folder / "dtypes.json").read_text(encoding="utf-8"))
    with np.load(folder / "weights.npz", allow_pickle=False) as stored:
        model.set_weights([compat.as_dtype(stored[key], kind) for key, kind in zip(sorted(stored), kinds, strict=True)])
    return model


def _storable(array: Array) -> Array:
    """NumPy's file format has no bfloat16: store the bytes."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def _save_json(model: keras.Model, folder: Path) -> None:
    (folder / "config.json").write_text(model.to_json(), encoding="utf-8")


def _from_json(folder: Path) -> keras.Model:
    return keras.models.model_from_json((folder / "config.json").read_text(encoding="utf-8"))


# --- outputs only


def _save_exported(model: keras.Model, folder: Path) -> None:
    options = {"verbose": False} if "verbose" in inspect.signature(model.export).parameters else {}
    model.export(str(folder / "model"), **options)


def _load_exported(folder: Path) -> keras.Model:
    return served(str(folder / "model"))


def served(path: str) -> keras.Model:
    """A model of one layer that runs a SavedModel's `serve` endpoint, handing its inputs on as they are."""

    class Served(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="served")
            self.autocast = False
            self.endpoint = keras.layers.TFSMLayer(path, call_endpoint="serve", name="endpoint")
            self.endpoint.autocast = False

        def call(self, inputs: Structure) -> Structure:
            return self.endpoint(inputs)

    return Served()


# With the optimizer and the losses, as users load what they go on to train.
COMPILED: Mapping[str, Load] = MappingProxyType({"keras": _load_compiled, "h5": _load_compiled_h5})
WAYS: Mapping[str, tuple[Save, Load]] = MappingProxyType(
    {
        "keras": (_save_keras, _load_keras),
        "h5": (_save_h5, _load_h5),
        "weights": (_save_weights, _load_weights),
        "config": (_save_config, _load_config),
        "keras-compiled": (_save_keras, _load_compiled),
        "keras-dir": (_save_folder, _load_folder),
        "checkpoint": (_save_checkpoint, _load_keras),
        "pickle": (_save_pickle, _load_pickle),
        "sharded": (_save_sharded, _load_sharded),
        "checkpoint-weights": (_save_checkpoint_weights, _load_weights),
        "h5-weights": (_save_h5_weights, _load_h5_weights),
        "h5-by-name": (_save_h5_weights, _load_h5_by_name),
        "savedmodel": (_save_exported, _load_exported),
    }
)


# --- without leaving the process


def _from_config(model: keras.Model) -> keras.Model:
    made = type(model).from_config(model.get_config())
    if not made.built:
        made.build_from_config(model.get_build_config())
    made.set_weights(model.get_weights())
    return made


def _clone(model: keras.Model) -> keras.Model:
    made = keras.models.clone_model(model)
    if not made.built:
        made.build_from_config(model.get_build_config())
    made.set_weights(model.get_weights())
    return made


DUPLICATES: Mapping[str, Callable[[keras.Model], keras.Model]] = MappingProxyType(
    {"copy": copy.deepcopy, "from-config": _from_config, "clone": _clone}
)


def lacking(model: keras.Model) -> dict[str, str]:
    """Formats that this Keras, or this kind of model, doesn't have, with the reason."""
    found = {}
    if not is_saved_as_graph(model):
        found.update(dict.fromkeys(("h5", "h5-weights", "h5-by-name"), "legacy HDF5 holds no subclassed model"))
    if not model.compiled:
        found["keras-compiled"] = "the model isn't compiled"
    if "zipped" not in inspect.signature(keras.saving.save_model).parameters:
        found["keras-dir"] = f"Keras {keras.__version__} saves no unzipped folder"
    if "max_shard_size" not in inspect.signature(keras.Model.save_weights).parameters:
        found["sharded"] = f"Keras {keras.__version__} saves no sharded weights"
    if keras.backend.backend() != "tensorflow":
        found["savedmodel"] = "a SavedModel is loaded by TFSMLayer, which needs the TensorFlow backend"
    return found
