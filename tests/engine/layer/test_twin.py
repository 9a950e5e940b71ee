"""A second layer of the same configuration: what it gains by being loaded, and that making it draws nothing."""

from __future__ import annotations

import random
from typing import Any

import keras

from tracer.engine.layer.twin import gained_by_loading, rebuilt


class Marking(keras.layers.Layer):
    """Notes that it was loaded, and draws when it is built."""

    def build(self, shape: Any) -> None:
        self.drawn = random.random()
        self.inner = keras.layers.Dense(2)
        self.inner.build(shape)
        super().build(shape)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self.was_loaded = True


def test_what_loading_adds_is_seen_on_a_twin_and_chance_is_as_before() -> None:
    layer = Marking()
    layer.build((None, 3))
    state = random.getstate()
    assert "was_loaded" in gained_by_loading(layer)
    assert rebuilt(layer) is not None
    assert random.getstate() == state and not hasattr(layer, "was_loaded")


def test_nothing_is_gained_where_no_twin_can_be_made() -> None:
    class Odd(keras.layers.Layer):
        def __init__(self, needed: int) -> None:
            super().__init__(name=f"odd_{needed}")

    assert rebuilt(Odd(1)) is None and gained_by_loading(Odd(1)) == ()
