"""`tracer.engine.run.recorder`: what it does where a call ended, when it is told to."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from recorded_runs import Counting, Pair, Summing, Told, X, chain, ones, play, value

from tracer.core.source import Patch, Replay
from tracer.core.transport.commands import Again, Attempt, Go


def test_it_goes_on_with_other_outputs_where_they_are_given() -> None:
    played = play(chain(ones("a"), ones("b")), X, Go((value(np.zeros((2, 3))),)))
    assert not played.calls[1].inputs[0].array.any()
    assert played.end is not None and not played.end.outputs[0].array.any()


def test_other_outputs_take_the_structure_of_the_layers_own() -> None:
    class Split(layers.Layer):
        def call(self, x: Any) -> Any:
            return {"twice": x * 2.0, "same": x}

    x = keras.Input((3,), name="x")
    both = Split(name="split")(x)
    model = keras.Model(x, layers.Subtract(name="minus")([both["twice"], both["same"]]))
    played = play(model, X, Go((value(X * 5), value(X * 7))))  # by sorted key: same, twice
    assert played.end is not None and np.array_equal(played.end.outputs[0].array, X * 2)


def test_a_layer_is_called_again_on_other_inputs_as_if_for_the_first_time() -> None:
    played = play(chain(Counting(name="c")), X, Again((value(X * 5),), {}), Again((value(X * 6),), {}))
    assert np.array_equal(played.calls[0].outputs[0].array, X + 1)
    assert [reply.outputs[0].array[0, 0] for reply in played.replies] == [6.0, 7.0]
    assert played.end is not None and np.array_equal(played.end.outputs[0].array, X + 1)


def test_what_a_replay_changes_is_put_back_before_its_answer_is_sent() -> None:
    """What it leaves depends on its inputs, so that a replay that isn't undone can't look like the call itself."""
    layer = Summing(name="s")
    model = chain(layer)
    at_answers: list[float] = []

    def look(message: Any) -> None:
        if isinstance(message, Replay):
            at_answers.append(float(ops.convert_to_numpy(layer.total)))

    played = play(model, X, *[Again((value(X * factor),), {}) for factor in (5, 7)], shown=look)
    assert [float(reply.outputs[0].array[0, 0]) for reply in played.replies] == [30.0, 42.0]
    assert at_answers == [6.0, 6.0]  # what the run itself has summed
    assert float(ops.convert_to_numpy(layer.total)) == 6.0


def test_a_replay_has_the_context_that_it_is_given() -> None:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, Told(name="told")(x, scale=2.0))
    asked = [Again((value(X),), context) for context in ({"training": "true"}, {"scale": "3.0"}, {})]
    played = play(model, X, *asked, training=False)
    assert [float(reply.outputs[0].array[0, 0]) for reply in played.replies] == [102.0, 3.0, 2.0]


def test_a_change_is_tried_for_one_call_only() -> None:
    layer = ones("a")
    model = chain(layer)
    mend = Patch(action="copy_weights", weights={"kernel": np.zeros((3, 3), "float32")})
    played = play(model, X, Attempt(mend, (value(X),), {}), Again((value(X),), {}))
    assert [float(reply.outputs[0].array[0, 0]) for reply in played.replies] == [0.0, 3.0]
    assert np.all(ops.convert_to_numpy(layer.kernel) == 1.0)


def test_layers_inside_can_be_made_to_return_what_they_are_told() -> None:
    """The own code of the layer runs; what it hands to each layer inside is in the answer."""
    inner = {"p/first": (value(X * 10),), "p/second": (value(X * 20),)}
    played = play(chain(Pair(name="p")), X, Go(), Go(), Again((value(X * 4),), {}, inner))
    (reply,) = played.replies
    assert np.array_equal(reply.outputs[0].array, X * 20)
    (given_first, _), (given_second, _) = reply.inner["p/first"], reply.inner["p/second"]
    assert np.array_equal(given_first[0].array, X * 4)
    assert np.array_equal(given_second[0].array, X * 20)  # twice what the first one was made to return


def test_inputs_that_do_not_fit_are_an_answer_and_no_failure() -> None:
    played = play(chain(ones("a")), X, Again((value(X), value(X)), {}), Again((value(np.ones((2, 5))),), {}))
    assert played.replies[0].error == "args[0] has 1 tensors on this side and 2 on the other"
    assert "ValueError" in played.replies[1].error and played.replies[1].outputs == ()
    assert played.end is not None
