"""`tracer.engine.run.frames`: what the calls of a running layer are named."""

from __future__ import annotations

from typing import Any

import pytest
from keras import layers, ops

from tracer.engine import compat, keras3
from tracer.engine.run.frames import Frame, called_in_words, inputs_of, is_own_doing, name_call


def frame(path: str = "", raw: str = "", **known: Any) -> Frame:
    """A layer that runs, and knows these layers by name."""
    names = {id(layer): name for name, layer in known.items()}
    return Frame(layer=layers.Layer(), path=path, raw=raw, box="", names=names)


def test_calls_of_one_layer_are_counted_from_the_second_on() -> None:
    dense = layers.Dense(2)
    parent = frame(shared=dense)
    assert [name_call(parent, dense, {})[1] for _ in range(3)] == ["shared", "shared#1", "shared#2"]
    parent.forget_calls()
    assert name_call(parent, dense, {}) == ("shared", "shared")


def test_a_path_has_the_calls_of_the_layers_around_it_and_the_name_on_this_side_has_none() -> None:
    dense = layers.Dense(2)
    parent = frame("outer#1/inner", "outer/inner", d=dense)
    assert name_call(parent, dense, {}) == ("outer/inner/d", "outer#1/inner/d")
    assert name_call(parent, dense, {}) == ("outer/inner/d", "outer#1/inner/d#1")


def test_names_are_the_other_sides_and_counted_there() -> None:
    """Two layers here may be one there."""
    first, second = layers.Dense(2), layers.Dense(2)
    parent = frame("encoder", "inner", a=first, b=second)
    names = {"inner": "encoder", "inner/a": "dense", "inner/b": "dense"}
    assert name_call(parent, first, names) == ("inner/a", "encoder/dense")
    assert name_call(parent, second, names) == ("inner/b", "encoder/dense#1")


def test_layers_that_nobody_holds_are_numbered_by_their_first_call() -> None:
    made = [layers.Dense(2) for _ in range(4)]  # dense, dense_1, … of whatever the process has made before
    parent = frame()
    calls = [made[3], made[1], made[3], layers.ReLU()]
    assert [name_call(parent, layer, {})[1] for layer in calls] == ["dense", "dense_1", "dense#1", "re_lu"]


def test_a_name_that_somebody_chose_is_kept() -> None:
    parent = frame()
    for name in ("stem", "dense_block", "dense_"):
        assert name_call(parent, layers.Dense(2, name=name), {})[1] == name


def test_a_layer_that_is_made_in_a_call_keeps_its_name_to_itself_while_the_frame_lasts() -> None:
    """Its `id` isn't given to the next one that is made, which would be taken for it."""
    parent = frame()
    assert [name_call(parent, layers.Dense(2), {})[1] for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert len(parent.keep) == 3


def test_masks_that_have_no_effect_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Keras 2, whose attention leaves them on what it hands to its projections."""
    x, attention, other = ops.ones((2, 3)), frame(), frame()
    compat.dialect().set_mask(x, ops.ones((2,), dtype="bool"))
    inner = layers.Dense(2)
    assert inputs_of(attention, inner, (x,), {})[0].mask is not None
    monkeypatch.setattr(keras3, "keeps_void_masks", lambda above, layer: (above, layer) == (attention.layer, inner))
    found = inputs_of(attention, inner, (x,), {"y": x})
    assert [(value.name, value.mask, value.array.shape) for value in found] == [
        ("args[0]", None, (2, 3)),
        ("y", None, (2, 3)),
    ]
    assert inputs_of(attention, layers.Dense(2), (x,), {})[0].mask is not None
    assert inputs_of(other, inner, (x,), {})[0].mask is not None
    assert inputs_of(None, inner, (x,), {})[0].mask is not None


def test_a_model_in_a_layers_place_is_called_in_the_words_of_the_layer() -> None:
    made: list[Any] = []

    def original(model: Any, tensors: Any, **given: Any) -> str:
        made.append((model, tensors, given))
        return "returned"

    words = {"key": None, "value": None, "use_causal_mask": True}
    call, args, kwargs = called_in_words(words, original, (["q", "k", "v"],), {"training": False})
    assert (args, kwargs) == (("q",), {"training": False, "key": "k", "value": "v", "use_causal_mask": True})
    # Other tensors may have been put in.
    assert call("model", "other q", **{**kwargs, "value": "other v"}) == "returned"
    assert made == [("model", ["other q", "k", "other v"], {"training": False})]


def test_only_parts_of_the_layer_that_a_model_stands_for_are_called_by_it() -> None:
    stand_in, query, other = frame(), layers.Dense(2, name="query"), layers.Dense(2, name="seen")
    stand_in.parts = frozenset({"query"})
    assert [is_own_doing(layer, stand_in) for layer in (query, other)] == [False, True]
    assert not is_own_doing(other, frame())
