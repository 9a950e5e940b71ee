"""`tracer.engine.run.recorder`: what it hands over at each call, and what becomes of a call that fails."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from recorded_runs import Pair, Raising, Told, X, chain, ones, play, raising, value

from tracer.core.transport.commands import Abandon, Abandoned, Go
from tracer.errors import ModelError

# --- what is handed over


def test_a_call_says_what_went_in_and_what_came_out() -> None:
    played = play(chain(ones("a"), ones("b", 1)), X)
    first, second = played.calls
    assert (first.path, first.class_name, first.box, first.is_box) == ("a", "Dense", "", False)
    assert np.array_equal(first.inputs[0].array, X) and first.inputs[0].name == "args[0]"
    assert np.array_equal(first.outputs[0].array, X * 3) and np.array_equal(second.inputs[0].array, X * 3)
    assert (first.wiring, second.wiring) == (("<input 0>",), ("a",))
    assert first.compute_dtype == "float32" and first.error == ""
    assert played.end is not None and played.end.wiring == ("b",)
    assert np.array_equal(played.end.outputs[0].array, np.full((2, 1), 9.0))


def test_paths_are_in_the_other_sides_names() -> None:
    played = play(chain(ones("a"), Pair(name="p")), X, names={"a": "dense", "p": "pair", "p/second": "last"})
    assert played.paths == ["dense", "pair/first", "pair/last", "pair"]


def test_a_layer_with_layers_inside_comes_after_them_and_is_a_box() -> None:
    calls = {call.path: call for call in play(chain(Pair(name="p")), X).calls}
    assert list(calls) == ["p/first", "p/second", "p"]
    assert [(call.box, call.is_box) for call in calls.values()] == [("p", False), ("p", False), ("", True)]
    assert calls["p/first"].wiring is None  # it is called by code, not by a graph


def test_a_model_inside_has_no_call_of_its_own_and_is_no_box() -> None:
    inner = keras.Sequential([keras.Input((3,)), ones("d")], name="inner")
    (call,) = play(chain(inner), X).calls
    assert (call.path, call.box) == ("inner/d", "")


def test_the_steps_of_an_rnn_are_no_call_sites() -> None:
    rnn = layers.RNN(layers.SimpleRNNCell(2, name="cell"), name="rnn")
    assert play(chain(rnn, shape=(4, 3)), np.ones((1, 4, 3), "float32")).paths == ["rnn"]


def test_operations_are_calls_in_a_graph_and_a_layers_own_arithmetic_elsewhere() -> None:
    played = play(chain(lambda x: ops.multiply(x, 2.0), Pair(name="p")), X)
    assert played.paths == ["multiply", "p/first", "p/second", "p"]


def test_training_is_told_where_it_is_true_and_other_arguments_as_text() -> None:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, Told(name="told")(x, scale=2.0))
    for training, context in ((None, {}), (False, {}), (True, {"training": "true"})):
        (call,) = play(model, X, training=training).calls
        assert call.context == {"scale": "2.0", **context}
        assert call.training_after == ("true" if training else "")


def test_arguments_may_be_tables_of_any_kind() -> None:
    class Looks(layers.Layer):
        def call(self, x: Any, table: Any = None) -> Any:
            return x * table["by name"] + table[1]

    class Calls(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.looks = Looks(name="looks")

        def call(self, x: Any) -> Any:
            return self.looks(x, table={"by name": x * 3.0, 1: x})

    played = play(chain(Calls(name="calls")), X)
    assert played.raised is None and played.paths == ["calls/looks", "calls"]
    assert [value.array[0, 0] for value in played.calls[0].inputs] == [1.0, 1.0, 3.0]
    assert played.end is not None and np.array_equal(played.end.outputs[0].array, X * 4)


def test_what_the_backend_traces_is_said_to_be_opaque() -> None:
    tf = pytest.importorskip("tensorflow")

    class Traced(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = ones("inner")

        def call(self, x: Any) -> Any:
            return tf.function(self.inner)(x) if tf.is_tensor(x) else self.inner(x)

    played = play(chain(Traced(name="traced")), X)
    assert played.paths == ["traced"]
    assert played.end is not None and list(played.end.opaque) == ["traced"]
    assert "traced by the backend" in played.end.opaque["traced"]


# --- failures


def test_what_a_layer_raises_is_in_its_call_and_is_raised_when_the_run_goes_on() -> None:
    played = play(raising(RuntimeError("on fire")), X)
    assert [(call.path, call.error) for call in played.calls] == [("a", ""), ("q", "RuntimeError: on fire")]
    assert played.calls[1].outputs == ()
    assert isinstance(played.raised, RuntimeError)
    assert played.recorder.place_of(played.raised) == "q"


def test_a_layer_that_raised_may_be_given_outputs_and_the_run_goes_on() -> None:
    played = play(raising(RuntimeError("on fire")), X, Go(), Go((value(X),)))
    assert played.paths == ["a", "q", "b"] and played.raised is None
    assert played.end is not None and np.array_equal(played.end.outputs[0].array, X * 3)


def test_a_failure_inside_a_layer_is_placed_at_the_innermost_call() -> None:
    class Holds(layers.Layer):
        def __init__(self, inner: Any, **options: Any) -> None:
            super().__init__(**options)
            self.inner = inner

        def call(self, x: Any) -> Any:
            return self.inner(x)

    inner = Raising(name="inner")
    model = chain(Holds(inner, name="outer"))
    inner.raises = RuntimeError("deep down")
    played = play(model, X)
    assert played.paths == ["outer/inner", "outer"]
    assert played.raised is not None and played.recorder.place_of(played.raised) == "outer/inner"


def test_an_abandoned_run_is_unwound() -> None:
    played = play(chain(ones("a"), ones("b")), X, Abandon())
    assert isinstance(played.raised, Abandoned) and played.paths == ["a"]


def test_a_layer_that_swallows_everything_is_unwound_at_its_next_calls_and_in_the_end_let_go() -> None:
    class Stubborn(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner, self.swallowed = ones("inner"), 0

        def call(self, x: Any) -> Any:
            while True:
                try:
                    return self.inner(x)
                except BaseException:
                    self.swallowed += 1

    layer = Stubborn(name="stubborn")
    model = chain(layer)
    played = play(model, X, Abandon())
    assert played.paths == ["stubborn/inner"]
    assert 30 <= layer.swallowed <= 40  # then it came to its end, unobserved
    assert played.raised is None


def test_layers_that_are_made_anew_at_every_run_are_refused() -> None:
    class Forgetful(keras.Model):
        def call(self, x: Any) -> Any:
            return layers.Dense(2, name="gone")(x)

    played = play(Forgetful(name="forgetful"), X)
    assert isinstance(played.raised, ModelError)
    assert str(played.raised).startswith("gone: made anew, with new weights, at every run of the model")


def test_a_layer_that_gets_its_weights_in_a_run_and_is_kept_is_fine() -> None:
    class Late(keras.Model):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = layers.Dense(2, name="kept")

        def call(self, x: Any) -> Any:
            return self.inner(x)

    model = Late(name="late")
    assert not model.inner.built
    played = play(model, X)
    assert played.raised is None and played.end is not None
    assert model.inner.built and played.end.outputs[0].array.shape == (2, 2)
