"""`tracer.core.layer.differences`: configuration, policy, state and weights of two layers, key by key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from makers import facts

from tracer.core.layer.differences import (
    ABSENT,
    Siblings,
    config_differences,
    config_pairs,
    nobody,
    paired_weights,
    policy_differences,
    short,
    state_differences,
    weight_differences,
)
from tracer.core.layer.settings import alike

_NAN = float("nan")


def glorot(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    limit = np.sqrt(6 / (rows + columns))
    return np.random.RandomState(seed).uniform(-limit, limit, (rows, columns)).astype("float32")


# --- configuration


def _policy(name: str, class_name: str = "DTypePolicy", **more: str) -> dict[str, Any]:
    return {"module": "keras", "class_name": class_name, "config": {"name": name, **more}}


@pytest.mark.parametrize(
    ("here", "there", "paths"),
    [
        ({"units": 4}, {"units": 4}, []),
        ({"units": 4}, {"units": 5}, ["units"]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c"]),
        ({"axes": [1, 2, 3]}, {"axes": [1, 5, 6]}, ["axes[1]", "axes[2]"]),
        ({"axes": [1, 2]}, {"axes": [1]}, ["axes"]),  # another length: the list as a whole
        ({"cells": [{"units": 4}]}, {"cells": [{"units": 5}]}, ["cells[0].units"]),
        ({"b": 1, "a": 1}, {"c": 1, "a": 2}, ["a", "b", "c"]),
        ({"rate": None}, {}, ["rate"]),  # written as nothing isn't the same as not written
        ({"name": "a", "registered_name": "x"}, {"name": "b", "registered_name": "y"}, []),
        ({"layer": {"config": {"name": "a", "units": 1}}}, {"layer": {"config": {"name": "b", "units": 1}}}, []),
        ({"layers": [1], "vocabulary_size": 3}, {"layers": [2], "vocabulary_size": 4}, []),  # compared elsewhere
        ({"dtype": "float32", "dtype_policy": 1, "autocast": True}, {"dtype": "float16"}, []),  # left to the policy
        ({"layer": {"config": {"dtype": "a"}}}, {"layer": {"config": {"dtype": "b"}}}, ["layer.config.dtype"]),
        # A release writes a policy's name, the next one an object with that name: of layers inside, too.
        ({"cell": {"dtype": _policy("a")}}, {"cell": {"dtype": _policy("b")}}, []),  # left to the policy of the wrapper
        ({"cell": {"config": {"dtype": "a"}}}, {"cell": {"config": {"dtype": _policy("a")}}}, []),
        ({"cell": {"config": {"dtype": _policy("a")}}}, {"cell": {"config": {"dtype": _policy("a", "Policy")}}}, []),
        ({"cell": {"config": {"dtype": "a"}}}, {"cell": {"config": {"dtype": _policy("b")}}}, ["cell.config.dtype"]),
        ({"cell": {"dtype": "a"}}, {"cell": {"dtype": _policy("a", mode="int8")}}, ["cell.dtype"]),
        ({"cell": {"units": "a"}}, {"cell": {"units": _policy("a")}}, ["cell.units"]),  # that is no policy
    ],
)
def test_a_key_is_told_by_its_path(here: Any, there: Any, paths: list[str]) -> None:
    found = config_differences(facts(config=here), facts(config=there))
    assert [(e.kind, e.name) for e in found] == [("config", path) for path in paths]


def test_a_key_that_one_side_lacks_is_absent_there() -> None:
    [found] = config_differences(facts(config={}), facts(config={"rate": None}))
    assert (found.reference, found.candidate) == ("absent", "None")


plain = st.recursive(
    st.integers(0, 3) | st.sampled_from(["relu", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
configs = st.dictionaries(st.sampled_from("abcd"), plain, max_size=4)


@given(configs, configs)
def test_the_same_keys_differ_from_either_side(here: Any, there: Any) -> None:
    forth, back = list(config_pairs(here, there)), list(config_pairs(there, here))
    assert [(path, b, a) for path, a, b in forth] == back
    assert bool(forth) is (here != there)
    assert all(a != b for _, a, b in forth)


# --- policy and state


def test_a_policy_is_told_with_both_values_in_order() -> None:
    found = policy_differences(facts(policy={"b": "1", "a": "1"}), facts(policy={"a": "2", "c": "1"}))
    assert [(e.name, e.reference, e.candidate) for e in found] == [
        ("a", "1", "2"), ("b", "1", "absent"), ("c", "absent", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (np.float32([1, _NAN]), np.float32([1, _NAN])),
        (_NAN, _NAN),
        ([1, (2, {"a": _NAN})], [1, (2, {"a": _NAN})]),
        ((1, 2), [1, 2]),
    ],
)
def test_equal_state_is_no_difference(here: Any, there: Any) -> None:
    assert not state_differences(facts(state={"s": here}), facts(state={"s": there}), set())


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (np.float32([1, 2]), np.float32([1, 3])),
        (np.float32([0.0]), np.float32([-0.0])),
        (np.float32([1]), [1.0]),
        (1, 1.0),
        (True, 1),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        ({"a": [1, 2]}, {"a": [1, 3]}),
        ({"a": 1}, [("a", 1)]),
        (None, 0),
    ],
)
def test_other_state_is_one_whichever_side_has_it(here: Any, there: Any) -> None:
    for a, b in ((here, there), (there, here)):
        [found] = state_differences(facts(state={"s": a}), facts(state={"s": b}), set())
        assert (found.kind, found.name) == ("state", "s")


def test_a_setting_that_get_config_forgets_is_lost_and_told_first() -> None:
    here = facts(state={"_p": 1, "alpha": 2, "scale": 3}, arguments=("scale",))
    there = facts(state={"_p": 0, "alpha": 0, "scale": 0}, arguments=("scale",))
    found = state_differences(here, there, set())
    assert [(e.kind, e.name) for e in found] == [("lost-config", "scale"), ("state", "alpha"), ("state", "_p")]
    assert found[0].detail == "the constructor takes `scale`, but get_config() doesn't write it"
    kept = facts(state={"scale": 3}, config={"scale": 3}, arguments=("scale",))
    assert state_differences(kept, there, set())[0].kind != "lost-config"


@pytest.mark.parametrize("name", ["rate", "_rate", "axes", "dtype", "_dtype_policy"])
def test_state_of_which_the_configuration_tells_isnt_told_twice(name: str) -> None:
    config = {"rate", "axes[1]", "axes.other"}
    assert not state_differences(facts(state={name: 1}), facts(state={name: 2}), config)


# --- weights


def told(a: np.ndarray, b: np.ndarray, siblings: Siblings = nobody) -> str:
    found = weight_differences(facts(weights={"kernel": a}), facts(weights={"kernel": b}), siblings)
    return found[0].detail if found else ""


def test_what_happened_to_a_weight_is_seen() -> None:
    trained = glorot(8, 8) * 5 + 1
    for changed, ending in [
        (trained.T, "it is the reference's, transposed"),
        (np.roll(trained, 1, axis=0), "the same numbers in another order"),
        (np.zeros_like(trained), "it looks like fresh initial values"),
        (np.ones_like(trained), "it looks like fresh initial values"),
        (glorot(8, 8, seed=1), "it looks like fresh initial values"),
        (glorot(8, 8, seed=1) * 1.5, ""),  # beyond the range of the initializer
        (np.where(np.eye(8), np.float32(0.9), glorot(8, 8, seed=1)), ""),  # a few are
        (np.linspace(-1, 1, 64, dtype="float32").reshape(8, 8) ** 9 * glorot(8, 8).max(), ""),  # not spread evenly
        (trained + 1, ""),
    ]:
        detail = told(trained, changed)
        assert detail.startswith("max abs ") and detail.partition("; ")[2] == ending


def test_a_fresh_weight_on_both_sides_says_nothing() -> None:
    assert "fresh" not in told(glorot(8, 8, 1), glorot(8, 8, 2))
    assert "fresh" not in told(np.zeros(4, "float32"), np.ones(4, "float32"))


def test_a_constant_isnt_taken_for_another_layers() -> None:
    def siblings(variable: str, shape: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
        return [("other", np.full((2, 2), 3.0)), ("wide", glorot(2, 2).astype("float64"))]

    assert "weight of `other`" in told(glorot(2, 2, 3), np.array([[3.0, 3.0], [3.0, 1.0]]), _holding_that)
    assert "weight of" not in told(glorot(2, 2, 3), np.full((2, 2), 3.0), siblings)
    assert "weight of" not in told(glorot(2, 2, 3), glorot(2, 2), siblings)  # a variable of another dtype


def _holding_that(variable: str, shape: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
    return [("other", np.array([[3.0, 3.0], [3.0, 1.0]]))] if (variable, shape) == ("kernel", (2, 2)) else []


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), unique=True), st.data())
def test_any_other_order_of_the_axes_is_a_transposition(array: np.ndarray, data: st.DataObject) -> None:
    axes = data.draw(st.permutations(range(array.ndim)))
    moved = np.ascontiguousarray(np.transpose(array, axes))
    if moved.shape == array.shape and not np.array_equal(moved, array, equal_nan=True):
        assert told(array, moved).endswith("transposed")


def test_variables_of_one_side_and_of_another_shape_are_told() -> None:
    here = facts(weights={"a": np.zeros(2), "b": np.zeros(3)})
    there = facts(weights={"b": np.zeros(4), "c": np.zeros(1)})
    found = weight_differences(here, there, tuple)
    assert [(e.name, e.detail) for e in found] == [
        ("a", "only the reference has it"), ("b", "shape (3,) against (4,)"), ("c", "only the candidate has it"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("here", "there", "pairs"),
    [
        ({"a": 1, "b": 2}, {"b": 1, "a": 2}, [("a", True), ("b", True)]),  # by name, in whatever order
        ({"d_1/k": 2, "d_1/b": 1}, {"d_7/k": 2, "d_7/b": 1}, [("d_1/k", True), ("d_1/b", True)]),  # by position
        ({"d_1/k": 2}, {"d_7/k": 3}, [("d_1/k", False), ("d_7/k", False)]),  # positions that don't fit
    ],
)
def test_weights_are_paired_by_name_and_else_by_position(here: Any, there: Any, pairs: list[tuple[str, bool]]) -> None:
    sides = [{name: np.zeros(size) for name, size in side.items()} for side in (here, there)]
    found = [(name, a is not None and b is not None) for name, a, b in paired_weights(*sides)]
    assert found == pairs


# --- for reading


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ABSENT, "absent"),
        (np.float32([0.1, 0.25]), "[0.1, 0.25]"),
        (np.arange(9), "[0, 1, 2, 3, …]"),
        (np.float64(2).reshape(()), "2"),
        ("word", "'word'"),
        (None, "None"),
    ],
)
def test_values_are_short(value: Any, text: str) -> None:
    assert short(value if value is ABSENT or not isinstance(value, np.generic) else np.asarray(value)) == text


@given(st.text(max_size=100), st.integers(2, 60))
def test_no_text_is_longer_than_it_may_be(text: str, width: int) -> None:
    found = short(text, width)
    assert len(found) <= width
    assert found == repr(text) or found.endswith("…")


# --- one setting, written in two ways

settings = st.recursive(
    st.integers(0, 2) | st.sampled_from([None, "same", _NAN]), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(settings, settings)
def test_likeness_has_no_direction(a: Any, b: Any) -> None:
    assert alike(a, a)
    assert alike(a, b) is alike(b, a)
    assert alike(tuple(a) if isinstance(a, list) else a, b) is alike(a, b)


@given(st.integers(0, 9), st.integers(1, 4))
def test_a_number_is_several_of_it(number: int, times: int) -> None:
    assert alike(number, [number] * times)
    assert not alike(number, [number] * times + [number + 1])
    assert not alike(number, [])
