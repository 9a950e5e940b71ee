"""Whole configurations: graphs, models in models, what wraps a layer, and what has no equivalent, by its place."""

from __future__ import annotations

import copy
from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.migration.translate import translate


def layer(class_name: str, name: str, inbound: list[Any] | None = None, **config: Any) -> dict[str, Any]:
    """A layer as Keras 2.15 writes it; in a graph where it has calls."""
    found = {"class_name": class_name, "config": {"name": name, **config}}
    return found if inbound is None else {**found, "name": name, "inbound_nodes": inbound}


def start(name: str, *shape: int) -> dict[str, Any]:
    """An input layer of a graph."""
    return layer("InputLayer", name, [], batch_input_shape=[None, *shape], dtype="float32", sparse=False, ragged=False)


def graph(name: str, layers: list[Any], outputs: list[Any], inputs: list[Any] | None = None) -> dict[str, Any]:
    """A functional model."""
    ends = {"input_layers": inputs or [[layers[0]["name"], 0, 0]], "output_layers": outputs}
    return {"class_name": "Functional", "config": {"name": name, "layers": layers, **ends}}


def dense(name: str, inbound: list[Any] | None = None, units: int = 2, **config: Any) -> dict[str, Any]:
    """A `Dense`."""
    return layer("Dense", name, inbound, units=units, **config)


def built(config: dict[str, Any], *, trust: bool = False) -> Any:
    """The model that Keras 3 makes of a configuration, which is left as it was."""
    before = copy.deepcopy(config)
    translation = translate(config, trust=trust)
    assert config == before
    assert translation.problems == ()
    return keras.saving.deserialize_keras_object(translation.config, safe_mode=not trust)


def test_a_graph_with_operations() -> None:
    multiply = layer(
        "TFOpLambda", "tf.math.multiply", [["x", 0, 0, {"y": 2.0, "name": None}]], function="math.multiply"
    )
    model = built(
        graph("m", [start("x", 3), multiply, dense("out", [[["tf.math.multiply", 0, 0, {}]]])], [["out", 0, 0]])
    )
    assert [operation.name for operation in model.operations] == ["x", "tf.math.multiply", "out"]
    assert model.output_shape == (None, 2)


def test_a_shared_layer_keeps_the_order_of_its_calls() -> None:
    calls = [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    last = layer("Subtract", "last", [[["d", 1, 0, {}], ["d", 0, 0, {}]]])
    model = built(
        graph(
            "m", [start("a", 3), start("b", 3), dense("d", calls), last], [["last", 0, 0]], [["a", 0, 0], ["b", 0, 0]]
        )
    )
    model.set_weights([np.array([[1.0, 0.0]] * 3), np.zeros(2)])
    first, second = keras.ops.ones((1, 3)), 5 * keras.ops.ones((1, 3))
    assert keras.ops.convert_to_numpy(model([first, second]))[0, 0] == 12.0  # the call on b, less the call on a


def test_a_model_called_twice_and_as_an_output() -> None:
    """Keras 2 numbers the calls of a nested model from 1, Keras 3 from 0, but from 1 where they are outputs."""
    inner = graph("inner", [start("i", 3), dense("d", [[["i", 0, 0, {}]]], units=3)], [["d", 0, 0]])
    node = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]]}
    model = built(graph("m", [start("x", 3), node], [["inner", 1, 0], ["inner", 2, 0]]))
    model.set_weights([2 * np.eye(3), np.zeros(3)])
    once, twice = model(keras.ops.ones((1, 3)))
    assert (float(once[0, 0]), float(twice[0, 0])) == (2.0, 4.0)


@pytest.mark.parametrize("first", [0, 1])
def test_a_sequential_in_a_graph(first: int) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [dense("d", batch_input_shape=[None, 3])]}}
    node = {**inner, "name": "s", "inbound_nodes": [[["x", 0, 0, {}]]]}
    model = built(graph("m", [start("x", 3), node, dense("out", [[["s", first, 0, {}]]])], [["out", 0, 0]]))
    assert model.output_shape == (None, 2)
    assert model.get_layer("s").get_layer("d").units == 2


def test_a_sequential_gets_the_input_that_its_first_layer_tells_of() -> None:
    model = built(
        {"class_name": "Sequential", "config": {"name": "s", "layers": [dense("d", batch_input_shape=[None, 3])]}}
    )
    assert model.input_shape == (None, 3)
    assert model.built


