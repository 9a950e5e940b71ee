"""`localize`: from judged call sites to blame, first divergence and status.  Records only, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from traces import CLOSE, FAR, both_have, call, judged, report, traced, value

from tracer.core.comparison.alignment import Alignment
from tracer.core.comparison.conclusion import first_divergence
from tracer.core.comparison.localize import Blame, blames, without_effect
from tracer.core.comparison.lockstep import Trace
from tracer.core.source import End, Facts, Value
from tracer.records import Verdict


def blamed(trace: Trace) -> list[tuple[str, str]]:
    return [(blame.layer, blame.kind) for blame in blames(trace)]


# --- layers that are wrong by themselves


def test_only_what_is_introduced_is_blamed_in_execution_order() -> None:
    trace = traced(
        judged("a"), judged("b", Verdict.INTRODUCED), judged("c", Verdict.INHERITED, other_inputs=("args[0]",)),
        judged("d", Verdict.INTRODUCED, other_inputs=("args[0]",)), judged("e", Verdict.CLOSE),
    )  # fmt: skip
    found = blames(trace)
    assert [(blame.layer, blame.kind, blame.order) for blame in found] == [("b", "layer", 1), ("d", "layer", 3)]


def test_a_blame_carries_both_sides_outputs_for_the_proof() -> None:
    [blame] = blames(traced(judged("a", Verdict.INTRODUCED)))
    [(path, here, there)] = blame.replaced
    assert (path, here[0].array[0, 0], there[0].array[0, 0]) == ("a", 0.0, 1.0)


def test_the_first_divergence_is_not_the_fault() -> None:
    """A rewired model: what differs first is not what is to blame."""
    layers = (report("a", Verdict.CLOSE), report("b", Verdict.INHERITED), report("c", Verdict.INTRODUCED))
    assert first_divergence(layers) == "b"
    assert first_divergence(layers[:1]) is None


def test_a_time_distributed_layer_has_no_numbers_of_its_own() -> None:
    inside = Facts(
        class_name="keras.layers.TimeDistributed", weights={}, state={}, policy={}, arguments=(),
        config={"layer": {"class_name": "Dense", "config": {"name": "step"}}},
    )  # fmt: skip
    judgement = judged("each", Verdict.INTRODUCED, class_name="TimeDistributed", facts=(inside, inside))
    [blame] = blames(traced(judgement))
    assert (blame.layer, blame.class_name) == ("each/step", "Dense")
    assert blame.replaced[0][0] == "each"  # the proof puts in what the call site returned


def test_another_class_and_a_note_are_evidence() -> None:
    judgement = judged("a", Verdict.INTRODUCED, layers=(report("a", Verdict.INTRODUCED, note="the masks differ"),))
    judgement = replace(judgement, candidate=replace(judgement.candidate, class_name="Conv2D"))
    [blame] = blames(traced(judgement))
    mask, kind = blame.evidence
    assert (mask.kind, mask.detail) == ("mask", "the masks differ")
    assert (kind.kind, kind.reference, kind.candidate) == ("wiring", "Dense", "Conv2D")


def test_a_box_that_hands_on_other_tensors_says_to_whom() -> None:
    [blame] = blames(traced(judged("box", Verdict.INTRODUCED, inner_inputs="box/inner")))
    assert [(e.kind, e.name) for e in blame.evidence] == [("wiring", "box/inner")]


# --- layers that are called otherwise


@pytest.mark.parametrize(
    ("leak", "box", "culprit"),
    [({"drop": "stop"}, "block", "stop"), ({}, "block", "block"), ({}, "", "drop")],
    ids=["who-changed-it", "the-box-that-calls", "nobody-known"],
)
def test_the_context_is_blamed_on_who_changed_it(leak: Mapping[str, str], box: str, culprit: str) -> None:
    sides = ({}, {"training": "true"})
    judgement = judged("drop", Verdict.INHERITED, context=sides, context_differs=True, box=box)
    [blame] = blames(traced(judged("stop"), judgement, leak=dict(leak)))
    assert (blame.layer, blame.kind) == (culprit, "context")
    assert [(e.name, e.reference, e.candidate) for e in blame.evidence] == [("training", "absent", "true")]


def test_one_culprit_of_several_calls_is_one_blame_with_all_of_them() -> None:
    two = [judged(p, Verdict.INHERITED, context=({}, {"training": "true"}), context_differs=True) for p in ("d1", "d2")]
    [blame] = blames(traced(judged("stop"), *two, leak={"d1": "stop", "d2": "stop"}))
    assert blame.layer == "stop"
    assert [path for path, _, _ in blame.replaced] == ["d1", "d2"]


# --- wiring


def test_other_wiring_with_other_inputs_is_topology() -> None:
    rewired = judged("add", Verdict.INHERITED, "a", "b", there=("b", "b"), other_inputs=("args[0]",))
    [blame] = blames(traced(judged("a"), judged("b"), rewired))
    assert (blame.layer, blame.kind) == ("add", "topology")
    assert (blame.evidence[0].reference, blame.evidence[0].candidate) == ("a, b", "b, b")


def test_other_wiring_with_the_same_inputs_is_not_blamed() -> None:
    assert blamed(traced(judged("a"), judged("add", Verdict.IDENTICAL, "a", there=("b",)))) == []


# The reference casts its input itself, the candidate's graph has a cast before the layer.
_ROW = np.linspace(-1.0, 1.0, 7, dtype="float32")


def _cast(here: np.ndarray, there: np.ndarray, compute_dtype: str = "float16") -> Trace:
    """`dense` is given these, behind a `cast` of the candidate's graph."""
    fed = judged("dense", Verdict.CLOSE, "x", there=("cast",), other_inputs=("args[0]",), compute_dtype=compute_dtype)
    inputs = [(Value(array=array, name="args[0]"),) for array in (here, there)]
    sides = replace(fed.reference, inputs=inputs[0]), replace(fed.candidate, inputs=inputs[1])
    fed = replace(fed, reference=sides[0], candidate=sides[1])
    lone = (call("cast", "x", class_name="Cast", is_operation=True),)
    return traced(
        fed, unmatched_candidate=lone, alignment=Alignment({}, frozenset({"dense"}), frozenset({"dense", "cast"}))
    )


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_a_cast_of_the_graph_that_the_layer_makes_itself_is_nobodys_fault(dtype: Any) -> None:
    half = _ROW.astype(dtype)
    assert blamed(_cast(_ROW, half, half.dtype.name)) == []
    assert blamed(_cast(half, _ROW, half.dtype.name)) == []


