"""`tracer.core.layer.differences`: what happened to a weight, and where two values differ."""

import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tracer.core.layer.differences import (
    Setting,
    first_difference,
    state_differences,
    unreadable_evidence,
    weight_differences,
)
from tracer.core.source import Facts, Function


def _facts(kernel: np.ndarray) -> Facts:
    return Facts(
        class_name="Dense", config={}, weights={"kernel": kernel}, state={}, policy={}, arguments=(),
    )  # fmt: skip


def _kernel(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)


def test_a_weight_that_went_to_the_wrong_layer_is_found_with_few_of_the_others_in_memory() -> None:
    made: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def siblings(variable: str, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
        assert (variable, shape) == ("kernel", (4, 3))
        for seed in range(1, 9):
            alive.append(sum(kernel() is not None for kernel in made))
            kernel = _kernel(seed)
            made.append(weakref.ref(kernel))
            yield f"dense_{seed}", kernel

    (found,) = weight_differences(_facts(_kernel(0)), _facts(_kernel(7)), siblings)
    assert found.detail.endswith("it is the weight of `dense_7`")
    assert len(made) == 7  # nobody asks for what comes after it
    assert max(alive) <= 2


# --- state

TANH, EXACT = (
    Function(name="ops.gelu", computes=(0.0, 0.8412)),
    Function(name="activations.gelu", computes=(0.0, 0.8413)),
)
LONG = {f"key{i}": i for i in range(100)}


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("x" * 80 + "cat", "x" * 80 + "dog", ["first at 80", "cat", "dog"]),
        ([0] * 70 + [1], [0] * 70 + [2, 3], ["first at 70", "1 against 2", "length 71 against 72"]),
        (LONG, {**LONG, "key99": "other"}, ["'key99'", "99 against 'other'"]),
        (LONG, {k: v for k, v in LONG.items() if k != "key5"}, ["'key5'", "absent", "100 entries against 99"]),
        (np.array([1, 2, 3, 4, 5]), np.array([1, 2, 3, 4, 6]), ["first at 4", "5", "6"]),
        (b"a" * 80, b"a" * 79 + b"b", ["first at 79"]),
        (TANH, EXACT, ["differ by up to 0.0001"]),
        (Function(name="m.f", code="1"), Function(name="m.f", code="2"), ["other code"]),
        ("short", "other", []),
    ],
)
def test_two_values_that_look_alike_are_told_apart(a: Setting, b: Setting, words: list[str]) -> None:
    said = first_difference(a, b)
    assert all(word in said for word in words), said
    assert bool(said) is bool(words)


def _with(**state: Setting) -> Facts:
    return replace(_facts(_kernel(0)), state=state)


def test_functions_are_compared_by_what_they_compute() -> None:
    near = replace(TANH, name="elsewhere.gelu", computes=(0.0, 0.8412 + 1e-9))
    assert state_differences(_with(f=TANH), _with(f=near), set()) == []
    [found] = state_differences(_with(f=TANH), _with(f=EXACT), set())
    assert (found.name, found.reference, found.candidate) == ("f", "ops.gelu", "activations.gelu")


def test_functions_that_were_not_called_are_compared_by_name_and_code() -> None:
    plain = Function(name="m.f", code="1")
    assert state_differences(_with(f=plain), _with(f=replace(plain, computes=(1.0,))), set()) == []
    assert state_differences(_with(f=plain), _with(f=replace(plain, code="2")), set()) != []


def test_what_loading_adds_is_no_difference_and_what_it_changes_is() -> None:
    loaded = replace(_with(flag=False, mean=1.0), late=("flag", "mean"))
    assert [e.name for e in state_differences(_with(mean=2.0), loaded, set())] == ["mean"]
    assert [e.name for e in state_differences(_with(mean=1.0), replace(loaded, late=()), set())] == ["flag"]


def test_what_cant_be_read_is_named_on_both_sides() -> None:
    here = replace(_facts(_kernel(0)), unreadable={"thing": "Lock"})
    [found] = unreadable_evidence(here, _facts(_kernel(0)))
    assert (found.name, found.reference, found.candidate) == ("thing", "a Lock", "absent")
    assert "can't be read" in found.detail
