"""`tracer.engine.model.footprint`: what a run will need is read from the shapes in a graph, before anything runs."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from tracer.engine.model.footprint import footprint


def chain(*widths: int, dtype: str = "float32", batch: int | None = None) -> Any:
    x = y = keras.Input((widths[0],), batch_size=batch, dtype=dtype)
    for width in widths[1:]:
        y = layers.Dense(width, dtype=dtype)(y)
    return keras.Model(x, y)


def test_a_chain_needs_the_input_of_its_widest_call_and_twice_what_that_returns() -> None:
    found = footprint(chain(10, 1000, 20), 2)
    assert found is not None and found.complete
    assert (found.widest, found.peak) == (2 * 1000 * 4, 2 * (10 + 2 * 1000) * 4)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float16", 2), ("bfloat16", 2)])
def test_numbers_have_the_size_of_their_dtype(dtype: str, size: int) -> None:
    found = footprint(chain(10, 1000, dtype=dtype), 1)
    assert found is not None and found.widest == 1000 * size


def test_a_batch_that_the_model_fixes_is_the_model_s() -> None:
    assert footprint(chain(10, 10, batch=3), 100) == footprint(chain(10, 10, batch=3), 1)


def test_a_model_inside_is_walked_through_and_a_layer_with_layers_inside_is_not() -> None:
    x = keras.Input((10,))
    deep = footprint(keras.Model(x, chain(10, 1000, 10)(x)), 1)
    assert deep is not None and deep.complete
    assert deep.peak >= (10 + 2 * 1000) * 4
    y = keras.Input((5, 4))
    outer = keras.Model(y, layers.MultiHeadAttention(1, 2)(y, y))
    found = footprint(outer, 1)
    assert found is not None and not found.complete


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Model(x := keras.Input((None, 3)), layers.Dense(2)(x)),
        lambda: keras.Model(x := keras.Input((), dtype="string"), layers.StringLookup(vocabulary=["a"])(x)),
        lambda: keras.Sequential([layers.Dense(2)]),
    ],
    ids=["free dimension", "text", "unbuilt"],
)
def test_what_the_graph_does_not_say_is_not_guessed(make: Any) -> None:
    assert footprint(make(), 1) is None
