"""What two readings of a file's contents say of what was lost: records alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tracer.files.contents import Contents
from tracer.records import Finding
from tracer.workflows.auditing.losses import (
    absent_arrays,
    lost_arrays,
    lost_settings,
    misfits,
    misplaced_arrays,
    told_settings,
)


def stored(value: str, shape: tuple[int, ...] = (2, 3)) -> tuple[tuple[int, ...], str, str]:
    return shape, "float32", value


def contents(
    arrays: dict[str, Any] | None = None, config: dict[str, object] | None = None, writer: str = ""
) -> Contents:
    return Contents(format="keras", writer=writer, arrays=arrays or {}, left_out=0, config=config or {}, suspicious={})


def told(findings: Any) -> list[tuple[str, str]]:
    return [(finding.kind, finding.place) for finding in findings]


_AS_IT_WAS = {"dense/vars/0": stored("kernel"), "dense/vars/1": stored("bias", (3,)), "bn/vars/0": stored("gamma")}


def test_equal_contents_lose_nothing() -> None:
    assert told(lost_arrays(contents(_AS_IT_WAS), contents(dict(_AS_IT_WAS)))) == []


def test_another_release_may_name_every_path_otherwise() -> None:
    renamed = {f"layers/{path}": value for path, value in _AS_IT_WAS.items()}
    assert told(lost_arrays(contents(_AS_IT_WAS), contents(renamed))) == []


def test_an_array_that_nothing_has() -> None:
    without = {path: value for path, value in _AS_IT_WAS.items() if path != "bn/vars/0"}
    [finding] = lost_arrays(contents(_AS_IT_WAS), contents(without))
    assert (finding.kind, finding.place) == ("array-not-loaded", "bn/vars/0")
    assert finding.detail == "float32 (2, 3): no variable of the loaded model has this value; loading skipped it"


def test_a_variable_that_comes_from_nowhere() -> None:
    without = {path: value for path, value in _AS_IT_WAS.items() if path != "dense/vars/1"}
    [finding] = lost_arrays(contents(without), contents(_AS_IT_WAS))
    assert (finding.kind, finding.place) == ("variable-not-in-file", "dense/vars/1")
    assert "fresh initial values" in finding.detail


def test_another_value_under_the_same_path_is_one_finding() -> None:
    other = {**_AS_IT_WAS, "bn/vars/0": stored("ones")}
    [finding] = lost_arrays(contents(_AS_IT_WAS), contents(other))
    assert (finding.kind, finding.place) == ("array-differs", "bn/vars/0")


def test_a_shape_that_differs_is_told() -> None:
    other = {**_AS_IT_WAS, "bn/vars/0": stored("gamma", (3, 2))}
    [finding] = lost_arrays(contents(_AS_IT_WAS), contents(other))
    assert finding.detail == "float32 (2, 3) in the file; what was loaded is another value, float32 (3, 2)"


def test_two_arrays_of_one_value_have_one_partner_each() -> None:
    """Fresh biases are all equal: that one of them is there doesn't excuse the other."""
    before = {"a": stored("zeros"), "b": stored("zeros")}
    assert told(lost_arrays(contents(before), contents({"x": stored("zeros")}))) == [("array-not-loaded", "b")]
    assert told(lost_arrays(contents({"x": stored("zeros")}), contents(before))) == [("variable-not-in-file", "b")]


def test_arrays_that_changed_places_between_layers_are_seen_by_nobody() -> None:
    """What the loaded model has is what the file says; docs/training.md says so."""
    swapped = {**_AS_IT_WAS, "dense/vars/0": _AS_IT_WAS["bn/vars/0"], "bn/vars/0": _AS_IT_WAS["dense/vars/0"]}
    assert told(lost_arrays(contents(swapped), contents(dict(swapped)))) == []


def test_arrays_that_were_loaded_into_each_others_places_are_told() -> None:
    """The paths are the same ones, so each says where its value belongs."""
    swapped = {**_AS_IT_WAS, "dense/vars/0": _AS_IT_WAS["bn/vars/0"], "bn/vars/0": _AS_IT_WAS["dense/vars/0"]}
    second, first = lost_arrays(contents(_AS_IT_WAS), contents(swapped))
    assert (first.kind, first.place) == ("array-differs", "dense/vars/0")
    assert first.detail.endswith("another value, float32 (2, 3), which the file has as bn/vars/0")
    assert (second.kind, second.place) == ("array-differs", "bn/vars/0")


def test_where_paths_are_named_otherwise_a_value_in_another_place_is_not_lost() -> None:
    """`dense_1` may be what another process called `dense`."""
    before = {"dense_1": stored("a"), "dense_2": stored("b")}
    assert told(lost_arrays(contents(before), contents({"dense": stored("a"), "dense_1": stored("b")}))) == []


