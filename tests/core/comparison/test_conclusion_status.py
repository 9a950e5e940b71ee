"""`conclusion`: what becomes of the verdicts of a trace: masked faults, and the status of the whole.  Records only."""

from __future__ import annotations

import pytest
from traces import CLOSE, FAR, SAME, judged, report, traced

from tracer.core.comparison.conclusion import conclusion, differs, layer_reports
from tracer.core.comparison.gap import Gap
from tracer.records import LayerReport, Status, Verdict


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
        ((Verdict.IDENTICAL,), SAME, 0, Status.PASS),
        ((Verdict.IDENTICAL, Verdict.CLOSE), CLOSE, 0, Status.WITHIN_TOLERANCE),
        ((Verdict.IDENTICAL,), CLOSE, 0, Status.WITHIN_TOLERANCE),  # the outputs count too
        ((Verdict.CLOSE, Verdict.CLOSE), SAME, 0, Status.WITHIN_TOLERANCE),
        ((Verdict.INTRODUCED, Verdict.INHERITED), FAR, 1, Status.DIVERGED),
        ((Verdict.MASKED, Verdict.IDENTICAL), SAME, 1, Status.DIVERGED),  # though the outputs agree
        ((Verdict.CLOSE, Verdict.INHERITED), FAR, 0, Status.DIVERGED),
        ((Verdict.NONDETERMINISTIC, Verdict.INHERITED), FAR, 0, Status.INCONCLUSIVE),
        ((Verdict.NONDETERMINISTIC, Verdict.INTRODUCED), FAR, 1, Status.DIVERGED),
        ((Verdict.INCOMPARABLE, Verdict.IDENTICAL), SAME, 0, Status.DIVERGED),
        ((Verdict.INCOMPARABLE, Verdict.INCOMPARABLE), FAR, 0, Status.INCONCLUSIVE),
        ((), SAME, 0, Status.INCONCLUSIVE),
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