@pytest.mark.parametrize(
    "trace",
    [
        _cast(_ROW, _ROW.astype("float16") * np.float16(1.01)),  # other numbers
        _cast(_ROW, _ROW.astype("float16"), "float32"),  # the layer computes with what was lost
        _cast(_ROW, _ROW[::-1]),  # no cast at all
        _cast(_ROW.astype("int32"), _ROW.astype("float16")),
    ],
    ids=["other-numbers", "other-dtype", "no-cast", "integers"],
)
def test_what_changes_more_than_the_layer_itself_does_is_a_fault(trace: Trace) -> None:
    assert blamed(trace) == [("cast", "topology")]


def _extra(**changes: Any) -> Trace:
    """The candidate has `extra` between `a` and `b`; the paths that the sides know can be chosen."""
    judgements = (judged("a"), judged("b", Verdict.INHERITED, "a", there=("extra",), other_inputs=("args[0]",)))
    here, there = frozenset({"a", "b"}), frozenset({"a", "b", "extra"})
    return traced(
        *judgements, unmatched_candidate=(call("extra", "a"),), **{"alignment": Alignment({}, here, there), **changes}
    )


def test_a_layer_that_only_one_side_has_is_blamed_and_not_the_layer_behind_it() -> None:
    [blame] = blames(_extra())
    assert (blame.layer, blame.kind, blame.order) == ("extra", "topology", 0)
    assert (blame.evidence[0].reference, blame.evidence[0].candidate) == ("absent", "Dense")
    assert blame.reaches


