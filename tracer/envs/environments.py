"""Another Keras, in an isolated environment that uv makes from the registry and keeps in its cache."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tracer.errors import WorkerError

# Newest TensorFlow that a Keras release runs with, by the first release of each range (measured; docs/environments.md).
_TENSORFLOW: Mapping[tuple[int, int], str] = MappingProxyType(
    {(3, 0): "2.16.2", (3, 2): "2.17.1", (3, 5): "2.19.1", (3, 10): "2.20.0", (3, 12): "2.21.0"}
)
# TensorFlow before 2.20 has no wheels for Python 3.13; 3.11 runs all of them.
_PYTHON = "3.11"


def command(release: str | None, backend: str | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """What starts a Python with that Keras, and the variables to set for it.

    Args:
        release: of Keras, `latest`, `nightly`, or None for the newest.
        backend: `tensorflow` (also None), `jax` or `torch`.

    Raises:
        WorkerError: if uv isn't installed.
    """
    backend = backend or "tensorflow"
    needs = [_keras(release), *_backend(backend, release)]
    withs = [part for need in needs for part in ("--with", need)]
    start = (_uv(), "run", "--quiet", "--isolated", "--no-project", "--python", _PYTHON, *withs, "python")
    return start, {"KERAS_BACKEND": backend, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": ""}


def _keras(release: str | None) -> str:
    if release == "nightly":
        return "keras-nightly"
    return "keras" if release in (None, "latest") else f"keras=={release}"


def _backend(backend: str, release: str | None) -> list[str]:
    if backend == "tensorflow":
        version = tensorflow_for(release)
        return [f"tensorflow=={version}" if version else "tensorflow"]
    return [backend]


def tensorflow_for(release: str | None) -> str | None:
    """The TensorFlow release to run a Keras release with; None for the newest."""
    if release is None or not release[0].isdigit():
        return None
    numbers = (*(int(part) for part in release.split(".")[:2] if part.isdigit()), 0)[:2]
    fitting = [version for first, version in _TENSORFLOW.items() if first <= numbers]
    return fitting[-1] if fitting else None


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return str(beside)
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        return str(find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise WorkerError(
            "uv is needed to run another Keras and isn't installed. Install it: pip install 'keras-layer-tracer[envs]'."
        )
    return found
