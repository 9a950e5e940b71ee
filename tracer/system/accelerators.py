"""One GPU, and several processes that compute on it: a model and its reloaded twin, the cells of a matrix."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Final

_SHARED: Final = MappingProxyType({"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"})


def share() -> None:
    """Let the backend take a GPU's memory bit by bit; for a process of our own, before it imports one.

    Left alone, JAX takes three quarters of it at its start and TensorFlow all of it, and a second process finds none.
    What the user has set stays as it is.
    """
    for variable, value in _SHARED.items():
        os.environ.setdefault(variable, value)
