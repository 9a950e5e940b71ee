"""`localize`: from judged call sites to blame, first divergence and status.  Records only, no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tracer.core.comparison.alignment import Alignment
from tracer.core.comparison.conclusion import conclusion, differs, first_divergence, layer_reports
from tracer.core.comparison.gap import Gap
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame, blames
from tracer.core.comparison.lockstep import Trace
from tracer.core.source import Call, End, Facts, Run, Value
from tracer.records import Difference, LayerReport, Status, Verdict

_SAME = Gap(difference=Difference(rel_error=0.0, max_abs=0.0, max_ulp=0.0, cosine=1.0), kind="", same=True)
_CLOSE = replace(_SAME, same=False, tolerance=1e-5, difference=replace(_SAME.difference, rel_error=1e-7))
_FAR = replace(_SAME, same=False, tolerance=1e-5, difference=replace(_SAME.difference, rel_error=0.5))
_ERRORS = {Verdict.IDENTICAL: 0.0, Verdict.CLOSE: 1e-7, Verdict.INCOMPARABLE: math.inf}


def value(number: float, name: str = "args[0]") -> Value:
    return Value(array=np.full((2, 3), number, "float32"), name=name)


def call(path: str, *wiring: str, side: float = 0.0, **changes: Any) -> Call:
    given: dict[str, Any] = {
        "path": path, "class_name": "Dense", "box": "", "is_box": False, "inputs": (value(0.0),),
        "outputs": (value(side),), "context": {}, "wiring": wiring, **changes,
    }  # fmt: skip
    return Call(**given)


def report(path: str, verdict: Verdict, **changes: Any) -> LayerReport:
    error = changes.pop("rel_error", _ERRORS.get(verdict, 0.5))
    numbers = Difference(rel_error=error, max_abs=0.0, max_ulp=0.0, cosine=1.0)
    given: dict[str, Any] = {"difference": numbers, "local_error": 0.0, "tolerance": 1e-5, **changes}
    return LayerReport(layer=path, class_name="Dense", verdict=verdict, **given)


def judged(
    path: str, verdict: Verdict = Verdict.IDENTICAL, *wiring: str, there: Any = None, **changes: Any
) -> Judgement:
    """A call site with that verdict; `there` is the candidate's wiring where it is another."""
    shared = {key: changes.pop(key) for key in ("box", "class_name", "compute_dtype") if key in changes}
    here, other = changes.pop("context", ({}, {}))
    return Judgement(
        reference=call(path, *wiring, context=here, **shared),
        candidate=call(path, *(wiring if there is None else there), side=1.0, context=other, **shared),
        layers=changes.pop("layers", (report(path, verdict),)),
        introduced=verdict is Verdict.INTRODUCED,
        **changes,
    )


def both_have(paths: frozenset[str]) -> Alignment:
    return Alignment({}, paths, paths)


def traced(*judgements: Judgement, output: Gap | None = None, **changes: Any) -> Trace:
    wrong = any(layer.rel_error > 1e-5 for judgement in judgements for layer in judgement.layers)
    last = judgements[-1].reference.path if judgements else ""
    paths = frozenset(judgement.reference.path for judgement in judgements)
    given: dict[str, Any] = {
        "judgements": judgements, "unmatched_reference": (), "unmatched_candidate": (),
        "outputs": (output or (_FAR if wrong else _SAME),),
        "reference_end": End(outputs=(value(0.0),), wiring=(last,)),
        "candidate_end": End(outputs=(value(1.0),), wiring=(last,)),
        "leak": {}, "alignment": both_have(paths), "run": Run(inputs=()), **changes,
    }  # fmt: skip
    return Trace(**given)


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
    assert [path for path, _, _ in blame.replaced] == ["b"]  # where it comes back into the flow


def test_a_call_more_of_a_layer_that_both_have_is_blamed_where_it_is_used() -> None:
    both = frozenset({"a", "b", "extra"})
    assert blamed(_extra(alignment=both_have(both))) == [("b", "topology")]


def test_a_lone_layer_that_nothing_hangs_on_is_a_finding_that_nothing_can_heal() -> None:
    alignment = Alignment({}, frozenset({"a", "b"}), frozenset({"a", "b", "extra"}))
    [blame] = blames(traced(judged("a"), judged("b"), unmatched_candidate=(call("extra", "a"),), alignment=alignment))
    assert (blame.layer, blame.kind, blame.replaced) == ("extra", "topology", ())


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
    trace = traced(judged("a"), judged("b"), output=_FAR, candidate_end=End(outputs=(value(1.0),), wiring=("a",)))
    [blame] = blames(trace)
    assert (blame.layer, blame.kind, blame.evidence[0].name) == ("b", "topology", "model outputs")
    assert blamed(replace(trace, judgements=(judged("a", Verdict.INTRODUCED), judged("b")))) == [("a", "layer")]


