"""The state of optimizers, compared: what is lost, what has another value, and what must not be accused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracer.core.layer.optimizer import (
    PLACE,
    OptimizerState,
    Slot,
    StoredOptimizer,
    file_evidence,
    loaded_evidence,
    optimizer_fault,
    pieces_of,
    slot_of,
)
from tracer.records import Cause, Side


def slot(values: object, name: str = "") -> Slot:
    array = np.asarray(values, "float32")
    return slot_of(pieces_of(array), array.shape, array.dtype.name, name)


def adam() -> OptimizerState:
    values = {"iteration": 4.0, "kernel_momentum": [1.0, 2.0], "kernel_velocity": [3.0, 4.0], "bias_momentum": [0.0]}
    slots = {str(i): slot(value, f"adam/{name}") for i, (name, value) in enumerate(values.items())}
    return OptimizerState(class_name="Adam", slots=slots)


def stored(**changed: Slot | None) -> StoredOptimizer:
    slots = {**adam().slots, **{key.removeprefix("k"): value for key, value in changed.items()}}
    return StoredOptimizer(slots={key: replace(value, name="") for key, value in slots.items() if value is not None})


def test_a_value_is_told_and_its_digest_does_not_depend_on_the_pieces() -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    whole = slot_of([array.reshape(-1)], array.shape, "float32")
    assert whole == slot_of([array[0], array[1]], array.shape, "float32")
    assert whole.value == "norm 7.41619849" and not whole.blank
    assert slot(2.5).value == "2.5" and slot([0.0, 0.0]).blank
    assert slot([0.0]).digest != slot([-0.0]).digest


def test_what_came_back_as_it_was_is_nothing() -> None:
    assert file_evidence(adam(), stored()) == []
    assert loaded_evidence(adam(), replace(adam(), slots=stored().slots), stored()) == []


@pytest.mark.parametrize(
    ("changed", "names", "words"),
    [
        ({"k2": None}, ["adam/kernel_velocity"], "adam/kernel_velocity is lost: the file doesn't have it"),
        ({"k1": slot([0.0, 0.0])}, ["adam/kernel_momentum"], "it starts anew from zero"),
        ({"k1": slot([1.0, 2.5])}, ["adam/kernel_momentum"], "its bytes are others"),
        ({"k1": slot([3.0, 4.0])}, ["adam/kernel_momentum"], "the values there are those of adam/kernel_velocity"),
        ({"k0": slot(0.0)}, ["adam/iteration"], "adam/iteration: 4.0 in memory, 0.0 in the file"),
        ({"k1": slot([1.0])}, ["adam/kernel_momentum"], "shape (2,) in memory, (1,) in the file"),
        ({"k9": slot([1.0])}, ["9"], "the file has 1 more variable"),
    ],
)
def test_a_variable_that_is_lost_or_another_is_named(
    changed: dict[str, Slot | None], names: list[str], words: str
) -> None:
    evidence = file_evidence(adam(), stored(**changed))
    assert [each.name for each in evidence] == names
    assert words in evidence[0].detail


def test_a_zero_that_was_zero_is_no_swap() -> None:
    """Two blank arrays have one digest; that says nothing of where a value comes from."""
    state = replace(adam(), slots={"0": slot([0.0, 0.0], "a"), "1": slot([1.0, 1.0], "b")})
    told = file_evidence(state, StoredOptimizer(slots={"0": slot([0.0, 0.0]), "1": slot([0.0, 0.0])}))
    assert [each.detail for each in told] == [
        "b: norm 1.41421356 in memory, norm 0 in the file: it starts anew from zero"
    ]


def test_a_file_without_any_state_is_told_in_one_line() -> None:
    evidence = file_evidence(adam(), StoredOptimizer())
    assert [(each.name, each.detail) for each in evidence] == [(PLACE, "none of its 4 variables is in the file")]


def test_a_file_that_was_saved_without_its_optimizer_lacks_nothing() -> None:
    assert file_evidence(adam(), StoredOptimizer(is_compiled=False)) == []
    assert file_evidence(replace(adam(), is_plain=False), StoredOptimizer()) == []


def test_another_optimizer_is_told_with_why() -> None:
    other = OptimizerState(class_name="RMSprop", slots={})
    (named,) = loaded_evidence(adam(), other, StoredOptimizer())
    (unnamed,) = loaded_evidence(adam(), other, StoredOptimizer(is_named=False))
    assert (named.reference, named.candidate) == ("Adam", "RMSprop")
    assert named.detail == "the model is loaded with another optimizer"
    assert unnamed.detail.endswith("says how the model is compiled, but not with which optimizer")


def test_many_variables_are_told_in_few_lines() -> None:
    slots = {str(i): slot([float(i + 1)], f"v{i}") for i in range(40)}
    state = OptimizerState(class_name="Adam", slots=slots)
    evidence = file_evidence(state, StoredOptimizer(slots={"0": slots["0"]}))
    assert [each.name for each in evidence[:5]] == ["v1", "v2", "v3", "v4", "v5"]
    assert len(evidence) == 6 and evidence[5].detail == "34 more variables differ"


def test_the_fault_says_that_the_file_is_wrong() -> None:
    fault = optimizer_fault(adam(), file_evidence(adam(), StoredOptimizer()))
    assert (fault.layer, fault.class_name, fault.side, fault.cause) == (
        "(optimizer)",
        "Adam",
        Side.CANDIDATE,
        Cause.OPTIMIZER_STATE,
    )
