"""The random state of this process, which a verification must not change."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """After it, Python, NumPy, TensorFlow and torch draw what they would have drawn without it."""
    python, numpy = random.getstate(), np.random.get_state()
    with _torch_kept(), _tensorflow_kept():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextlib.contextmanager
def _torch_kept() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    with torch.random.fork_rng(devices=()):
        yield


@contextlib.contextmanager
def _tensorflow_kept() -> Iterator[None]:
    """Operations without a seed of their own draw it from a generator of Python's in TensorFlow's eager context."""
    context = sys.modules.get("tensorflow.python.eager.context")
    generator = None if context is None else getattr(context.context(), "_rng", None)
    if not isinstance(generator, random.Random):
        yield
        return
    before = generator.getstate()
    try:
        yield
    finally:
        generator.setstate(before)
