"""`tracer.engine.run.precision`: float32 is computed in full while a model runs, and as the user wants it afterwards.

What it does on a GPU was seen on one (docs/method.md); torch's and JAX' switches are tried in their environments by
tests/releases/test_backends.py.
"""

from __future__ import annotations

import contextlib

import tensorflow as tf

from tracer.engine.run import precision


def _allowed() -> bool:
    return bool(tf.config.experimental.tensor_float_32_execution_enabled())


def test_tensorflow_computes_in_full_until_it_is_closed() -> None:
    assert _allowed()
    with contextlib.ExitStack() as asked:
        precision.full_of_tensorflow(asked)
        assert not _allowed()
    assert _allowed()


def test_a_cpu_is_told_nothing() -> None:
    with precision.full():
        assert _allowed()
