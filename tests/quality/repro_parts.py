"""What the reproductions of known Keras defects are made of; runs on any Keras release, with NumPy alone."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

# Reference, candidate and inputs; two releases disagree where there is no candidate.
Repro = tuple[Any, Any, Any]


def import_keras() -> Any:
    """Keras, imported late, on the CPU, quietly."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import keras

    return keras


def seeded(model: Any, seed: int = 0) -> Any:
    """The model with weights that depend on nothing but their shapes and order."""
    rng = np.random.RandomState(seed)
    weights = [np.asarray(w) for w in model.get_weights()]
    model.set_weights([rng.uniform(0.1, 1.1, w.shape).astype(w.dtype) if w.dtype.kind == "f" else w for w in weights])
    return model


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return (np.random.RandomState(4).normal(size=shape) * scale + shift).astype("float32")


def reloaded(model: Any, suffix: str) -> Any:
    """The model after a trip through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m" + suffix)
        model.save(path)
        return import_keras().models.load_model(path, compile=False)


def model_of(inputs: Any, outputs: Any, x: Any, suffix: str = "") -> Repro:
    """A seeded model, against its copy from a file of that suffix if one is given."""
    model = seeded(import_keras().Model(inputs, outputs, name="m"))
    return model, reloaded(model, suffix) if suffix else None, x


def layer_of(layer: Any, x: np.ndarray, suffix: str = "") -> Repro:
    """The same, of one layer."""
    inputs = import_keras().Input(x.shape[1:], dtype=x.dtype.name)
    return model_of(inputs, layer(inputs), x, suffix)
