"""`tracer.engine.run.call_context`: what a layer is called with besides tensors travels as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from tracer.engine.run.call_context import context_of, flag, with_context

T = ops.convert_to_tensor(np.ones(2, "float32"))


@pytest.mark.parametrize(("training", "text"), [(None, ""), (False, ""), (0, ""), (True, "true"), (1, "true")])
def test_false_none_and_absent_are_one(training: Any, text: str) -> None:
    assert flag(training) == text
    assert context_of((), {"training": training}, training) == ({"training": "true"} if text else {})


def test_arguments_are_told_by_place_and_by_name_and_tensors_are_not() -> None:
    told = context_of((T, 2, None), {"axis": [1, 2], "mask": T, "masks": [None, T], "mode": "sum", "none": None}, None)
    assert told == {"args[1]": "2", "axis": "[1, 2]", "mode": '"sum"'}


def test_what_json_does_not_know_is_told_by_value_or_by_type_never_by_address() -> None:
    told = context_of((), {"rate": np.float32(0.5), "odd": object(), "table": {1: object(), (2, 3): 4}}, None)
    assert told == {"rate": "0.5", "odd": '"object"', "table": '{"1": "object"}'}


def test_arguments_of_another_context_take_their_places() -> None:
    kwargs = {"axis": 1, "mask": T, "scale": 2.0, "training": True}
    _, changed = with_context((T,), kwargs, {"axis": "-1", "mask": "5", "other": "7"})
    assert changed["axis"] == -1 and changed["scale"] == 2.0
    assert changed["mask"] is T  # a tensor isn't replaced by text
    assert changed["training"] is False
    assert "other" not in changed
    assert kwargs["axis"] == 1  # those of the call itself stay


def test_training_is_set_where_the_call_had_it_and_nowhere_else() -> None:
    assert with_context((), {"training": None}, {"training": "true"})[1] == {"training": True}
    assert with_context((), {}, {"training": "true"})[1] == {}


def test_text_that_says_nothing_changes_nothing() -> None:
    assert with_context((), {"axis": 1}, {"axis": "<nonsense>"})[1] == {"axis": 1}