def test_layers_in_layers() -> None:
    lstm = layer("LSTM", "lstm", units=2, time_major=False, implementation=2, recurrent_activation="hard_sigmoid")
    both = layer("Bidirectional", "both", [[["x", 0, 0, {}]]], layer=lstm, merge_mode="concat")
    cells = [layer("LSTMCell", "one", units=2, implementation=2), layer("GRUCell", "two", units=3, implementation=2)]
    stacked = layer("StackedRNNCells", "cells", cells=cells)
    rnn = layer("RNN", "rnn", [[["x", 0, 0, {}]]], cell=stacked, time_major=False)
    model = built(graph("m", [start("x", 5, 3), both, rnn], [["both", 0, 0], ["rnn", 0, 0]]))
    assert model.output_shape == [(None, 4), (None, 3)]


def test_helpers_without_a_module_are_found() -> None:
    """As files before 2.13 have them."""
    settings = {"kernel_initializer": {"class_name": "HeNormal", "config": {"seed": None}}}
    settings |= {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}}}
    settings |= {"kernel_constraint": {"class_name": "NonNeg", "config": {}}}
    model = built(graph("m", [start("x", 3), dense("d", [[["x", 0, 0, {}]]], **settings)], [["d", 0, 0]]))
    found = model.get_layer("d")
    assert type(found.kernel_initializer).__name__ == "HeNormal"
    assert float(found.kernel_regularizer.l2) == 0.5
    assert type(found.kernel_constraint).__name__ == "NonNeg"


def test_a_layer_of_the_users_is_left_as_it_is() -> None:
    own = {**layer("LeakyReLU", "mine", alpha=0.5), "module": "my.layers", "registered_name": "my>LeakyReLU"}
    found = translate({"class_name": "Sequential", "config": {"name": "s", "layers": [own]}})
    assert found.config["config"]["layers"] == [own]


def test_everything_without_an_equivalent_is_named_with_its_place() -> None:
    gone = layer("LocallyConnected1D", "local", [[["i", 0, 0, {}]]], filters=2, kernel_size=3)
    inner = graph("inner", [start("i", 6, 2), gone], [["local", 0, 0]])
    node = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]]]}
    fft = layer("TFOpLambda", "tf.signal.fft", [["inner", 1, 0, {}]], function="signal.fft")
    translation = translate(graph("m", [start("x", 6, 2), node, fft], [["tf.signal.fft", 0, 0]]))
    assert [(p.place, p.class_name) for p in translation.problems] == [
        ("inner/local", "LocallyConnected1D"),
        ("tf.signal.fft", "TFOpLambda"),
    ]
    assert str(translation.problems[0]).startswith("inner/local (LocallyConnected1D): `LocallyConnected1D` is gone. ")
    assert all(problem.advice for problem in translation.problems)


def test_what_was_changed_is_counted() -> None:
    layers = [layer("LeakyReLU", "a", alpha=0.1), layer("LeakyReLU", "b", alpha=0.1)]
    found = translate({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
    assert found.applied == {"`alpha` of `LeakyReLU`": 2}


# `lambda t: t * 2`, marshalled by Python 3.11, is of no use to another Python: what is tested is where it goes.
_CODE = ["4wEAAAA=\n", None, None]


@pytest.mark.parametrize("class_name", ["Lambda"])
def test_code_is_carried_over_only_where_it_is_trusted(class_name: str) -> None:
    coded = layer(class_name, "code", function=_CODE, function_type="lambda", arguments={"k": 1}, output_shape=None)
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [coded]}}
    (problem,) = translate(config).problems
    assert (problem.place, problem.class_name) == ("code", "Lambda")
    assert "--trust" in problem.advice
    (carried,) = translate(config, trust=True).config["config"]["layers"]
    assert carried["config"]["arguments"] == {"k": 1}
    function = {"class_name": "__lambda__", "config": {"code": _CODE[0], "defaults": None, "closure": None}}
    assert carried["config"]["function"] == function


def test_a_named_function_is_refused_also_where_it_is_trusted() -> None:
    named = layer("Lambda", "code", function="twice", function_type="function", module="__main__")
    (problem,) = translate(
        {"class_name": "Sequential", "config": {"name": "s", "layers": [named]}}, trust=True
    ).problems
    assert "its function 'twice' is named" in problem.reason
