"""A live model as a source: order, paths, memory of state, replays, hooks that go away."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.source import Call, End
from tracer.engine.run.live import LiveSource
from tracer.errors import ModelError


def run(model: Any, inputs: Any, training: bool = False) -> tuple[list[Call], End]:
    """All calls of one run, and its end."""
    source = LiveSource(model, "model")
    source.begin(inputs, training=training)
    calls = []
    while isinstance(message := source.receive(), Call):
        calls.append(message)
        source.proceed()
    source.close()
    return calls, message


def nested() -> Any:
    inner_input = keras.Input((4,), name="x")
    inner = keras.Model(inner_input, layers.Dense(4, name="dense")(inner_input), name="encoder")
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    joined = layers.Add(name="add")([shared(inner(a)), shared(inner(b))])
    return keras.Model([a, b], joined * 2.0, name="siamese")


PAIR = [np.ones((2, 4), "float32"), np.full((2, 4), 3.0, "float32")]


def test_paths_name_nested_layers_and_calls() -> None:
    calls, _ = run(nested(), PAIR)
    paths = [call.path for call in calls]
    assert paths[:5] == ["encoder/dense", "shared", "encoder#1/dense", "shared#1", "add"]
    assert paths[5].startswith("multiply")


def test_wiring_says_where_inputs_come_from() -> None:
    calls, end = run(nested(), PAIR)
    by_path = {call.path: call for call in calls}
    assert by_path["add"].wiring == ("shared", "shared#1")
    assert by_path["shared#1"].wiring == ("encoder#1",)
    assert end.wiring == (calls[-1].path,)


def test_outputs_are_the_models() -> None:
    model = nested()
    _, end = run(model, PAIR)
    np.testing.assert_array_equal(end.outputs[0].array, np.asarray(model(PAIR)))


def test_activations_are_dropped_after_their_last_use() -> None:
    x = inputs = keras.Input((1024,))
    for _ in range(12):
        x = layers.Dense(1024, use_bias=False)(x)
    source = LiveSource(keras.Model(inputs, x), "deep")
    source.begin(np.ones((64, 1024), "float32"), training=False)
    alive, first = [], None
    while isinstance(message := source.receive(), Call):
        tensor = message.outputs[0].native
        first = first or tensor.ref() if hasattr(tensor, "ref") else None
        del tensor, message
        gc.collect()
        alive.append(sum(type(o).__name__ == "EagerTensor" and o.shape == (64, 1024) for o in gc.get_objects()))
        source.proceed()
    source.close()
    assert max(alive) <= 4  # not one more with every layer


def test_replay_calls_the_same_layer_on_other_inputs() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(3, kernel_initializer="identity", name="same")(inputs))
    source = LiveSource(model, "model")
    source.begin(np.ones((1, 3), "float32"), training=False)
    call = source.receive()
    assert isinstance(call, Call)
    other = call.inputs[0].array * 5
    replay = source.replay([replace(call.inputs[0], array=other, native=None)], call.context)
    source.close()
    np.testing.assert_array_equal(replay.outputs[0].array, other)


def test_every_variable_is_as_before() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)], name="trained"
    )
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    run(model, np.random.default_rng(0).normal(size=(8, 4)).astype("float32"), training=True)
    after = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert len(before) >= 7
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_keras_is_left_unpatched() -> None:
    before = keras.layers.Layer.__dict__["__call__"]
    source = LiveSource(nested(), "model")
    source.begin(PAIR, training=False)
    source.receive()
    assert keras.layers.Layer.__dict__["__call__"] is not before
    source.close()
    assert keras.layers.Layer.__dict__["__call__"] is before
    assert not [t for t in threading.enumerate() if t.name.startswith("tracer")]


class Failing(layers.Layer):
    broken = False

    def call(self, x: Any) -> Any:
        if self.broken:
            raise RuntimeError("the disk is on fire")
        return x


def test_a_failing_layer_is_named_and_leaves_nothing() -> None:
    before = keras.layers.Layer.__dict__["__call__"]
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Failing()(inputs), name="model")
    model.layers[-1].broken = True
    source = LiveSource(model, "mine")
    source.begin(np.ones((1, 3), "float32"), training=False)
    call = source.receive()
    assert isinstance(call, Call)
    assert "the disk is on fire" in call.error
    source.proceed()
    with pytest.raises(ModelError, match="mine: the model failed: RuntimeError: the disk is on fire"):
        source.receive()
    assert keras.layers.Layer.__dict__["__call__"] is before


def test_composite_layers_are_followed_inside() -> None:
    inputs = keras.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4, name="mha")(inputs, inputs)
    y = layers.Bidirectional(layers.LSTM(3), name="both")(y)
    calls, _ = run(keras.Model(inputs, y), np.ones((2, 5, 8), "float32"))
    paths = [call.path for call in calls]
    assert {"mha/query", "mha/key", "mha/value", "mha/attention_output", "mha"} <= set(paths)
    assert paths[-3:] == ["both/forward_lstm", "both/backward_lstm", "both"]
    assert {c.path: c.box for c in calls}["mha/query"] == "mha"


# --- stopping at some call sites alone


def test_a_run_stops_only_where_it_is_told_to_and_ends_as_ever() -> None:
    model = nested()
    _, whole = run(model, PAIR)
    source = LiveSource(model, "model")
    source.begin(PAIR, training=False, stops=["shared#1", "encoder/dense", "unheard of"])
    paths = []
    while isinstance(message := source.receive(), Call):
        paths.append(message.path)
        source.proceed()
    assert paths == ["encoder/dense", "shared#1"]
    assert [value.array.tolist() for value in message.outputs] == [value.array.tolist() for value in whole.outputs]
    assert message.wiring == whole.wiring
    source.close()


def test_outputs_put_in_at_the_only_stop_are_gone_on_with() -> None:
    model = nested()
    source = LiveSource(model, "model")
    source.begin(PAIR, training=False, stops=["shared"])
    call = source.receive()
    assert isinstance(call, Call)
    zeros = replace(call.outputs[0], array=np.zeros_like(call.outputs[0].array), native=None)
    source.proceed([zeros])
    end = source.receive()
    assert isinstance(end, End)
    source.close()
    calls, _ = run(model, PAIR)
    doubled = {call.path: call for call in calls}["shared#1"].outputs[0].array * 2.0  # all that is left of the sum
    np.testing.assert_array_equal(end.outputs[0].array, doubled)


def test_where_it_does_not_stop_a_failure_still_names_its_layer() -> None:
    def fails(x: Any) -> Any:
        raise ValueError("no good")

    inputs = keras.Input((3,), name="x")
    outputs = layers.Lambda(fails, output_shape=(3,), name="bad")(layers.Dense(3, name="good")(inputs))
    source = LiveSource(keras.Model(inputs, outputs), "model")
    source.begin(np.ones((1, 3), "float32"), training=False, stops=["good"])
    assert isinstance(source.receive(), Call)
    source.proceed()
    with pytest.raises(ModelError, match=r"no good.*raised in bad"):
        source.receive()
    source.close()


def test_a_run_that_stops_nowhere_is_given_up_at_its_next_call() -> None:
    ran: list[int] = []

    def slow(x: Any) -> Any:
        ran.append(len(ran))
        time.sleep(0.05)
        return x

    x = keras.Input((3,), name="x")
    y = x
    for number in range(100):
        y = layers.Lambda(slow, output_shape=(3,), name=f"slow_{number}")(y)
    source = LiveSource(keras.Model(x, y), "model")
    ran.clear()
    source.begin(np.ones((1, 3), "float32"), training=False, stops=[])
    source.rest()
    assert len(ran) < 50


def test_where_the_outputs_of_graphs_inside_come_from_is_told_at_the_end() -> None:
    _, end = run(nested(), PAIR)
    assert end.graphs == {
        "encoder": (("<input 0>",), ("encoder/dense",)),
        "encoder#1": (("<input 1>",), ("encoder#1/dense",)),
    }


# --- what a layer is, while a run stands


def test_facts_of_a_standing_run_are_those_before_it_and_the_run_keeps_what_it_has_changed() -> None:
    x = keras.Input((3,), name="x")
    norms = [layers.BatchNormalization(name=name) for name in ("one", "two")]
    source = LiveSource(keras.Model(x, norms[1](norms[0](x))), "model")
    source.begin(np.arange(6, dtype="float32").reshape(2, 3), training=True)
    source.receive()
    source.proceed()
    source.receive()  # both have moved their statistics
    moved = [keras.ops.convert_to_numpy(norm.moving_variance) for norm in norms]
    assert all((array != 1).any() for array in moved)
    told = source.facts("one")
    assert told is not None
    np.testing.assert_array_equal(told.weights["moving_variance"], np.ones(3))
    for norm, array in zip(norms, moved, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(norm.moving_variance), array)
    source.close()
    assert all((keras.ops.convert_to_numpy(norm.moving_variance) == 1).all() for norm in norms)


def test_of_an_operation_and_of_what_isnt_there_there_is_little_to_say() -> None:
    source = LiveSource(nested(), "model")
    source.begin(PAIR, training=False)
    source.receive()
    assert source.facts("nowhere") is None
    told = source.facts(next(child.name for child in source.outline.children if child.class_name == "Multiply"))
    assert told is not None and not told.weights
    source.close()
