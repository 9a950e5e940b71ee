"""`tracer.engine.layer.graphs`: is it a graph, and does a call run it?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.migration.masks.attention import PARTS, Attended, attention_model
from tracer.core.migration.masks.stand_ins import joined_model
from tracer.engine.inputs.signature import signature
from tracer.engine.layer import graphs
from tracer.engine.layer.holdings import own_variables, traits
from tracer.engine.layer.identity import identities
from tracer.engine.layer.naming import Tree
from tracer.engine.layer.places import outline_of
from tracer.engine.model.footprint import footprint
from tracer.engine.model.save_formats import lacking
from tracer.engine.model.seeded import seed_weights


class Own(keras.Model):
    """A functional model that doubles what its graph returns."""

    def call(self, inputs: Any) -> Any:
        return 2.0 * super().call(inputs)


class Derived(keras.Model):
    """A functional model that runs its graph."""


class Row(keras.Sequential):
    """A sequential model that runs its layers backwards, times a setting."""

    def __init__(self, parts: Any, scale: float = 1.0, **options: Any) -> None:
        super().__init__(parts, **options)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        for layer in reversed(self.layers):
            inputs = layer(inputs)
        return self.scale * inputs


def functional(kind: type = keras.Model, **options: Any) -> Any:
    x = keras.Input((4,), name="x")
    return kind(x, layers.Dense(4, name="b")(layers.Dense(4, name="a")(x)), **options)


def row(kind: type = keras.Sequential, **options: Any) -> Any:
    return kind([keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4, name="b")], **options)


@pytest.mark.parametrize(
    ("make", "built", "run", "alone"),
    [
        (functional, True, True, True),
        (lambda: functional(Derived), True, True, True),
        (lambda: functional(Own), True, False, False),
        (row, True, True, True),
        (lambda: row(Row), True, False, False),
        (lambda: keras.Sequential([layers.Dense(2)]), False, False, True),
        (lambda: layers.Dense(2), False, False, False),
        (keras.Model, False, False, False),
    ],
    ids=["functional", "derived", "own call", "sequential", "own call in a row", "unbuilt", "layer", "subclassed"],
)
def test_what_a_model_was_built_of_and_what_its_call_runs(make: Any, built: bool, run: bool, alone: bool) -> None:
    model = make()
    assert (graphs.graph_built(model) is not None) == built
    assert (graphs.graph_run(model) is not None, graphs.functional_of(model) is not None) == (run, run)
    assert graphs.is_graph(model) == alone


def test_what_a_migration_put_in_a_layers_place_is_that_layer_alone() -> None:
    calls = [{"args": [[tensor("a"), tensor("b")]], "kwargs": {}}]
    add = {"module": "keras.layers", "class_name": "Add", "config": {"name": "add"}, "registered_name": None}
    stand_in = keras.Model.from_config(joined_model({**add, "name": "add", "inbound_nodes": calls})["config"])
    x = keras.Input((3, 2))
    model = keras.Model(x, stand_in([x, x]))
    assert graphs.stands_for_layer(stand_in)
    assert graphs.functional_of(stand_in) is None and not graphs.is_graph(stand_in)
    assert graphs.graph_run(stand_in) is not None
    assert Tree(model).children(stand_in) == {}
    ordinary = keras.Model(x, keras.layers.Dense(2, name="with_mask")(x), name="with_mask")
    assert not graphs.stands_for_layer(ordinary)
    assert graphs.functional_of(ordinary) is ordinary


def attention(*masked: tuple[bool, ...], **given: Any) -> Any:
    """What stands for a `MultiHeadAttention` that is called so."""
    config = {"name": "mha", "num_heads": 1, "key_dim": 2, "dropout": 0.1, "use_bias": True}
    call = {"args": [tensor("q")], "kwargs": {"value": tensor("v"), **given}}
    layer = {"config": config, "name": "mha", "inbound_nodes": [call] * len(masked)}
    made = attention_model(layer, Attended(channels=(3, 3, 3), masked=masked))
    return keras.Model.from_config(made["config"])


def test_what_stands_for_attention_has_the_parts_of_attention() -> None:
    stand_in = attention((True, True))
    assert graphs.stands_for_layer(stand_in) and graphs.stands_for_attention(stand_in)
    assert graphs.functional_of(stand_in) is None
    assert Tree(stand_in).children(stand_in).keys() == PARTS == graphs.called_parts(stand_in)
    assert graphs.words_of(stand_in) == {"value": None}
    softmax = stand_in.get_layer("softmax")
    assert graphs.stands_for_layer(softmax) and not graphs.stands_for_attention(softmax)
    assert graphs.words_of(softmax) == {"mask": None} and graphs.called_parts(softmax) is None
    outline = outline_of(Tree(stand_in))
    assert (outline.class_name, outline.base) == ("MultiHeadAttention", "multi_head_attention")
    assert ("Softmax", "softmax") in {(child.class_name, child.base) for child in outline.children}
    x = keras.Input((3, 3))
    other = keras.Model([x, x], stand_in([x, x]), name="mha")
    assert not graphs.stands_for_layer(other) and graphs.words_of(other) == {}


def test_what_stands_for_attention_says_how_it_is_called() -> None:
    causal = attention((True, True, False), key=tensor("k"), use_causal_mask=True)
    assert graphs.words_of(causal) == {"key": None, "value": None, "use_causal_mask": True}
    assert graphs.called_parts(attention((True, True), (False, False))) == PARTS - {"softmax", "dropout"}


def tensor(name: str) -> dict[str, object]:
    """What a call in a configuration is given."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "keras_history": [name, 0, 0]}}