def test_what_does_not_fit_a_model_of_the_configuration() -> None:
    made = {"a": stored("x"), "b": stored("x"), "c": stored("x", (3, 2)), "assets/x": stored("x", (9,))}
    file = {"a": stored("y"), "c": stored("y"), "d": stored("y"), "assets/x": stored("y", (4,))}
    assert told(misfits(contents(file), contents(made))) == [
        ("array-differs", "c"),
        ("array-not-loaded", "d"),
        ("variable-not-in-file", "b"),
    ]
    assert told(misfits(contents(made), contents(made))) == []


@pytest.mark.parametrize(
    ("file", "model", "places"),
    [
        ({"a": "one", "b": "other"}, {"a": "one", "b": "other"}, []),
        ({"a": "other", "b": "one", "c": "last"}, {"a": "one", "b": "other", "c": "last"}, ["a", "b"]),
        ({"a": "2", "b": "3", "c": "1"}, {"a": "1", "b": "2", "c": "3"}, ["a", "b", "c"]),
        # Names that Keras has numbered anew.
        ({"a": "dense_1", "b": "dense_2", "c": "dense_3"}, {"a": "dense", "b": "dense_1", "c": "dense_2"}, []),
        ({"a": "dense", "b": "dense_1"}, {"a": "dense_1", "b": "dense_2"}, []),
        ({"a": "other", "b": "one", "c": "c"}, {"a": "one", "b": "other", "c": "c"}, ["a", "b"]),
        ({"a": "other", "b": "one"}, {}, []),  # a Keras that notes no names
        ({}, {"a": "one"}, []),
    ],
)
def test_arrays_that_are_of_other_layers_by_name(
    file: dict[str, str], model: dict[str, str], places: list[str]
) -> None:
    held = {f"{path}/0": stored(path) for path in file}
    before, after = (replace(contents(), arrays=held, owners=owners) for owners in (file, model))
    assert told(misplaced_arrays(before, after)) == [("array-differs", place) for place in places]


def test_what_a_file_lists_and_lacks_is_told_by_its_path() -> None:
    assert told(absent_arrays(contents())) == []
    file = replace(contents(), absent=("model_weights/a/kernel", "model_weights/b/bias"))
    assert told(absent_arrays(file)) == [
        ("variable-not-in-file", "model_weights/a/kernel"),
        ("variable-not-in-file", "model_weights/b/bias"),
    ]


# --- settings


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"rate": 0.5}, {"rate": 0.5}, []),
        ({"rate": 0.5}, {}, [("config-lost", "rate")]),
        ({"rate": 0.5}, {"rate": 0.3}, [("config-lost", "rate")]),
        ({}, {"rate": 0.3}, [("config-default", "rate")]),
        ({"axis": 1}, {"axis": True}, []),  # equal to Python, and to whoever reads them
        ({"a": 1, "b": None}, {"b": None, "c": 2}, [("config-lost", "a"), ("config-default", "c")]),
    ],
)
def test_settings_that_do_not_come_back(
    before: dict[str, object], after: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert told(lost_settings(before, after)) == expected


@pytest.mark.parametrize(
    ("registered", "now", "lost"),
    [
        ("mine>Gate", "mine>Gate", []),
        ("mine>Gate", "yours>Gate", ["l.module", "l.registered_name"]),
        ("Gate", "Gate", ["l.module"]),
    ],
)
def test_a_registered_class_may_move_to_another_module(registered: str, now: str, lost: list[str]) -> None:
    before = {"l.module": "old", "l.registered_name": registered}
    found = lost_settings(before, {"l.module": "new", "l.registered_name": now})
    assert [finding.place for finding in found] == lost


def test_both_values_of_a_setting_are_told() -> None:
    [finding] = lost_settings({"layers[1].rate": 0.5}, {"layers[1].rate": 0.3})
    assert finding == Finding(kind="config-lost", place="layers[1].rate", detail="0.5 in the file, and 0.3 comes back")


def test_between_releases_it_is_one_note() -> None:
    before = contents(config={f"key{i:02d}": i for i in range(12)}, writer="3.1.0")
    [note] = told_settings(before, contents(), "3.15.1")
    assert note.startswith("written by Keras 3.1.0: settings that Keras 3.15.1 writes otherwise")
    assert note.endswith("key00, key01, key02, key03, key04, key05, key06, key07 and 4 more.")
    assert list(told_settings(contents(), contents(), "3.15.1")) == []


def test_an_unknown_writer_is_said_to_be_unknown() -> None:
    [note] = told_settings(contents(config={"a": 1}), contents(), "3.15.1")
    assert note.startswith("written by Keras (unknown)")
