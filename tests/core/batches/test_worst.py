"""One report of several batches: records alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tracer.core.batches.worst import add_batch
from tracer.records import Difference, Fault, Inputs, LayerReport, Predictions, Report, Status, Verdict

_SAME = Difference(rel_error=0.0, max_abs=0.0, max_ulp=0.0, cosine=1.0)


def layer(path: str, verdict: str, error: float = 0.0, **more: Any) -> LayerReport:
    return LayerReport(
        layer=path, class_name="Dense", verdict=Verdict(verdict), difference=replace(_SAME, rel_error=error, **more),
        local_error=0.0, tolerance=1e-6,
    )  # fmt: skip


def report(*layers: LayerReport, status: str = "pass", **more: Any) -> Report:
    fed = Inputs(origin="given", samples=4, shapes={"x": (4, 2)}, conversions=("x was cast.",))
    values = {"coverage": 1.0, "first_divergence": None, "faults": (), "inputs": fed, **more}
    return Report(status=Status(status), compared=len(layers), layers=layers, **values)


def added(*reports: Report) -> Report:
    whole, *others = reports
    for other in others:
        whole = add_batch(whole, other)
    return whole


def test_equal_batches_are_equal_and_no_batch_is_the_worst() -> None:
    one = report(layer("a", "identical"), layer("b", "identical"))
    found = added(one, one, one)
    assert (found.status, found.batches, found.compared, found.matches) == ("pass", 3, 2, True)
    assert {each.worst_batch for each in found.layers} == {None}
    assert found.inputs == replace(one.inputs, samples=12)  # type: ignore[type-var]


def test_of_each_layer_the_worst_batch_counts() -> None:
    found = added(
        report(layer("a", "close", 1e-7), layer("b", "close", 5e-7), status="pass-within-tolerance"),
        report(layer("a", "close", 3e-7), layer("b", "identical"), status="pass-within-tolerance"),
        report(layer("a", "close", 2e-7), layer("b", "close", 4e-7), status="pass-within-tolerance"),
    )
    assert [(each.rel_error, each.worst_batch) for each in found.layers] == [(3e-7, 1), (5e-7, 0)]
    assert found.status == "pass-within-tolerance"


@pytest.mark.parametrize("worse", ["sample_error", "rel_error"])
def test_a_single_sample_can_make_a_batch_the_worst(worse: str) -> None:
    bad = layer("a", "close", 1e-7, **({"sample_error": 3e-6} if worse == "sample_error" else {}))
    bad = bad if worse == "sample_error" else layer("a", "close", 9e-7)
    assert added(report(layer("a", "close", 2e-7)), report(bad)).layers[0].worst_batch == 1


def test_a_verdict_weighs_more_than_an_error() -> None:
    guilty = report(layer("a", "introduced", 1e-5), status="diverged")
    found = added(report(layer("a", "inherited", 0.5), status="diverged"), guilty)
    assert (found.layers[0].verdict, found.layers[0].worst_batch) == ("introduced", 1)
    found = added(guilty, report(layer("a", "inherited", 0.5), status="diverged"))
    assert (found.layers[0].verdict, found.layers[0].worst_batch) == ("introduced", 0)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("pass", "diverged", "pass"), "diverged"),
        (("inconclusive", "pass"), "inconclusive"),
        (("pass", "inconclusive", "diverged"), "diverged"),
        (("pass", "pass-within-tolerance"), "pass-within-tolerance"),
        (("diverged", "inconclusive"), "diverged"),
    ],
)
def test_the_worst_status_is_that_of_the_whole(statuses: tuple[str, ...], expected: str) -> None:
    reasons = {"inconclusive": "it is dead"}
    found = added(*(report(layer("a", "identical"), status=s, reason=reasons.get(s, "")) for s in statuses))
    assert found.status == expected
    assert found.reason == reasons.get(expected, "")


def test_the_first_divergence_is_the_first_in_execution_order_of_any_batch() -> None:
    found = added(
        report(layer("a", "identical"), layer("b", "introduced", 1.0), status="diverged", first_divergence="b"),
        report(layer("a", "introduced", 1.0), layer("b", "identical"), status="diverged", first_divergence="a"),
    )
    assert found.first_divergence == "a"


def test_faults_of_all_batches_are_told_in_execution_order_each_as_its_worst_batch_tells_it() -> None:
    def fault(path: str, remedy: str, **more: Any) -> Fault:
        return Fault(layer=path, class_name="Dense", remedy=remedy, **more)

    first = report(
        layer("a", "identical"), layer("b", "masked", 0.1), status="diverged",
        faults=(fault("b", "first", masked=True),), hidden=(fault("a", "hidden"), fault("c", "hidden")),
    )  # fmt: skip
    second = report(
        layer("a", "introduced", 0.3), layer("b", "introduced", 0.2), status="diverged",
        faults=(fault("a", "second"), fault("b", "second")), hidden=(fault("c", "hidden"),),
    )  # fmt: skip
    for found in (added(first, second), added(second, first)):
        assert [(f.layer, f.remedy, f.masked) for f in found.faults] == [("a", "second", False), ("b", "second", False)]
        assert [f.layer for f in found.hidden] == ["c"]


def test_what_one_batch_alone_has_is_told() -> None:
    found = added(
        report(layer("a", "identical"), unmatched={"reference": ("x",), "candidate": ()}, notes=("n",), coverage=0.5),
        report(layer("a", "identical"), layer("z", "close", 1e-7), unmatched={"reference": ("y",)}, notes=("n", "m")),
    )
    assert [each.layer for each in found.layers] == ["a", "z"] and found.compared == 2
    assert found.unmatched == {"reference": ("x", "y"), "candidate": ()}
    assert (found.notes, found.coverage) == (("n", "m"), 0.5)
    assert added(report(layer("a", "identical")), report(layer("a", "identical"), coverage=0.5)).coverage == 0.5


def test_predictions_are_counted_over_all_batches() -> None:
    def said(changed: int, *samples: int) -> Report:
        told = Predictions(output="out", rule="argmax", total=4, changed=changed, samples=samples)
        return report(layer("a", "identical"), predictions=(told,))

    [found] = added(said(1, 2), said(0), said(2, 0, 3)).predictions
    assert (found.total, found.changed, found.samples) == (12, 3, (2, 8, 11))


def test_it_comes_back_from_json() -> None:
    told = (Predictions(output="out", rule="threshold", total=4, changed=1, samples=(2,)),)
    found = added(
        report(layer("a", "close", 1e-7), predictions=told), report(layer("a", "close", 2e-7), predictions=told)
    )
    assert Report.from_dict(found.to_dict()) == found
    old = {key: value for key, value in found.to_dict().items() if key not in ("predictions", "batches")}
    assert (Report.from_dict(old).predictions, Report.from_dict(old).batches) == ((), 1)
