"""`tracer.engine.inputs.lengths`: sequences of open length are made as long as the model can take."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.inputs.lengths import feed_seeded
from tracer.engine.inputs.made import STEPS


def sequences(*stack: Any, steps: int | None = None) -> Any:
    x = y = keras.Input((steps, 3), name="x")
    for layer in stack or [layers.Dense(2)]:
        y = layer(y)
    return keras.Model(x, y)


def fed(model: Any, longest: int = 1000) -> tuple[int, tuple[str, ...], list[int]]:
    """The length that was made, what was told of it, and the lengths that were tried."""
    tried: list[int] = []

    def runs(inputs: Any) -> bool:
        tried.append(inputs.shape[1])
        return bool(inputs.shape[1] <= longest)

    feed = feed_seeded(model, seed=0, batch=2, runs=runs)
    return np.asarray(feed.arrays).shape[1], feed.told.conversions, tried


def test_a_length_that_the_model_says_is_kept_and_nothing_is_tried() -> None:
    assert fed(sequences(steps=5)) == (5, (), [])


def test_the_usual_length_needs_no_word() -> None:
    length, told, tried = fed(sequences())
    assert (length, told, set(tried)) == (STEPS, (), {STEPS})


@pytest.mark.parametrize(("longest", "length"), [(9, 8), (4, 4), (1, 1)])
def test_a_shorter_one_is_found_by_trying_and_the_reason_is_told(longest: int, length: int) -> None:
    found, told, _ = fed(sequences(), longest)
    assert (found, told) == (
        length,
        (f"Open sequences were made {length} long: the model fails on the usual length.",),
    )


def test_a_model_that_fails_on_all_of_them_gets_the_usual_one_and_fails_by_itself() -> None:
    length, told, tried = fed(sequences(), 0)
    assert (length, told) == (STEPS, ())
    assert tried[-1] == 1


class Positions(layers.Layer):
    """Adds a table of positions."""

    def __init__(self, sequence_length: int, **options: Any) -> None:
        super().__init__(**options)
        self.sequence_length = sequence_length

    def call(self, x: Any) -> Any:
        return x


def test_a_layer_that_is_made_for_so_many_steps_is_asked_first() -> None:
    length, told, tried = fed(sequences(Positions(5, name="p")))
    assert (length, tried) == (5, [5])
    assert told == ("Open sequences were made 5 long: layer 'p' is made for so many steps.",)
    assert fed(sequences(Positions(5000)))[0] == STEPS


def test_a_table_of_positions_is_known_by_its_name() -> None:
    class Encodes(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.pos_table = layers.Embedding(7, 3)
            self.post = layers.Embedding(2, 3)  # nothing of positions

        def call(self, x: Any) -> Any:
            return x

    assert fed(sequences(Encodes()))[0] == 7
