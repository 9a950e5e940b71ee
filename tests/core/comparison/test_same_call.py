"""Whether two calls are the same: by number, type, mask and bytes of their tensors, and by their other arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted import Tensor, value

from tracer.core.comparison.same_call import CallMatch, match_calls
from tracer.core.numbers.equal_tensors import EqualTensors
from tracer.core.source import Call, Value

_NUMBERS = np.array([[1.0, np.nan], [0.0, 3.0]], "float32")
_MASK = np.array([True, False])


def call(*inputs: Value, context: Mapping[str, str] | None = None) -> Call:
    named = tuple(replace(one, name=f"args[{i}]") for i, one in enumerate(inputs))
    return Call(path="a", class_name="A", box="", is_box=False, inputs=named, outputs=(), context=context or {})


def test_equal_calls_are_the_same_whatever_their_tensors_objects() -> None:
    match = match_calls(call(value(_NUMBERS, _MASK)), call(value(_NUMBERS.copy(), _MASK.copy())))
    assert match == CallMatch() and match.same


@pytest.mark.parametrize(
    "other",
    [
        value(_NUMBERS + 1),
        value(np.where(_NUMBERS == 0, np.float32(-0.0), _NUMBERS)),
        value(_NUMBERS.astype("float64")),
        value(_NUMBERS.reshape(4)),
        value(_NUMBERS, _MASK),
        value(_NUMBERS, sparse=True),
    ],
    ids=["numbers", "sign of zero", "dtype", "shape", "mask", "sparse"],
)
def test_whatever_is_other_about_a_tensor_makes_it_another_input(other: Value) -> None:
    match = match_calls(call(value(_NUMBERS), value(_NUMBERS)), call(value(_NUMBERS), other))
    assert match.other_inputs == ("args[1]",) and not match.same


def test_masks_differ_by_their_values_too() -> None:
    assert not match_calls(call(value(_NUMBERS, _MASK)), call(value(_NUMBERS, ~_MASK))).same


def test_an_argument_that_only_one_side_has_is_another_input() -> None:
    assert match_calls(call(value(_NUMBERS)), call(value(_NUMBERS), value(_NUMBERS))).other_inputs == ("args[1]",)


@pytest.mark.parametrize(
    ("here", "there", "named"),
    [
        ({"training": "true"}, {}, ("training",)),
        ({"axis": "1", "b": "2"}, {"axis": "2", "c": "2"}, ("axis", "b", "c")),
        ({"axis": "1"}, {"axis": "1"}, ()),
    ],
)
def test_other_arguments_are_named(here: Any, there: Any, named: tuple[str, ...]) -> None:
    match = match_calls(call(context=here), call(context=there))
    assert match.other_context == named and match.same is not bool(named)


def test_known_twins_are_not_read_again_but_their_masks_are() -> None:
    a, b, twins = value(_NUMBERS), value(_NUMBERS + 1), EqualTensors()
    assert isinstance(a.native, Tensor)
    twins.add(a, b)
    assert match_calls(call(a), call(b), twins).same  # taken for equal: nobody has looked
    assert not match_calls(call(replace(a, mask=_MASK)), call(b), twins).same
