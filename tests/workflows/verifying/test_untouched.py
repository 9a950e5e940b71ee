"""A verification draws no number that the training would have drawn."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

from tracer.workflows.verifying.untouched import random_state_kept


def draw() -> list[object]:
    found: list[object] = [random.random(), np.random.rand()]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found.append(float(tf.random.uniform(())))
    if keras.backend.backend() == "torch":
        import torch

        found.append(float(torch.rand(())))
    return found


def test_what_is_drawn_afterwards_is_what_would_have_been_drawn() -> None:
    keras.utils.set_random_seed(3)
    expected = [draw(), draw()]
    keras.utils.set_random_seed(3)
    first = draw()
    with random_state_kept():
        draw()
    assert [first, draw()] == expected


def test_it_is_put_back_after_an_error_too() -> None:
    keras.utils.set_random_seed(3)
    expected = draw()
    keras.utils.set_random_seed(3)
    with pytest.raises(ZeroDivisionError), random_state_kept():
        draw()[0] / 0  # type: ignore[operator]
    assert draw() == expected
