"""What the tests with a real Keras 2 share: files that it writes, and how far others are from what it predicted."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracer.envs import environments

# Relative L2 error of the predictions: a few float32 eps.
CLOSE = 1e-6
_HERE = Path(__file__).parent
_PREDICT = """
import sys, keras, numpy as np
file, inputs, outputs = sys.argv[1:]
inputs = list(np.load(inputs, allow_pickle=True).values())
predicted = keras.models.load_model(file).predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
np.savez(outputs, *(predicted if isinstance(predicted, list) else [predicted]))
"""


def write_in_keras_2(folder: Path, script: str, *arguments: str) -> Path:
    """Run a script of this folder in Keras 2.15.0, in the folder that it writes to."""
    start = environments.prepare("2.15.0", None)
    command = [*start.command, str(_HERE / script), *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return folder


def written_by(script: str, factory: pytest.TempPathFactory) -> Path:
    """A folder with what a script wrote in Keras 2.15.0: once, for all processes that run tests."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / Path(script).stem
    with (shared / f"{script}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = factory.mktemp(folder.name)
            write_in_keras_2(making, script).rename(folder)
    return folder


def arrays(path: Path) -> list[Any]:
    """What a `.npz` holds, in order."""
    with np.load(path) as loaded:
        return [loaded[name] for name in loaded.files]


def error_of(file: Path, inputs: Path, outputs: Path, *, safe_mode: bool = True) -> float:
    """Relative L2 error of what plain Keras predicts with a file, against what was predicted before."""
    fed = [keras.ops.convert_to_tensor(x) if x.dtype.kind == "U" else x for x in arrays(inputs)]
    model = keras.models.load_model(str(file), safe_mode=safe_mode)
    predicted = model(fed if len(fed) > 1 else fed[0], training=False)
    return distance(predicted if isinstance(predicted, list) else [predicted], arrays(outputs))


def error_elsewhere(backend: str, file: Path, inputs: Path, outputs: Path) -> float:
    """The same on another backend, with a Keras that knows nothing of this package."""
    start = environments.prepare(keras.__version__, backend)
    there = file.with_suffix(".npz")
    command = [*start.command, "-c", _PREDICT, str(file), str(inputs), str(there)]
    subprocess.run(command, env={**os.environ, **start.variables, "PYTHONPATH": ""}, check=True, timeout=300)
    return distance(arrays(there), arrays(outputs))


def distance(predicted: list[Any], expected: list[Any]) -> float:
    """The largest relative L2 error of several outputs; infinite where one is of another shape or not finite."""
    found = [0.0]
    for ours, theirs in zip(map(np.asarray, predicted), expected, strict=True):
        scale = max(float(np.linalg.norm(np.float64(theirs))), 1e-12)
        same = ours.shape == theirs.shape and np.array_equal(np.isfinite(ours), np.isfinite(theirs))
        found.append(float(np.linalg.norm(np.float64(ours) - np.float64(theirs))) / scale if same else float("inf"))
    return max(found)


def worst(file: Path, folder: Path, name: str) -> float:
    """Relative L2 error of what plain Keras predicts with a file, against what Keras 2 predicted."""
    return error_of(file, folder / f"{name}.npz", folder / f"{name}_y.npz", safe_mode=name != "coded")


def plainly(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command with TensorFlow's plain kernels, which round alike in all its releases."""
    command = [sys.executable, "-m", "tracer", *map(str, words)]
    plain = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env=plain)
