"""Modules of Keras 2, wherever a release has them."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType


@functools.cache
def module(name: str) -> ModuleType:
    """`engine.base_layer` → the module: below `keras.src` from 2.13 on, below `keras` before."""
    try:
        return importlib.import_module(f"keras.src.{name}")
    except ModuleNotFoundError:
        return importlib.import_module(f"keras.{name}")
