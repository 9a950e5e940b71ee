"""`tracer.engine.inputs.input_domain`: what the layers that an input comes to demand of its values."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.inputs.specs import InputDomain
from tracer.engine.inputs.input_domain import demand_in_graph, demand_of_code, demand_of_layer
from tracer.engine.layer.graphs import graph_built


def graph(*stack: Any, shape: tuple[int | None, ...] = (4,), dtype: str = "float32") -> Any:
    x = y = keras.Input(shape, dtype=dtype)
    for layer in stack:
        y = layer(y)
    return keras.Model(x, y)


def demand(model: Any, index: int = 0) -> InputDomain | None:
    return demand_in_graph(graph_built(model), model.inputs[index])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([layers.Dense(2)], None),
        ([layers.Embedding(9, 2)], InputDomain(kind="ids", high=9)),
        ([layers.Embedding(9, 2, mask_zero=True)], InputDomain(kind="ids", high=9, padded=True)),
        ([layers.Reshape((2, 2)), layers.Dropout(0.1), layers.Embedding(9, 2)], InputDomain(kind="ids", high=9)),
        ([layers.CategoryEncoding(7, output_mode="multi_hot")], InputDomain(kind="ids", high=7)),
        ([layers.Dense(4), layers.Embedding(9, 2)], None),  # behind weights nothing of the input's own values is left
        ([layers.Rescaling(1 / 255)], InputDomain(kind="pixels")),
        ([lambda x: x / 255.0], InputDomain(kind="pixels")),
        ([lambda x: x * (1 / 255)], InputDomain(kind="pixels")),
        ([lambda x: x / 2.0], None),
    ],
)
def test_what_comes_first_on_the_way_of_an_input_decides(stack: list[Any], expected: InputDomain | None) -> None:
    assert demand(graph(*stack)) == expected


def test_of_several_tables_the_smallest_counts_and_each_input_has_its_own() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    small, large = layers.Embedding(5, 2), layers.Embedding(50, 2, mask_zero=True)
    model = keras.Model([a, b], [small(a), large(a), large(b)])
    assert demand(model) == InputDomain(kind="ids", high=5, padded=True)
    assert demand(model, 1) == InputDomain(kind="ids", high=50, padded=True)


def test_a_model_inside_is_walked_through_to_the_input_that_it_is_given() -> None:
    x, y = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model([x, y], [layers.Dense(2)(x), layers.Embedding(9, 2)(y)])
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], inner([b, a]))
    assert demand(model) == InputDomain(kind="ids", high=9)
    assert demand(model, 1) is None


def test_a_table_of_positions_inside_a_layer_of_features_demands_no_ids() -> None:
    class Positions(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.table = layers.Embedding(5, 3)

        def call(self, x: Any) -> Any:
            return x + self.table(keras.ops.arange(5))

    assert demand(graph(Positions(), shape=(5, 3))) is None
    assert demand_of_layer(Positions()) == InputDomain(kind="ids", high=5)  # of whose input nothing else is known


def test_words_are_those_of_the_vocabulary() -> None:
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    found = demand_of_layer(lookup)
    assert found is not None and found.kind == "words" and set(found.words) >= {"a", "b"}
    assert demand_of_layer(layers.Dense(1)) is None


def test_a_normalization_says_what_it_was_adapted_to() -> None:
    layer = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    layer.build((None, 2))
    found = demand_of_layer(layer)
    assert found is not None and found.kind == "normal"
    np.testing.assert_allclose(np.ravel(found.mean), [1, 2])
    np.testing.assert_allclose(np.ravel(found.deviation), [2, 3])


def test_layers_that_only_code_of_its_own_calls_count_where_there_is_one_input() -> None:
    class Own(keras.Model):
        def __init__(self, inputs: Any, outputs: Any) -> None:
            super().__init__(inputs, outputs)
            self.table = layers.Embedding(3, 2)

        def call(self, inputs: Any) -> Any:
            return self.table(inputs)

    def code(model: Any) -> InputDomain | None:
        return demand_of_code(model, graph_built(model), model.inputs[0])  # type: ignore[arg-type]

    x, y = keras.Input((4,)), keras.Input((4,))
    assert code(Own(x, layers.Dense(2)(x))) == InputDomain(kind="ids", high=3)
    assert code(Own(x, layers.Embedding(2, 2)(x))) == InputDomain(kind="ids", high=2)
    assert code(Own([x, y], layers.Dense(2)(x + y))) is None