def test_the_first_that_is_handed_something_else_is_blamed_when_nothing_else_explains_it() -> None:
    handed = judged("b", Verdict.INHERITED, other_inputs=("args[1]",))
    [blame] = blames(traced(judged("a"), handed, judged("c", Verdict.INHERITED, other_inputs=("args[0]",))))
    assert (blame.layer, blame.kind) == ("b", "context")
    assert "args[1]" in blame.evidence[0].detail


# --- masked


def test_only_introduced_faults_become_masked() -> None:
    judgements = (judged("a", Verdict.INTRODUCED), judged("b", Verdict.INHERITED), judged("c", Verdict.INTRODUCED))
    layers = layer_reports(traced(*judgements), masked=["a", "b"])
    assert [layer.verdict for layer in layers] == [Verdict.MASKED, Verdict.INHERITED, Verdict.INTRODUCED]


def test_every_output_of_a_call_site_is_reported() -> None:
    two = judged("a", layers=(report("a", Verdict.IDENTICAL), report("a:1", Verdict.CLOSE)))
    assert [layer.layer for layer in layer_reports(traced(two, judged("b")), ())] == ["a", "a:1", "b"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (report("a", Verdict.IDENTICAL), False),
        (report("a", Verdict.CLOSE), False),
        (report("a", Verdict.INHERITED), True),
        (report("a", Verdict.INTRODUCED), True),
        (report("a", Verdict.MASKED), True),
        (report("a", Verdict.INTRODUCED, rel_error=0.0), False),  # wrong on the reference's inputs alone
        (report("a", Verdict.INTRODUCED, rel_error=0.0, note="the masks differ"), True),
        (report("a", Verdict.INCOMPARABLE), True),
    ],
)
def test_what_differs_as_it_came(layer: LayerReport, expected: bool) -> None:
    assert differs(layer) is expected


# --- status


@pytest.mark.parametrize(
    ("verdicts", "output", "faults", "expected"),
    [
        ((Verdict.IDENTICAL,), _SAME, 0, Status.PASS),
        ((Verdict.IDENTICAL, Verdict.CLOSE), _CLOSE, 0, Status.WITHIN_TOLERANCE),
        ((Verdict.IDENTICAL,), _CLOSE, 0, Status.WITHIN_TOLERANCE),  # the outputs count too
        ((Verdict.CLOSE, Verdict.CLOSE), _SAME, 0, Status.WITHIN_TOLERANCE),
        ((Verdict.INTRODUCED, Verdict.INHERITED), _FAR, 1, Status.DIVERGED),
        ((Verdict.MASKED, Verdict.IDENTICAL), _SAME, 1, Status.DIVERGED),  # though the outputs agree
        ((Verdict.CLOSE, Verdict.INHERITED), _FAR, 0, Status.DIVERGED),
        ((Verdict.NONDETERMINISTIC, Verdict.INHERITED), _FAR, 0, Status.INCONCLUSIVE),
        ((Verdict.NONDETERMINISTIC, Verdict.INTRODUCED), _FAR, 1, Status.DIVERGED),
        ((Verdict.INCOMPARABLE, Verdict.IDENTICAL), _SAME, 0, Status.DIVERGED),
        ((Verdict.INCOMPARABLE, Verdict.INCOMPARABLE), _FAR, 0, Status.INCONCLUSIVE),
        ((), _SAME, 0, Status.INCONCLUSIVE),
    ],
)
def test_what_the_whole_comparison_says(
    verdicts: tuple[Verdict, ...], output: Gap, faults: int, expected: Status
) -> None:
    judgements = [judged(f"l{i}", verdict) for i, verdict in enumerate(verdicts)]
    trace = traced(*judgements, output=output)
    found = conclusion(trace, layer_reports(trace, ()), faults)
    assert found.status is expected
    assert bool(found.reason) is (expected is Status.INCONCLUSIVE)


def test_blames_are_values() -> None:
    trace = traced(judged("a", Verdict.INTRODUCED))
    assert [type(blame) for blame in blames(trace)] == [Blame]
    assert blamed(trace) == blamed(trace)


def test_an_operation_that_nothing_hangs_on_is_nobodys_fault_and_a_layer_is() -> None:
    """One release writes a cast into the graph that another doesn't."""
    quiet = traced(judged("a"), unmatched_candidate=(call("cast", "a"),))
    assert blames(quiet) == ()
    alignment = Alignment({}, frozenset({"a"}), frozenset({"a", "cast"}))
    (blame,) = blames(traced(judged("a"), unmatched_candidate=(call("cast", "a"),), alignment=alignment))
    assert (blame.layer, blame.kind) == ("cast", "topology")
