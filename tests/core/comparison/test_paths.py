"""Layer paths: names, calls and outputs are told apart, whatever a name holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.comparison.alignment import Alignment, all_paths, bare, call_named, static_path, translated
from tracer.core.source import Outline

names = st.text("ab_0:#.", min_size=1, max_size=6).filter(lambda name: bare(name) == name)
marks = st.builds(
    lambda call, output: (f"#{call}" if call else "") + (f":{output}" if output else ""),
    st.integers(0, 12), st.integers(0, 12),
)  # fmt: skip
parts = st.lists(st.tuples(names, marks), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("a", "a"), ("a#1", "a"), ("a:2", "a"), ("a#1:2", "a"), ("a_1", "a_1"),
        ("a#b#1", "a#b"), ("a:b:1", "a:b"), ("a#b", "a#b"), ("a#1#2", "a#1"), ("a:1#2", "a:1"),
    ],
)  # fmt: skip
def test_only_the_last_call_and_output_are_no_part_of_a_name(part: str, name: str) -> None:
    assert bare(part) == name


@given(parts)
def test_a_path_without_calls_is_its_names(path: list[tuple[str, str]]) -> None:
    whole = "/".join(name + mark for name, mark in path)
    assert static_path(whole) == "/".join(name for name, _ in path)
    assert translated(whole, {}) == whole


@given(parts, st.data())
def test_a_name_is_translated_in_its_own_place_and_keeps_its_call(
    path: list[tuple[str, str]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(path) - 1))
    whole, bare_names = "/".join(name + mark for name, mark in path), [name for name, _ in path]
    found = translated(whole, {"/".join(bare_names[: place + 1]): "other"})
    expected = [("other" if i == place else name) + mark for i, (name, mark) in enumerate(path)]
    assert found == "/".join(expected)


def test_the_paths_of_an_outline_are_those_of_all_that_is_in_it() -> None:
    leaf = Outline("b", "Dense", "dense")
    outline = Outline("m", "Functional", "functional", (Outline("a", "Functional", "functional", (leaf,)), leaf))
    assert all_paths(outline) == {"a", "a/b", "b"}
    assert all_paths(outline, {"a": "x", "a/b": "y", "b": "z"}) == {"x", "x/y", "z"}


@pytest.mark.parametrize(
    ("path", "both", "here", "there"),
    [
        ("a", True, False, False),
        ("a#3:1", True, False, False),
        ("old#1", False, True, False),
        ("new:1", False, False, True),
        ("operation", False, False, False),  # no layer of either model
    ],
)
def test_whose_layer_a_call_is(path: str, both: bool, here: bool, there: bool) -> None:
    found = Alignment({}, frozenset({"a", "old"}), frozenset({"a", "new"}))
    assert (found.is_in_both(path), found.is_only_in_reference(path), found.is_only_in_candidate(path)) == (
        both, here, there,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "path"),
    [("a", "a"), ("a:1", "a"), ("a#1:2", "a#1"), ("b/a:x", "b/a:x"), ("a:b:1", "a:b"), ("a:1/b", "a:1/b")],
)
def test_a_label_names_the_call_that_an_output_is_of(label: str, path: str) -> None:
    assert call_named(label) == path
