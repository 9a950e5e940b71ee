"""What a selection leaves of a report: records alone, no model is run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from makers import layer_report

from tracer.core.numbers.rounding import ALIKE, rounding_note
from tracer.errors import SpecError
from tracer.records import Cause, Fault, LayerReport, Report, Status, Verdict
from tracer.testing.selection import Selection, matches, select


def layer(path: str, verdict: Verdict, rel: float = 0.0, local: float | None = 0.0, kind: str = "Dense") -> LayerReport:
    made = layer_report(path, verdict, rel, local_error=local, shape=(2, 3))
    return replace(made, class_name=kind)


def report(*layers: LayerReport, **changes: object) -> Report:
    faults = tuple(
        Fault(layer=each.layer, class_name=each.class_name, cause=Cause.CONFIG)
        for each in layers
        if each.verdict is Verdict.INTRODUCED
    )
    made = Report(
        status=Status.DIVERGED if faults else Status.PASS,
        compared=len(layers),
        coverage=1.0,
        first_divergence=None,
        faults=faults,
        layers=layers,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


_A = layer("a", Verdict.IDENTICAL)
_B = layer("b", Verdict.INTRODUCED, 1e-3, 1e-3, "Norm")
_C = layer("c", Verdict.INHERITED, 0.3, 1e-7)
_WRONG = report(_A, _B, _C)


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("enc/dense", "enc/dense", True),
        ("enc/dense", "enc/dense#1:2", True),
        ("enc", "enc/dense", True),
        ("en", "enc/dense", False),
        ("enc/*", "enc/dense", True),
        ("Dense", "enc/other", True),
        ("dense", "enc/dense", False),  # a name inside another layer is named by its path
        ("*/dense", "enc/dense", True),
        ("De*", "x", True),
        ("enc/dense#1", "enc/dense#1", True),
        ("enc/dense#1", "enc/dense", False),
    ],
)
def test_what_a_pattern_names(pattern: str, path: str, found: bool) -> None:
    assert matches(pattern, path, "Dense") is found


def test_nothing_selected_is_the_report_itself() -> None:
    assert select(_WRONG, Selection()) is _WRONG


def test_what_is_left_out_is_told_and_what_it_hands_on_is_excused() -> None:
    found = select(_WRONG, Selection(ignore=("b",)))
    assert (found.status, found.faults, found.compared) == (Status.WITHIN_TOLERANCE, (), 2)
    assert found.notes == (
        "left out by only= and ignore=: b (1 of 3 layer outputs).",
        "left out, and not the same: b (config).",
        "differ only by what they inherit from layers that were left out: c.",
    )


def test_a_layer_before_what_was_left_out_is_not_excused() -> None:
    early = layer("early", Verdict.INHERITED, 0.3, 1e-7)
    found = select(report(early, _B, _C), Selection(ignore=("b",)))
    assert (found.status, found.first_divergence) == (Status.DIVERGED, "early")


def test_one_of_two_faults_stays() -> None:
    second = layer("d", Verdict.INTRODUCED, 0.5, 0.5)
    found = select(report(_A, _B, _C, second), Selection(ignore=("Norm",)))
    assert (found.status, [fault.layer for fault in found.faults]) == (Status.DIVERGED, ["d"])
    assert found.first_divergence == "d"


def test_only_leaves_the_rest_out() -> None:
    assert select(_WRONG, Selection(only=("a",))).status is Status.PASS
    assert select(_WRONG, Selection(only=("a", "b"))).status is Status.DIVERGED


def test_it_is_never_green_when_nothing_is_left() -> None:
    found = select(report(_A, layer("c", Verdict.IDENTICAL)), Selection(ignore=("a", "Dense")))
    assert (found.status, found.matches, found.compared) == (Status.INCONCLUSIVE, False, 0)
    assert "nothing is left to compare" in found.reason


@pytest.mark.parametrize(
    "selection", [Selection(only=("bb",)), Selection(ignore=("bb",)), Selection(tolerances={"bb": 1e-3})]
)
def test_a_name_that_matches_nothing_is_an_error(selection: Selection) -> None:
    with pytest.raises(SpecError, match=r"'bb' names no layer .* Did you mean b\?"):
        select(_WRONG, selection)


@pytest.mark.parametrize("bound", [-1e-3, 0.5, 1.0, float("nan"), float("inf")])
def test_what_is_no_tolerance(bound: float) -> None:
    with pytest.raises(SpecError, match="relative L2 error"):
        select(_WRONG, Selection(tolerances={"*": bound}))


def test_a_fault_within_its_tolerance_is_told_and_does_not_excuse_what_it_does_to_others() -> None:
    found = select(_WRONG, Selection(tolerances={"b": 1e-2}))
    assert (found.status, found.faults, found.first_divergence) == (Status.DIVERGED, (), "c")
    assert "within the tolerance that was given: b." in found.notes
    assert "c: relative error 0.3, tolerance 2e-06." in found.notes


def test_all_within_tolerance_is_a_pass_within_tolerance() -> None:
    found = select(_WRONG, Selection(tolerances={"*": 1e-2, "c": 0.4}))
    assert (found.status, found.faults) == (Status.WITHIN_TOLERANCE, ())
    assert [each.tolerance for each in found.layers] == [2e-6, 1e-2, 0.4]


def test_the_last_of_several_tolerances_counts() -> None:
    assert select(_WRONG, Selection(tolerances={"c": 0.4, "*": 1e-2})).first_divergence == "c"


def test_a_tolerance_can_be_tighter() -> None:
    close = layer("close", Verdict.CLOSE, 1e-7, 1e-7)
    assert select(report(_A, close), Selection(tolerances={"*": 1e-6})).status is Status.WITHIN_TOLERANCE
    found = select(report(_A, close, status=Status.WITHIN_TOLERANCE), Selection(tolerances={"*": 1e-8}))
    assert (found.status, found.first_divergence) == (Status.DIVERGED, "close")
    assert found.layers[1].verdict is Verdict.INTRODUCED


def test_a_single_sample_counts() -> None:
    sample = replace(_B, difference=replace(_B.difference, sample_error=0.1))
    assert select(report(_A, sample), Selection(tolerances={"b": 1e-2})).status is Status.DIVERGED
    assert select(report(_A, sample), Selection(tolerances={"b": 3e-2})).status is Status.WITHIN_TOLERANCE


@pytest.mark.parametrize(
    ("bound", "status"), [(1e-2, Status.WITHIN_TOLERANCE), (1e-4, Status.DIVERGED), (1e-6, Status.DIVERGED)]
)
def test_what_only_rounds_has_the_tolerance_that_was_given_for_it(bound: float, status: Status) -> None:
    rounds = replace(layer("r", Verdict.INHERITED, 1e-3, 1e-3), note=rounding_note(1e-3, ALIKE))
    chosen = select(report(_A, rounds, status=Status.DIVERGED), Selection(tolerances={"r": bound}))
    assert chosen.status is status


def test_another_shape_has_no_tolerance() -> None:
    shape = layer("b", Verdict.INTRODUCED, 0.0, 0.0)
    found = select(report(_A, replace(shape, note="shape (2, 3), (2, 4)")), Selection(tolerances={"*": 0.4}))
    assert found.status is Status.DIVERGED and found.faults


def test_weights_have_no_tolerance_but_can_be_left_out() -> None:
    hidden = Fault(layer="a", class_name="Dense", cause=Cause.WEIGHTS)
    wrong = report(_A, _C, status=Status.DIVERGED, hidden=(hidden,))
    assert select(wrong, Selection(tolerances={"*": 0.4})).status is Status.DIVERGED
    found = select(
        report(_A, layer("c", Verdict.IDENTICAL), status=Status.DIVERGED, hidden=(hidden,)), Selection(ignore=("a",))
    )
    assert (found.status, found.hidden) == (Status.PASS, ())
    assert "left out, and not the same: a (weights)." in found.notes


def test_settings_count_with_strict_alone() -> None:
    other = Fault(layer="a", class_name="Dense", cause=Cause.CONFIG)
    wrong = report(_A, _C, status=Status.DIVERGED, hidden=(other,), faults=())
    assert select(replace(wrong, layers=(_A,)), Selection(only=("a",), strict=True)).status is Status.DIVERGED


def test_an_inconclusive_report_stays_so_whatever_is_left_out() -> None:
    found = select(
        report(_A, layer("c", Verdict.IDENTICAL), status=Status.INCONCLUSIVE, reason="why"), Selection(ignore=("c",))
    )
    assert (found.status, found.reason) == (Status.INCONCLUSIVE, "why")


def test_a_dead_signal_is_not_hidden_by_a_fault_that_was_left_out() -> None:
    dead = "the signal is dead: 2 of 3 activations are constant. Give other inputs, or a model with other weights."
    found = select(replace(_WRONG, notes=(dead,)), Selection(ignore=("b",)))
    assert (found.status, found.reason) == (Status.INCONCLUSIVE, dead)


def test_a_layer_that_differs_from_itself_is_not_hidden_by_a_fault_that_was_left_out() -> None:
    random = replace(layer("r", Verdict.NONDETERMINISTIC, 0.5, 0.5), note="it differs from itself when run twice")
    found = select(report(_A, _B, random), Selection(ignore=("b",)))
    assert found.status is Status.INCONCLUSIVE and "r: it differs from itself" in found.reason


def test_what_nothing_explains_stays_diverged() -> None:
    """A report may diverge at its outputs without a layer that shows it."""
    found = select(report(_A, layer("c", Verdict.IDENTICAL), status=Status.DIVERGED), Selection(ignore=("a",)))
    assert found.status is Status.DIVERGED
