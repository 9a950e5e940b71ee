"""`tracer.engine.run.graph_run`: a graph is run in an order that its wiring decides, and lets go what nobody needs."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import keras
import numpy as np
from keras import layers

from tracer.engine.run.graph_run import GraphRun, mask_nodes, node_order


def names(model: Any) -> list[str]:
    return [node.operation.name for node in node_order(model)]


def branches(*, written_backwards: bool = False) -> Any:
    """Two branches that are added; the order in which they are written doesn't follow from the wiring."""
    x = keras.Input((4,), name="x")
    if written_backwards:
        right = layers.Dense(4, name="right")(x)
        left = layers.Dense(4, name="left")(x)
    else:
        left = layers.Dense(4, name="left")(x)
        right = layers.Dense(4, name="right")(x)
    return keras.Model(x, layers.Add(name="add")([left, right]))


def test_the_order_follows_from_the_wiring_and_not_from_the_writing() -> None:
    assert names(branches()) == names(branches(written_backwards=True)) == ["left", "right", "add"]


def test_what_reaches_no_output_is_not_run() -> None:
    x = keras.Input((4,), name="x")
    layers.Dense(2, name="unused")(x)
    assert names(keras.Model(x, layers.Dense(2, name="used")(x))) == ["used"]


def run(model: Any, inputs: Any, seen: list[Any] | None = None, **hooks: Any) -> tuple[Any, GraphRun]:
    graph = GraphRun(model, "")
    calls = iter(names(model))
    outputs = graph.run(
        inputs,
        before=hooks.get("before", lambda wiring, _: seen.append(wiring) if seen is not None else None),
        after=hooks.get("after", lambda: next(calls)),
        put_in=lambda: 0,
        unseen=contextlib.nullcontext,
    )
    return outputs, graph


def test_outputs_are_keras_own_and_wiring_is_told_before_each_call() -> None:
    model, seen = branches(), list[Any]()
    inputs = keras.ops.convert_to_tensor(np.random.RandomState(0).normal(size=(2, 4)).astype("float32"))
    outputs, graph = run(model, inputs, seen)
    assert np.array_equal(np.array(outputs), np.array(model(inputs)))
    assert seen == [("<input 0>",), ("<input 0>",), ("left", "right")]
    assert graph.output_wiring() == ("add",)


def test_outputs_keep_the_structure_of_the_model() -> None:
    x = keras.Input((4,), name="x")
    model = keras.Model(x, {"b": layers.Dense(2, name="one")(x), "a": [layers.Dense(3, name="two")(x)]})
    outputs, _ = run(model, keras.ops.ones((1, 4)))
    assert outputs["b"].shape == (1, 2)
    assert outputs["a"][0].shape == (1, 3)


class Watching(layers.Layer):
    """Notes which of the tensors that it has returned are still alive."""

    def __init__(self, made: list[Any], **options: Any) -> None:
        super().__init__(**options)
        self.note = made.append  # a list would be copied: Keras tracks what lists hold

    def call(self, x: Any) -> Any:
        y = x + 1.0
        if not isinstance(y, keras.KerasTensor) and hasattr(y, "numpy"):
            self.note(weakref.ref(y))
        return y


def test_a_tensor_goes_when_its_last_user_has_run() -> None:
    made: list[Any] = []
    x = keras.Input((4,), name="x")
    y = x
    for number in range(6):
        y = Watching(made, name=f"w{number}")(y)
    model, alive = keras.Model(x, y), list[int]()

    def after() -> str:
        gc.collect()
        alive.append(sum(tensor() is not None for tensor in made))
        return "w"

    run(model, keras.ops.ones((1, 4)), after=after)
    assert len(made) == 6
    assert max(alive) <= 2  # what goes in, and what comes out


def test_operations_that_only_compute_masks_arent_the_users() -> None:
    ids = keras.Input((5,), dtype="int32", name="ids")
    y = layers.LSTM(3, name="rnn")(layers.Embedding(9, 4, mask_zero=True, name="emb")(ids))
    model = keras.Model(ids, layers.Dense(1, name="head")(y))
    order = node_order(model)
    hidden = mask_nodes(order, model.outputs)
    shown = [node.operation.name for node in order if id(node) not in hidden]
    assert shown == ["emb", "rnn", "head"]


def test_an_operation_of_the_users_isnt_taken_for_a_mask() -> None:
    ids = keras.Input((5,), dtype="int32", name="ids")
    emb = layers.Embedding(9, 4, name="emb")(ids)
    given = keras.ops.not_equal(ids, 0)
    model = keras.Model(ids, [layers.LSTM(3, name="rnn")(emb, mask=given), given])
    order = node_order(model)
    assert not mask_nodes(order, model.outputs)
