"""`tracer.engine.run.tensors`: structures of tensors are taken apart and put together again as Keras does it."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from tracer.core.source import Value
from tracer.engine import compat
from tracer.engine.run import tensors

State = namedtuple("State", ["hidden", "cell"])
A, B, C = (np.full((2,), number, "float32") for number in (1.0, 2.0, 3.0))


def live(array: Any) -> Any:
    return ops.convert_to_tensor(array)


def numbers(structure: Any) -> list[float]:
    return [float(np.asarray(leaf)[0]) for leaf in tensors.tensors(structure)]


def value(array: Any, name: str = "", **more: Any) -> Value:
    return Value(array=array, name=name, **more)


def test_leaves_come_in_the_order_of_sorted_keys() -> None:
    structure = {"b": [A, (B, None)], "a": {"z": C, "y": "text"}}
    assert list(tensors.leaves(structure)) == ["text", C, A, B, None]
    assert numbers(structure) == [3.0, 1.0, 2.0]


def test_what_is_rebuilt_keeps_its_types_and_the_order_of_its_keys() -> None:
    structure = OrderedDict([("b", [1, State(2, (3,))]), ("a", None)])
    told: list[object] = []
    rebuilt = tensors.rebuild(structure, lambda leaf: told.append(leaf) or leaf)
    assert list(rebuilt) == ["b", "a"] and rebuilt["b"] == [1, State(2, (3,))]
    assert isinstance(rebuilt["b"][1], State) and isinstance(rebuilt["b"][1].cell, tuple)
    assert told == [None, 1, 2, 3]  # as `leaves` has them


def test_keys_that_can_not_be_compared_have_an_order_too() -> None:
    structure = {"b": B, 2: A, (1, 2): C, "a": None}
    assert numbers(structure) == [1.0, 2.0, 3.0]  # int, str, tuple
    assert list(tensors.rebuild(structure, lambda leaf: leaf)) == ["b", 2, (1, 2), "a"]


def test_arguments_are_named_by_their_place_or_their_keyword() -> None:
    found = tensors.as_inputs((A, [B, C], "text"), {"mask": B, "axis": 1, "also": A})
    assert [(v.name, float(v.array[0])) for v in found] == [
        ("args[0]", 1.0), ("args[1]", 2.0), ("args[1]", 3.0), ("also", 1.0), ("mask", 2.0),
    ]  # fmt: skip


def test_a_mask_travels_with_its_tensor_and_back() -> None:
    tensor, mask = live(np.ones((1, 3), "float32")), np.array([[True, False, True]])
    compat.dialect().set_mask(tensor, live(mask))
    (taken,) = tensors.as_values(tensor)
    assert taken.mask is not None and np.array_equal(taken.mask, mask)
    again = tensors.as_tensor(value(taken.array, mask=taken.mask))
    assert np.array_equal(compat.to_numpy(compat.dialect().get_mask(again)), mask)
    assert tensors.as_values(live(A))[0].mask is None


def test_a_tensor_of_this_process_is_handed_on_without_a_copy_and_is_another_object() -> None:
    tensor = live(A)
    (taken,) = tensors.as_values(tensor)
    again = tensors.as_tensor(taken)
    assert again is not tensor
    assert compat.to_numpy(again).__array_interface__["data"] == compat.to_numpy(tensor).__array_interface__["data"]


def test_a_sparse_tensor_says_so_and_becomes_one_again() -> None:
    dense = np.array([[0.0, 2.0], [3.0, 0.0]], "float32")
    (taken,) = tensors.as_values(compat.to_tensor(dense, sparse=True))
    assert taken.sparse and np.array_equal(taken.array, dense)
    again = tensors.as_tensor(value(dense, sparse=True))
    assert compat.is_sparse(again) and np.array_equal(compat.to_numpy(again), dense)


def test_other_tensors_take_the_places_of_the_arguments() -> None:
    given = [value(C, "args[0]"), value(A, "args[2]"), value(B, "args[2]"), value(A, "mask")]
    args, kwargs = tensors.substitute((live(A), "text", [live(B), live(C)]), {"mask": live(C), "axis": 1}, given)
    assert numbers(args) == [3.0, 1.0, 2.0] and args[1] == "text"
    assert numbers(kwargs["mask"]) == [1.0] and kwargs["axis"] == 1


def test_a_keyword_that_only_the_other_side_has_is_added_and_one_that_it_lacks_is_none() -> None:
    args, kwargs = tensors.substitute((live(A),), {"mask": live(B)}, [value(C, "args[0]"), value(A, "state")])
    assert numbers(args) == [3.0]
    assert kwargs["mask"] is None and numbers(kwargs["state"]) == [1.0]
    _, several = tensors.substitute((live(A),), {}, [value(C, "args[0]"), value(A, "states"), value(B, "states")])
    assert isinstance(several["states"], list) and numbers(several["states"]) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], r"args\[0\] has 1 tensors on this side and 0 on the other"),
        ([value(A, "args[0]"), value(A, "args[0]")], r"args\[0\] has 1 tensors on this side and 2 on the other"),
        ([value(A, "args[0]"), value(A, "args[1]")], r"the layer isn't called with args\[1\] on this side"),
    ],
)
def test_positional_arguments_have_to_fit(given: list[Value], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tensors.substitute((live(A),), {}, given)


def test_a_template_is_filled_in_the_order_of_its_leaves() -> None:
    template = tensors.template_of({"b": live(A), "a": (live(B), None, 7)})
    assert tensors.tensors(template) == []
    filled = tensors.fill(template, [value(C), value(A)])
    assert numbers(filled) == [3.0, 1.0]
    assert filled["a"][1:] == (None, 7)


def test_where_the_template_does_not_fit_the_values_come_as_they_are() -> None:
    nothing = tensors.template_of(None)  # of a layer that raised
    assert numbers(tensors.fill(nothing, [value(A)])) == [1.0]
    several = tensors.fill(nothing, [value(A), value(B)])
    assert isinstance(several, list) and numbers(several) == [1.0, 2.0]


def test_placeholders_are_seen_in_any_structure() -> None:
    symbol = keras.Input((2,))
    assert tensors.any_symbolic([A, {"x": (live(A), symbol)}])
    assert not tensors.any_symbolic([A, {"x": (live(A), None, "text")}])
    assert tensors.tensors_or_symbols([A, symbol, "text"]) == [A, symbol]


def test_a_token_stands_for_numbers_that_can_not_change_unseen() -> None:
    tensor = live(A)
    assert tensors.token(tensor) == tensors.token(tensor) != tensors.token(live(A))
    assert tensors.token(A) is None  # whoever has the array may write to it
    assert tensors.token(keras.Variable(A)) is None
    assert tensors.token("text") is None
