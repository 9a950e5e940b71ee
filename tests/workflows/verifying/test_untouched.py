"""A verification draws no number that the training would have drawn."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest

from tracer.workflows.verifying.untouched import random_state_kept


def seeded() -> None:
    """As a process begins: the generator that layers without a seed have in common isn't made yet."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(3)


def draw() -> list[object]:
    found: list[object] = [random.random(), np.random.rand(), float(keras.random.uniform(()))]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        found.append(float(tf.random.uniform(())))
    if keras.backend.backend() == "torch":
        import torch

        found.append(float(torch.rand(())))
    return found


def test_what_is_drawn_afterwards_is_what_would_have_been_drawn() -> None:
    seeded()
    expected = [draw(), draw()]
    seeded()
    first = draw()
    with random_state_kept():
        draw()
    assert [first, draw()] == expected


def test_what_keras_has_not_made_yet_is_made_as_it_would_have_been() -> None:
    """The generator that layers without a seed have in common is made by whoever needs it first."""
    seeded()
    expected = draw()
    seeded()
    with random_state_kept():
        draw()
    assert draw() == expected


def test_it_is_put_back_after_an_error_too() -> None:
    seeded()
    expected = draw()
    seeded()
    with pytest.raises(ZeroDivisionError), random_state_kept():
        draw()[0] / 0  # type: ignore[operator]
    assert draw() == expected
