"""`tracer.core.layer.patches`: which changes are worth trying on a layer, and how they are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracer.core.layer.patches import instruction, mends
from tracer.core.source import Facts, Patch

_KERNEL = np.arange(6, dtype="float32").reshape(2, 3)
_MEAN = np.array([0.5, 0.25], "float32")


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "class_name": "keras.layers.Layer", "config": {}, "weights": {}, "state": {}, "policy": {},
        "arguments": (), **changes,
    }  # fmt: skip
    return Facts(**given)


def actions(reference: Facts, candidate: Facts, stale: tuple[bool | None, bool | None] = (None, None)) -> list[str]:
    return [mend.action for mend in mends(reference, candidate, stale)]


def test_equal_layers_leave_nothing_to_try() -> None:
    assert actions(facts(weights={"w": _KERNEL}), facts(weights={"w": _KERNEL.copy()})) == []


def test_a_stale_candidate_is_derived_anew_before_anything_else() -> None:
    here, there = facts(state={"mean": _MEAN}), facts(state={"mean": _MEAN * 0})
    assert actions(here, there, (False, True)) == ["finalize_state", "set_attribute"]


def test_a_stale_reference_is_what_the_candidate_has_to_become() -> None:
    """What training really used goes into the weights that the attribute is derived from, in their shape and dtype."""
    here = facts(state={"mean": _MEAN}, weights={"mean": np.zeros((1, 2), "float16")})
    there = facts(state={"mean": _MEAN * 0}, weights={"mean": np.zeros((1, 2), "float16")})
    persist, attribute = mends(here, there, (True, False))
    assert (persist.action, persist.finalize, attribute.action) == ("persist_state", True, "set_attribute")
    assert (persist.weights["mean"].shape, persist.weights["mean"].dtype) == ((1, 2), np.float16)


def test_only_weights_that_differ_and_fit_are_copied() -> None:
    here = facts(weights={"a": _KERNEL, "b": _KERNEL, "c": _KERNEL, "d": _KERNEL})
    there = facts(weights={"a": _KERNEL, "b": _KERNEL + 1, "c": _KERNEL.T})
    (mend,) = mends(here, there, (None, None))
    assert (mend.action, list(mend.weights)) == ("copy_weights", ["b"])


def test_a_setting_is_set_on_the_attribute_that_keeps_it() -> None:
    here = facts(config={"rate": 0.5}, state={"_rate": 0.5, "other": 1})
    there = facts(config={"rate": 0.1}, state={"_rate": 0.1, "other": 1})
    (mend,) = mends(here, there, (None, None))
    assert dict(mend.attributes) == {"_rate": 0.5}


def test_both_together_come_last() -> None:
    here = facts(weights={"w": _KERNEL}, state={"scale": 2.0})
    there = facts(weights={"w": _KERNEL + 1}, state={"scale": 1.0})
    assert actions(here, there) == ["copy_weights", "set_attribute", "set_attribute"]
    assert mends(here, there, (None, None))[-1].weights


@pytest.mark.parametrize(
    ("mend", "told"),
    [
        (Patch(action="finalize_state", finalize=True), "model.get_layer('base').get_layer('norm').finalize_state()"),
        (Patch(action="persist_state", weights={"mean": _MEAN}), "tracer fix FILE --as-trained -o FIXED"),
        (Patch(action="set_attribute", attributes={"rate": 0.5}), "get_layer('norm'): rate = 0.5"),
        (Patch(action="copy_weights", weights={"kernel": _KERNEL}), "copy kernel of base/norm#1 from the original"),
    ],
)
def test_a_change_is_told_as_what_to_type(mend: Patch, told: str) -> None:
    assert told in instruction(mend, "base/norm#1")


def test_a_long_value_isnt_typed_out() -> None:
    mend = Patch(action="set_attribute", attributes={"table": np.arange(1000)})
    assert len(instruction(mend, "a")) < 200
