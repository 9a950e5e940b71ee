"""The random state of this process, which a verification must not change."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Final

import numpy as np

_OTHER: Final = 0x7ACE5EED
_COMMON: Final = "global_seed_generator"


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """After it, Python, NumPy, Keras, TensorFlow and torch draw what they would have drawn without it."""
    python, numpy = random.getstate(), np.random.get_state()
    with _torch_kept(), _tensorflow_kept(), _keras_kept():
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
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        yield


@contextlib.contextmanager
def _tensorflow_kept() -> Iterator[None]:
    """Operations without a seed of their own draw it from a generator of Python's in TensorFlow's eager context.

    Another generator stands in for it meanwhile. Putting its state back wouldn't do: a kernel is kept for each seed
    that was drawn, and goes on from where it is.
    """
    module = sys.modules.get("tensorflow.python.eager.context")
    context = None if module is None else module.context()
    generator = getattr(context, "_rng", None)
    if context is None or not isinstance(generator, random.Random):
        yield
        return
    context._rng = random.Random(_OTHER)
    try:
        yield
    finally:
        context._rng = generator


@contextlib.contextmanager
def _keras_kept() -> Iterator[None]:
    """What draws with neither a seed nor a generator of its own (`keras.random.normal((3,))`) has one in common."""
    keras, tracker = sys.modules.get("keras"), sys.modules.get("keras.src.backend.common.global_state")
    if keras is None or tracker is None:
        yield
        return
    generator = tracker.get_global_attribute(_COMMON)
    state = None if generator is None else np.copy(keras.ops.convert_to_numpy(generator.state))
    try:
        yield
    finally:
        if state is None:
            tracker.set_global_attribute(_COMMON, None)  # it is made where it is first needed, as it would have been
        else:
            generator.state.assign(state)
