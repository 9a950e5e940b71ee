"""Model files in Keras 2.  They were screened before (`tracer.files.screening`)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import keras

from tracer.core.migration.layers import OF_CONVNEXT
from tracer.engine.keras2.modules import module
from tracer.errors import ModelError

_METADATA = "keras_metadata.pb"


def load_model(path: str, *, trust: bool = False) -> keras.Model:
    """The model in a `.h5` or `.keras` file or a SavedModel folder, not compiled.

    Args:
        path: of the file.
        trust: run the Python code that Lambda layers in a `.keras` file hold; in a `.h5` file, Keras 2 always runs it.

    Raises:
        ModelError: if a SavedModel has no layers.
        Exception: whatever Keras raises for a broken file.
    """
    if Path(path).is_dir():
        _check_layers(Path(path) / _METADATA)
    # Only some releases have the option, and only for .keras files.
    takes_it = path.endswith(".keras") and "safe_mode" in inspect.signature(keras.models.load_model).parameters
    options = {"safe_mode": not trust} if takes_it else {}
    with keras.utils.custom_object_scope(_of_applications()):
        return keras.models.load_model(path, compile=False, **options)


def _of_applications() -> Mapping[str, type[keras.layers.Layer]]:
    """Layers that applications alone have, and that Keras 2 doesn't find by itself; its older releases have none."""
    try:
        convnext = module("applications.convnext")
    except ModuleNotFoundError:
        return {}
    return {name: vars(convnext)[name] for name in OF_CONVNEXT if name in vars(convnext)}


def _check_layers(metadata: Path) -> None:
    """Refuses a folder without what Keras writes into it about each layer: it would load as a single function."""
    nodes = module("protobuf.saved_metadata_pb2").SavedMetadata()
    if metadata.exists():
        nodes.ParseFromString(metadata.read_bytes())
    if not nodes.nodes:
        raise ModelError(
            f"{str(metadata.parent)!r} is a SavedModel without layers: Keras' {_METADATA} isn't there. Load it with "
            "what wrote it, and save the model as .h5."
        )
