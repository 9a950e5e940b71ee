"""`tracer.core.environment`: whether what runs is what was asked for, and whether two environments compute alike."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tracer.core.environment import Wanted, is_same, mismatches, parse_requirement, pins_for

_HERE: Mapping[str, str] = {
    "keras": "3.15.1", "backend": "tensorflow", "tensorflow": "2.21.0", "numpy": "2.4.6", "python": "3.11.7",
    "platform": "Linux-x86_64",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"numpy": "1.26.4", "python": "3.12.1", "platform": "Darwin-arm64"}, True),
        ({"tensorflow": "2.21.0+cpu"}, True),
        ({"keras": "3.15.0"}, False),
        ({"tensorflow": "2.20.0"}, False),
        ({"backend": "jax", "jax": "0.10.2"}, False),
        ({"pytest": "9.0.0"}, True),
        ({"device": "NVIDIA H200"}, False),
    ],
)
def test_two_environments_are_the_same_where_what_computes_is(changes: Mapping[str, str], same: bool) -> None:
    assert is_same(_HERE, {**_HERE, **changes}) is same
    assert is_same({**_HERE, **changes}, _HERE) is same


def test_another_library_that_layers_come_from_is_another_environment() -> None:
    assert not is_same({**_HERE, "keras-hub": "0.26.0"}, {**_HERE, "keras-hub": "0.32.0"})


@pytest.mark.parametrize("side", [{}, {"keras": "3.15.1"}, {"backend": "tensorflow"}])
def test_what_doesnt_say_what_it_is_is_the_same_as_nothing(side: Mapping[str, str]) -> None:
    assert not is_same(side, side)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(keras="3.15.1", backend="tensorflow", python="3.11", packages={"tensorflow": "2.21.0"}),
        Wanted(python="3.11.7"),
        Wanted(packages={"tensorflow": ""}),
    ],
)
def test_what_was_asked_for(wanted: Wanted) -> None:
    assert mismatches(wanted, _HERE) == ()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(keras="3.4.1"), "keras 3.4.1 was asked for, and 3.15.1 runs"),
        (Wanted(backend="jax"), "backend jax was asked for, and tensorflow runs"),
        (Wanted(python="3.1"), "python 3.1 was asked for, and 3.11.7 runs"),
        (Wanted(packages={"tensorflow": "2.17.1"}), "tensorflow 2.17.1 was asked for, and 2.21.0 runs"),
        (Wanted(packages={"keras-hub": ""}), "keras-hub of any version was asked for, and it isn't there"),
        (Wanted(packages={"keras-hub": "0.26.0"}), "keras-hub 0.26.0 was asked for, and it isn't there"),
    ],
)
def test_what_wasnt_is_told_with_both_versions(wanted: Wanted, told: str) -> None:
    assert mismatches(wanted, _HERE) == (told,)


@pytest.mark.parametrize(
    ("asked", "runs", "fits"),
    [
        (">=2.20,<2.22", "2.21.0", True),
        ("!=2.21.0", "2.21.0", False),
        (">=2.22", "2.21.0", False),
        ("==2.21.*", "2.21.0", True),
        ("~=2.20.1", "2.21.0", False),
        (">=2", "2.22.0rc1", True),
        (">=2", "another one in /project/tensorflow", False),
    ],
)
def test_a_range_has_to_hold_what_runs(asked: str, runs: str, fits: bool) -> None:
    told = mismatches(Wanted(packages={"tensorflow": asked}), {"tensorflow": runs})
    assert told == (() if fits else (f"tensorflow {asked} was asked for, and {runs} runs",))


@pytest.mark.parametrize(
    ("asked", "runs", "same"),
    [("3.4", "3.4.0", True), ("3.4.0", "3.4", True), ("2.15.0", "2.15.0+cpu", True), ("3.1", "3.10", False)],
)
def test_one_release_may_be_written_in_several_ways(asked: str, runs: str, same: bool) -> None:
    assert bool(mismatches(Wanted(keras=asked), {"keras": runs})) is not same


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("keras==3.4.1", ("keras", "3.4.1")),
        ("Keras_Hub == 0.26.0", ("keras-hub", "0.26.0")),
        ("jax[cpu]==0.5.3", ("jax", "0.5.3")),
        ("pytest", ("pytest", "")),
        ("keras-hub >= 0.26, <1", ("keras-hub", ">=0.26,<1")),
        ("keras-hub==0.26.*", ("keras-hub", "==0.26.*")),
        ("keras-hub (~=0.26)", ("keras-hub", "~=0.26")),
        ("thing @ https://somewhere/thing.whl", ("thing", "")),
        ("thing==1; sys_platform == 'win32'", ("", "")),
        ("thing-1.0-py3-none-any.whl", ("", "")),
        ("wheels/thing", ("", "")),
        ("git+https://somewhere/thing", ("", "")),
        ("./thing.whl", ("", "")),
    ],
)
def test_name_and_release_of_a_requirement(requirement: str, pin: tuple[str, str]) -> None:
    assert parse_requirement(requirement) == pin


def test_another_backends_release_says_nothing() -> None:
    pins = pins_for("jax", ("jax==0.5.3", "tensorflow==2.16.2", "keras-hub==0.26.0", "./local.whl"))
    assert pins == {"jax": "0.5.3", "keras-hub": "0.26.0"}
