"""Where a layer stands in a graph, as the generation of Keras at hand shows the graph."""

from __future__ import annotations

import types

import keras
import pytest
from keras import layers

from tracer.engine import keras3
from tracer.engine.layer.naming import Tree
from tracer.engine.layer.places import outline_of


def test_a_graph_is_read_through_the_view_that_its_generation_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs of Keras 2 have none of these attributes themselves."""
    x = keras.Input((3,), name="x")
    model = keras.Model(x, layers.Dense(2, name="b")(layers.Dense(4, name="a")(x)))
    expected = outline_of(Tree(model))
    a, b = expected.children
    assert (a.sources, a.takers) == (("<input 0>",), ("b:0",))
    assert (b.sources, b.takers) == (("a:0",), ("<output 0>",))
    view = types.SimpleNamespace(_nodes_by_depth={}, inputs=model.inputs, outputs=model.outputs)
    monkeypatch.setattr(keras3, "graph_of", lambda _: view)
    a, b = outline_of(Tree(model)).children
    assert (a.sources, a.takers, b.sources, b.takers) == ((), (), (), ("<output 0>",))