def test_a_call_more_of_a_layer_that_both_have_is_blamed_where_it_is_used() -> None:
    both = frozenset({"a", "b", "extra"})
    assert blamed(_extra(alignment=both_have(both))) == [("b", "topology")]


def test_a_lone_layer_whose_effect_reaches_nothing_is_told_and_not_blamed() -> None:
    alignment = Alignment({}, frozenset({"a", "b"}), frozenset({"a", "b", "extra"}))
    trace = traced(judged("a"), judged("b"), unmatched_candidate=(call("extra", "a"),), alignment=alignment)
    assert blames(trace) == ()
    [(path, (class_name, evidence))] = without_effect(trace, ()).items()
    assert (path, class_name, evidence.reference, evidence.candidate) == ("extra", "Dense", "absent", "Dense")
    assert without_effect(trace, ("extra",)) == {}


def test_a_lone_layer_that_changes_no_more_than_rounding_is_not_blamed() -> None:
    """Two backends: whatever hangs on it has other bytes, and the same numbers."""
    trace = _extra()
    near = judged("b", Verdict.CLOSE, "a", there=("extra",), other_inputs=("args[0]",), handed=1e-9)
    near = replace(near, reference=replace(near.reference, inputs=(value(1.0),)))
    near = replace(near, candidate=replace(near.candidate, inputs=(value(1.0 + 1e-7),)))
    assert blames(replace(trace, judgements=(judged("a"), near), outputs=(CLOSE,))) == ()


def test_a_lone_layer_in_code_that_is_at_fault_is_blamed_with_it() -> None:
    """Code has no wiring to show what hangs on a layer."""
    lone = call("box/extra", wiring=None, box="box")
    alignment = Alignment({}, frozenset({"a", "box"}), frozenset({"a", "box", "box/extra"}))
    guilty = traced(judged("a"), judged("box", Verdict.INTRODUCED), unmatched_candidate=(lone,), alignment=alignment)
    assert {layer for layer, _ in blamed(guilty)} == {"box", "box/extra"}
    right = traced(judged("a"), judged("box"), unmatched_candidate=(lone,), alignment=alignment)
    assert blamed(right) == []


def test_a_call_more_without_effect_is_not_blamed() -> None:
    both = frozenset({"a", "b"})
    assert (
        blamed(traced(judged("a"), judged("b"), unmatched_candidate=(call("a#1", "b"),), alignment=both_have(both)))
        == []
    )


def test_what_feeds_a_lone_layer_and_is_lone_is_blamed_too() -> None:
    chain = (call("extra", "before"), call("before", "a"))
    trace = replace(_extra(), unmatched_candidate=chain)
    assert {layer for layer, _ in blamed(trace)} == {"extra", "before"}


def test_outputs_taken_from_elsewhere_are_blamed_when_nothing_else_explains_it() -> None:
    trace = traced(judged("a"), judged("b"), output=FAR, candidate_end=End(outputs=(value(1.0),), wiring=("a",)))
    [blame] = blames(trace)
    assert (blame.layer, blame.kind, blame.evidence[0].name) == ("b", "topology", "model outputs")
    assert blamed(replace(trace, judgements=(judged("a", Verdict.INTRODUCED), judged("b")))) == [("a", "layer")]


def test_the_first_that_is_handed_something_else_is_blamed_when_nothing_else_explains_it() -> None:
    handed = judged("b", Verdict.INHERITED, other_inputs=("args[1]",))
    [blame] = blames(traced(judged("a"), handed, judged("c", Verdict.INHERITED, other_inputs=("args[0]",))))
    assert (blame.layer, blame.kind) == ("b", "context")
    assert "args[1]" in blame.evidence[0].detail


def test_blames_are_values() -> None:
    trace = traced(judged("a", Verdict.INTRODUCED))
    assert [type(blame) for blame in blames(trace)] == [Blame]
    assert blamed(trace) == blamed(trace)


def test_an_operation_that_nothing_hangs_on_is_no_layer_to_tell_of() -> None:
    """One release writes a cast into the graph that another doesn't."""
    quiet = traced(judged("a"), unmatched_candidate=(call("cast", "a"),))
    assert blames(quiet) == ()
    assert without_effect(quiet, ()) == {}
