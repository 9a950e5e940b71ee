"""`explain`: cause, side and evidence, from the facts of two paired layers.  Records only, no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame
from tracer.core.diagnosis.explain import Circumstances, explain
from tracer.core.diagnosis.suspects import from_blame
from tracer.core.source import Array, Call, Facts, Function
from tracer.records import Cause, Difference, Evidence, Fault, LayerReport, Side, Verdict

_KERNEL = np.arange(12, dtype="float32").reshape(3, 4)


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "class_name": "keras.layers.Dense", "config": {"units": 4, "activation": "relu"},
        "weights": {"kernel": _KERNEL}, "state": {"scale": 1.0, "mean": 0.0}, "policy": {"dtype": "float32"},
        "arguments": ("units", "activation", "scale"), **changes,
    }  # fmt: skip
    return Facts(**given)


def blame(
    reference: Facts | None,
    candidate: Facts | None,
    *,
    kind: str = "layer",
    stale: tuple[bool | None, bool | None] = (None, None),
    local_error: float = 0.5,
    evidence: tuple[Evidence, ...] = (),
) -> Blame:
    call = Call(path="head", class_name="Dense", box="", is_box=False, inputs=(), outputs=(), context={})
    numbers = Difference(rel_error=0.5, max_abs=0.0, max_ulp=0.0, cosine=1.0)
    layer = LayerReport(
        layer="head", class_name="Dense", verdict=Verdict.INTRODUCED, difference=numbers, local_error=local_error,
        tolerance=2e-6,
    )  # fmt: skip
    judgement = Judgement(
        reference=call, candidate=call, layers=(layer,), introduced=True, facts=(reference, candidate), stale=stale
    )
    return Blame(layer="head", class_name="Dense", kind=kind, judgement=judgement, evidence=evidence)


def explained(here: Facts | None, there: Facts | None, *, same_environment: bool = True, **told: Any) -> Fault:
    suspect = from_blame(blame(here, there, **told), same_environment=same_environment)
    return explain(suspect, Circumstances(same_environment=same_environment))


_OTHER = {"kernel": _KERNEL + 1}
_WEIGHTED = {"config": {"units": 4, "activation": "gelu"}}
_IDLE = {"config": {"units": 4, "activation": "relu", "kernel_regularizer": "l2"}}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"weights": _OTHER}, Cause.WEIGHTS),
        (_WEIGHTED, Cause.CONFIG),
        ({"state": {"scale": 1.0, "mean": 0.5}}, Cause.UNSAVED_STATE),
        ({"policy": {"dtype": "float16"}}, Cause.DTYPE_POLICY),
        ({"policy": {"quantization_mode": "int8"}}, Cause.QUANTIZATION),
        ({"class_name": "keras.layers.EinsumDense"}, Cause.TOPOLOGY),
        # A moved class is the same class.
        ({"class_name": "keras.src.layers.Dense"}, Cause.IMPLEMENTATION),
        (_IDLE, Cause.CONFIG),
        ({}, Cause.IMPLEMENTATION),
    ],
)
def test_one_difference_names_its_cause(changes: Mapping[str, Any], cause: Cause) -> None:
    assert explained(facts(), facts(**changes)).cause is cause


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({**_WEIGHTED, "weights": _OTHER}, Cause.CONFIG),
        ({**_WEIGHTED, "policy": {"dtype": "float16"}}, Cause.CONFIG),
        ({**_IDLE, "policy": {"dtype": "float16"}}, Cause.DTYPE_POLICY),
        ({**_IDLE, "weights": _OTHER}, Cause.WEIGHTS),
        ({**_IDLE, "state": {"scale": 1.0, "mean": 0.5}}, Cause.UNSAVED_STATE),
        ({"weights": _OTHER, "state": {"scale": 1.0, "mean": 0.5}}, Cause.WEIGHTS),
        # The constructor takes `scale`, and the configuration doesn't hold it: it was lost on the way.
        ({"state": {"scale": 2.0, "mean": 0.0}, "weights": _OTHER}, Cause.CONFIG),
        ({"state": {"scale": 2.0, "mean": 0.0}, "policy": {"dtype": "float16"}}, Cause.DTYPE_POLICY),
    ],
)
def test_of_several_differences_the_one_that_explains_the_others_is_the_cause(
    changes: Mapping[str, Any], cause: Cause
) -> None:
    assert explained(facts(), facts(**changes)).cause is cause


def test_a_stale_side_is_the_wrong_one() -> None:
    told = {"state": {"scale": 1.0, "mean": 0.5}}
    assert explained(facts(), facts(**told), stale=(False, True)).side is Side.CANDIDATE
    original = explained(facts(), facts(**told), stale=(True, False))
    assert (original.cause, original.side) == (Cause.UNSAVED_STATE, Side.REFERENCE)
    assert [(e.reference, e.candidate) for e in original.evidence if e.kind == "stale"] == [("changed", "unchanged")]


def test_staleness_explains_nothing_where_the_weights_differ() -> None:
    assert explained(facts(), facts(weights=_OTHER), stale=(True, False)).cause is Cause.WEIGHTS


@pytest.mark.parametrize("changes", [{"weights": _OTHER}, _WEIGHTED, {"policy": {"dtype": "float16"}}])
def test_the_reference_is_the_measure_in_one_environment_only(changes: Mapping[str, Any]) -> None:
    assert explained(facts(), facts(**changes)).side is Side.CANDIDATE
    assert explained(facts(), facts(**changes), same_environment=False).side is Side.UNKNOWN


def test_what_another_release_merely_adds_is_no_difference() -> None:
    newer = facts(
        config={"units": 4, "activation": "relu", "lora_rank": None}, state={"scale": 1.0, "mean": 0.0, "_cache": 3}
    )
    assert explained(facts(), newer, same_environment=False).cause is Cause.IMPLEMENTATION
    assert explained(facts(), newer, same_environment=False).evidence == ()


def _holding(name: str, *computes: float, **more: Any) -> Facts:
    return facts(state={"activation": Function(name=name, computes=computes), "mean": 0.0, **more})


def test_a_function_of_one_name_that_computes_otherwise_in_another_release_is_other_code() -> None:
    here = _holding("keras.src.activations.hard_sigmoid", 0.3, 0.7)
    there = _holding("keras.activations.hard_sigmoid", 0.33, 0.67)
    fault = explained(here, there, same_environment=False)
    assert (fault.cause, fault.side) == (Cause.IMPLEMENTATION, Side.UNKNOWN)
    assert [(e.kind, e.name) for e in fault.evidence] == [("state", "activation")]
    assert explained(here, there).cause is Cause.UNSAVED_STATE  # one environment has one function of that name


@pytest.mark.parametrize(
    "there",
    [
        _holding("keras.activations.sigmoid", 0.33, 0.67),  # another one was set
        _holding("keras.activations.hard_sigmoid", 0.33, 0.67, mean=1.0),  # and something else was lost
        facts(state={"activation": "hard_sigmoid", "mean": 0.0}),
    ],
)
def test_state_that_differs_in_more_than_a_release_s_own_function_was_lost(there: Facts) -> None:
    here = _holding("keras.src.activations.hard_sigmoid", 0.3, 0.7)
    assert explained(here, there, same_environment=False).cause is Cause.UNSAVED_STATE


def test_a_stale_layer_is_stale_whatever_functions_it_holds() -> None:
    here, there = _holding("m.f", 0.3), _holding("n.f", 0.4)
    assert explained(here, there, same_environment=False, stale=(False, True)).cause is Cause.UNSAVED_STATE


def test_requantized_weights_that_move_a_little_are_expected_to() -> None:
    quantized = {"policy": {"quantization_mode": "int8"}}
    here = facts(**quantized, weights={"lora_kernel_a": _KERNEL})
    there = facts(**quantized, weights={"lora_kernel_a": _KERNEL + 1})
    assert explained(here, there, local_error=0.02).cause is Cause.QUANTIZATION
    assert explained(here, there, local_error=0.5).cause is Cause.WEIGHTS


@pytest.mark.parametrize(
    ("kind", "cause", "side"),
    [
        ("context", Cause.CALL_CONTEXT, Side.CANDIDATE),
        ("topology", Cause.TOPOLOGY, Side.CANDIDATE),
        ("layer", Cause.UNKNOWN, Side.UNKNOWN),
    ],
)
def test_without_facts_the_kind_of_the_blame_is_the_cause(kind: str, cause: Cause, side: Side) -> None:
    fault = explained(None, None, kind=kind)
    assert (fault.cause, fault.side) == (cause, side)


def test_what_names_the_cause_is_told_first_and_what_the_trace_showed_last() -> None:
    seen = Evidence(kind="output", name="head", detail="shape (1,) against (2,)")
    there = facts(weights=_OTHER, **_IDLE)
    kinds = [e.kind for e in explained(facts(), there, evidence=(seen,)).evidence]
    assert kinds == ["weight", "config", "output"]


def test_a_weight_that_went_astray_is_looked_for_only_when_weights_differ() -> None:
    asked: list[int] = []

    def siblings(variable: str, shape: tuple[int, ...]) -> list[tuple[str, Array]]:
        asked.append(1)
        return [("body", value) for name, value in _OTHER.items() if (name, value.shape) == (variable, shape)]

    equal, other = blame(facts(), facts(state={"scale": 1.0, "mean": 1.0})), blame(facts(), facts(weights=_OTHER))
    here = Circumstances(same_environment=True)
    suspect = from_blame(equal, same_environment=True, siblings=siblings)
    assert explain(suspect, here).cause is Cause.UNSAVED_STATE
    assert not asked
    [evidence] = explain(from_blame(other, same_environment=True, siblings=siblings), here).evidence
    assert evidence.detail.endswith("it is the weight of `body`")


@pytest.mark.parametrize(
    ("changes", "same_environment", "expected"),
    [
        ({}, True, (Cause.UNKNOWN, Side.UNKNOWN)),
        ({"unreadable": {"lock": "Lock"}}, True, (Cause.UNSAVED_STATE, Side.CANDIDATE)),
        ({"code": "other"}, True, (Cause.IMPLEMENTATION, Side.UNKNOWN)),
        ({"code": ""}, True, (Cause.IMPLEMENTATION, Side.UNKNOWN)),
        ({}, False, (Cause.IMPLEMENTATION, Side.UNKNOWN)),
    ],
)
def test_the_same_code_in_one_environment_is_never_other_code(
    changes: Mapping[str, Any], same_environment: bool, expected: tuple[Cause, Side]
) -> None:
    fault = explained(facts(code="same"), facts(**{"code": "same", **changes}), same_environment=same_environment)
    assert (fault.cause, fault.side) == expected
    assert [e.name for e in fault.evidence] == list(changes.get("unreadable", ()))
