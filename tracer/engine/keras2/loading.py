"""Model files in Keras 2: what is in a file is executed only when it is trusted."""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

from tracer.engine.keras2.modules import module
from tracer.errors import ModelError

_CODE = "Lambda"
_METADATA = "keras_metadata.pb"


def load_model(path: str, *, trust: bool = False) -> keras.Model:
    """The model in a `.h5` or `.keras` file or a SavedModel folder, not compiled.

    Args:
        path: of the file.
        trust: run the Python code that Lambda layers in it hold.

    Raises:
        ModelError: if it holds such code and isn't trusted. Keras 2 itself runs it when it opens a `.h5`.
        Exception: whatever Keras raises for a broken file.
    """
    coded = [] if trust else list(_layers_with_code(_config(path)))
    if coded:
        raise ModelError(
            f"{', '.join(coded)}: Lambda layers, whose Python code is in the file and would be run. If you trust "
            "whoever wrote it, say so: --trust (trust=True)."
        )
    # Only some releases have the option, and only for .keras files.
    takes_it = path.endswith(".keras") and "safe_mode" in inspect.signature(keras.models.load_model).parameters
    options = {"safe_mode": False} if takes_it else {}
    return keras.models.load_model(path, compile=False, **options)


def _config(path: str) -> object:
    """The configuration of the model in a file, or of every layer in a folder."""
    if Path(path).is_dir():
        return _configs_in_folder(Path(path) / _METADATA)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
    return json.loads(text if isinstance(text, str) else text.decode())


def _configs_in_folder(metadata: Path) -> list[object]:
    """What Keras wrote beside a SavedModel about each of its layers."""
    nodes = module("protobuf.saved_metadata_pb2").SavedMetadata()
    if metadata.exists():
        nodes.ParseFromString(metadata.read_bytes())
    if not nodes.nodes:
        raise ModelError(
            f"{str(metadata.parent)!r} is a SavedModel without layers: Keras' {_METADATA} isn't there. Load it with "
            "what wrote it, and save the model as .h5."
        )
    return [json.loads(node.metadata) for node in nodes.nodes]


def _layers_with_code(config: object) -> Iterator[str]:
    """Names of the layers in a configuration that bring code of their own, at any depth."""
    if isinstance(config, dict):
        if config.get("class_name") in (_CODE, "__lambda__"):
            inner = config.get("config")
            yield str(inner.get("name", _CODE)) if isinstance(inner, dict) else _CODE
            return
        config = list(config.values())
    for item in config if isinstance(config, list) else ():
        yield from _layers_with_code(item)