def test_nobody_else_answers_the_question() -> None:
    """By a class, by an attribute of Keras, or by the graph itself: that is how five answers came about."""
    folder = Path(tracer.__file__).parent / "engine"
    asks = re.compile(r"dialect\(\)\.graph_of|hasattr\([^)]*\"_(functional|nodes\w*|is_graph_network)\"")
    found = {str(path.relative_to(folder)) for path in folder.glob("**/*.py") if asks.search(path.read_text())}
    assert found == {"layer/graphs.py", "keras3.py"}


# --- a graph that isn't run, for everybody who asks


def test_its_memory_is_not_foreseen() -> None:
    assert footprint(functional(), 2) is not None
    assert footprint(functional(Own), 2) is None
    x = keras.Input((4,))
    around, plain = (footprint(keras.Model(x, inner(x)), 2) for inner in (functional(Own), functional()))
    assert plain is not None and plain.complete
    assert around is not None and not around.complete


def test_it_is_saved_as_a_graph_all_the_same() -> None:
    for model in (functional(Own), row(Row), keras.Sequential([layers.Dense(2)])):
        assert "h5" not in lacking(model)

    class Subclassed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    assert "h5" in lacking(Subclassed())


def test_what_else_it_was_made_with_is_a_setting() -> None:
    class Scaled(Own):
        def __init__(self, inputs: Any, outputs: Any, scale: float = 1.0, num_layers: int = 2, **options: Any) -> None:
            super().__init__(inputs, outputs, **options)
            self.scale, self.num_layers = scale, num_layers

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "scale": self.scale, "num_layers": self.num_layers}

    def settings(kind: type, **options: Any) -> Any:
        x = keras.Input((4,))
        return identities(Tree(keras.Model(x, functional(kind, name="inner", **options)(x))), {}).get("inner")

    assert settings(Scaled, scale=3.0).settings == {"scale": 3.0, "num_layers": 2}
    assert settings(Own) is None and settings(keras.Model) is None


def test_the_setting_of_a_row_that_runs_code_of_its_own_is_told() -> None:
    def told(model: Any) -> str:
        return traits(model, own_variables(model))

    assert told(row(Row, scale=1.0)) != told(row(Row, scale=2.0))
    assert told(row(name="one")) == told(row(name="two"))


def test_a_row_that_is_not_run_as_one_has_no_neighbours() -> None:
    in_order, own = (outline_of(Tree(row(kind))).children for kind in (keras.Sequential, Row))
    assert [(child.sources, child.takers) for child in in_order] == [
        (("<input 0>",), ("b:0",)),
        (("a:0",), ("<output 0>",)),
    ]
    assert [(child.sources, child.takers) for child in own] == [(("<layers[0]>",), ()), (("<layers[1]>",), ())]


def test_its_inputs_are_those_that_keras_lets_through_and_its_layers_say_what_they_may_be() -> None:
    class Looks(keras.Model):
        """Scales pixels in its graph; what runs is a table that the graph doesn't know."""

        def __init__(self, inputs: Any, outputs: Any) -> None:
            super().__init__(inputs, outputs)
            self.table = layers.Embedding(7, 3)

        def call(self, inputs: Any) -> Any:
            return self.table(inputs)

    x = keras.Input((4,), name="pixels")
    spec, hinted = (signature(kind(x, layers.Rescaling(1 / 255)(x))) for kind in (Looks, Own))
    assert (spec.name, spec.shape, spec.demand.kind, spec.demand.high) == ("pixels", (None, 4), "ids", 7)
    assert hinted.demand.kind == "pixels"  # its code runs the graph, as most such code does


def test_a_seed_gives_the_same_weights_whatever_its_call_does() -> None:
    plain, own = (seed_weights(functional(kind, name="m"), 3) for kind in (keras.Model, Own))
    assert all(map(np.array_equal, plain.get_weights(), own.get_weights()))
