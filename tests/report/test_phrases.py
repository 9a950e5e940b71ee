"""`tracer.report.phrases` and `tracer.report.style`: the first line, what to do next, and numbers for reading."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import fault, layer_report, report

from tracer.records import Cause, Fault, Inputs, LayerReport, Predictions, Report, Side, Status, Verdict
from tracer.report import phrases, style

_DIVERGED, _INCONCLUSIVE, _WITHIN = Status.DIVERGED, Status.INCONCLUSIVE, Status.WITHIN_TOLERANCE


def weights(*names: str) -> tuple[Fault, ...]:
    return tuple(fault(name, cause=Cause.WEIGHTS) for name in names)


def settings(*names: str) -> tuple[Fault, ...]:
    return tuple(fault(name, cause=Cause.CONFIG) for name in names)


_SAME, _FAR = layer_report("a", Verdict.IDENTICAL), layer_report("b", Verdict.INHERITED, 0.5)
_ONE = (fault("x", side=Side.CANDIDATE),)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (report(_SAME), "PASS: 1 layer output is bit-identical"),
        (report(_SAME, _SAME), "PASS: 2 layer outputs are bit-identical"),
        (
            report(_SAME, layer_report("b", Verdict.CLOSE, 1e-6), status=_WITHIN),
            "PASS within tolerance: 2 layer outputs compared, worst layer b: 1.0e-06 of 2.0e-06 allowed",
        ),
        (report(_SAME, status=_WITHIN), "PASS within tolerance: 1 layer output is bit-identical"),
        (report(_FAR, status=_DIVERGED, faults=_ONE), "DIVERGED: 1 layer is at fault: x (the candidate is wrong)"),
        (report(_FAR, status=_DIVERGED, faults=weights(*"xyz")), "DIVERGED: 3 layers are at fault: x, y, z"),
        (report(_FAR, status=_DIVERGED, faults=weights(*"vwxyz")),
         "DIVERGED: 5 layers are at fault: v, w, x and 2 more"),
        (
            report(_FAR, status=_DIVERGED, first_divergence="b"),
            "DIVERGED: from b on, but no layer could be blamed",
        ),
        (
            report(status=_DIVERGED, unmatched={"reference": ("p",), "candidate": ("q", "r")}),
            "DIVERGED: the structures differ: 3 layers without a partner",
        ),
        (report(_FAR, status=_DIVERGED), "DIVERGED: the sides differ, but no layer could be blamed"),
        # Layers that aren't the same though these inputs don't show it.
        (
            report(_SAME, status=_DIVERGED, hidden=weights("e")),
            "DIVERGED: the outputs agree on these inputs, but the weights of 1 layer differ: e",
        ),
        (
            report(_FAR, status=_DIVERGED, hidden=weights("e", "f")),
            "DIVERGED: these inputs do not show it, but the weights of 2 layers differ: e, f",
        ),
        (
            report(_SAME, status=_DIVERGED, hidden=settings("e")),
            "DIVERGED: the outputs agree on these inputs, but 1 layer is set otherwise: e",
        ),
        (
            report(_SAME, status=_DIVERGED, hidden=settings("e", "f") + weights("g")),
            "DIVERGED: the outputs agree on these inputs, but the weights of 1 layer differ: g",
        ),
        (
            report(_FAR, status=_DIVERGED, faults=_ONE, hidden=settings("e", "f")),
            "DIVERGED: 1 layer is at fault: x (the candidate is wrong); 2 more layers are set otherwise: e, f, "
            "which these inputs don't show",
        ),
        # Nothing shown.
        (report(_SAME, status=_INCONCLUSIVE, reason="it is dead."), "INCONCLUSIVE: it is dead."),
        (report(status=_INCONCLUSIVE, notes=("no layer",)), "INCONCLUSIVE: nothing was compared: no layer"),
        (report(status=_INCONCLUSIVE), "INCONCLUSIVE: nothing was compared"),
        (
            report(_SAME, status=_INCONCLUSIVE, notes=("weak",)),
            "INCONCLUSIVE: 1 layer output compared, not enough for a verdict: weak",
        ),
    ],
)  # fmt: skip
def test_the_first_line(given: Report, line: str) -> None:
    assert phrases.headline(given) == line


# --- what to do next

_FIXED = fault("x", known_issue="keras#1", fixed_in="3.6.0")


def ran(reference: str, candidate: str) -> dict[str, dict[str, str]]:
    return {"reference": {"keras": reference}, "candidate": {"keras": candidate}}


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        (report(_SAME), []),
        (report(_SAME, status=_WITHIN), []),
        (report(_SAME, status=_INCONCLUSIVE), ["Give inputs like your real ones", "`tracer doctor`"]),
        (
            report(status=_INCONCLUSIVE, unmatched={"reference": ("p",)}),
            ["Check that both sides are the same model", "`tracer doctor`"],
        ),
        (report(_FAR, status=_DIVERGED, faults=_ONE), []),
        (
            report(_FAR, status=_DIVERGED, faults=(fault("x", remedy="do this"),)),
            ["Apply the remedy for x (above)"],
        ),
        (
            report(_FAR, status=_DIVERGED, faults=tuple(fault(n, remedy="do this") for n in "wxyz")),
            [f"Apply the remedy for {n} (above)" for n in "wxy"],  # the others aren't told in full
        ),
        (report(_SAME, status=_DIVERGED, hidden=weights("e")), ["Give inputs that reach e (--inputs FILE.npz)"]),
        (report(_FAR, status=_DIVERGED, faults=_ONE, hidden=weights("e")), []),
        (
            report(_FAR, status=_DIVERGED, unmatched={"reference": ("p",)}),
            ["Look at the layers without a partner"],
        ),
        (report(_FAR, status=_DIVERGED, faults=_ONE, unmatched={"reference": ("p",)}), []),
    ],
)  # fmt: skip
def test_the_next_steps(given: Report, begins: list[str]) -> None:
    steps = list(phrases.next_steps(given))
    assert len(steps) == len(begins) and all(map(str.startswith, steps, begins))


@pytest.mark.parametrize(
    ("releases", "older"),
    [
        (("3.5.0", "3.5.0"), "3.5.0"),
        (("3.4.1", "3.5.0"), "3.4.1, 3.5.0"),
        (("3.5.0", "3.6.0"), "3.5.0"),
        (("3.6.0", "3.10.0"), ""),
        (("3.6.0.dev2024082001", "3.6.0rc1"), ""),  # whether these have the fix can't be told
        (("3.5.0.dev2024060101", "3.6.0"), "3.5.0.dev2024060101"),
    ],
)
def test_an_upgrade_is_advised_to_releases_before_the_fix_alone(releases: tuple[str, str], older: str) -> None:
    given = report(_FAR, status=_DIVERGED, faults=(_FIXED,), environments=ran(*releases))
    expected = [f"Upgrade Keras to 3.6.0 or newer: keras#1 is fixed there (ran: {older})."] if older else []
    assert list(phrases.next_steps(given)) == expected


# --- the worst layer, counts, inputs


@pytest.mark.parametrize(
    ("layers", "worst"),
    [
        ([("a", 1e-7, 2e-6), ("b", 1e-3, 1e-1)], "a"),  # nearest to its own tolerance, not the largest
        ([("a", 1e-7, 2e-6), ("b", 1.0, 0.0)], "b"),  # where nothing is allowed, the error itself counts
        ([("a", math.inf, 2e-6), ("b", 1.0, 2e-6)], "a"),
        ([("a", 0.0, 2e-6)], None),
        ([], None),
    ],
)
def test_the_worst_layer(layers: list[tuple[str, float, float]], worst: str | None) -> None:
    rows = [layer_report(name, Verdict.CLOSE, error, tolerance=bound) for name, error, bound in layers]
    found = phrases.worst_layer(report(*rows))
    assert (found.layer if found else None) == worst


def test_an_identical_layer_is_never_the_worst() -> None:
    assert phrases.worst_layer(report(layer_report("a", Verdict.IDENTICAL, 1.0))) is None


def test_verdicts_are_counted_the_most_frequent_first() -> None:
    rows: tuple[LayerReport, ...] = (_SAME, _FAR, _FAR, layer_report("c", Verdict.INTRODUCED, 1.0))
    assert phrases.verdict_counts(rows) == "2 inherited, 1 identical, 1 introduced"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "given as arrays: 0 samples"),
        ({"source": "x.npz", "samples": 1, "shapes": {"x": (1,)}, "dtypes": {"x": "int32"}},
         "x.npz: 1 sample, x (1,) int32"),
        ({"source": "seed 0", "samples": 2, "shapes": {"x": (2, 3)}}, "seed 0: 2 samples, x (2, 3)"),
        ({"samples": 2, "shapes": dict.fromkeys("abcdef", ())},
         "given as arrays: 2 samples, a (), b (), c (), d () and 2 more"),
        ({"samples": 2, "conversions": ("x was cast.", "y was resized")},
         "given as arrays: 2 samples. x was cast. y was resized."),
    ],
)  # fmt: skip
def test_what_was_fed_in_words(changes: dict[str, Any], words: str) -> None:
    assert phrases.inputs_words(Inputs(origin="given", **changes)) == words


def test_every_cause_side_verdict_and_status_has_words() -> None:
    told = {phrases.cause_words(fault("a", side=side, cause=cause)) for side in Side for cause in Cause}
    assert len(told) == len(Side) * len(Cause)
    assert all(phrases.cause_words(fault("a", cause=cause)).endswith(f"(cause: {cause})") for cause in Cause)
    assert len({phrases.status_words(status) for status in Status}) == len(Status)
    assert {phrases.verdict_tone(verdict) for verdict in Verdict} <= set(style.Tone)
    failing = [phrases.verdict_tone(v) for v in (Verdict.INTRODUCED, Verdict.MASKED)]
    assert failing == [style.Tone.BAD] * 2 == [phrases.status_tone(Status.DIVERGED)] * 2


# --- numbers for reading


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100%"), (1.5, "100%"), (0.9999, "99.9%"), (0.99999999, "99.9%"),
     (0.5, "50%"), (0.0, "0%"), (0.625, "62.5%")],
)  # fmt: skip
def test_nothing_short_of_all_is_called_all(share: float, text: str) -> None:
    assert style.percent(share) == text


@given(st.floats(0, 1, exclude_max=True))
def test_a_share_is_never_rounded_up(share: float) -> None:
    assert float(style.percent(share).rstrip("%")) <= 100 * share + 1e-9


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (math.nan, "-"), (0.0, "0"), (math.inf, "inf"), (1.26e-7, "1.3e-07"), (-0.0, "0")],
)
def test_an_error_has_as_many_digits_as_mean_something(value: float | None, text: str) -> None:
    assert style.error_number(value) == text


@pytest.mark.parametrize(
    ("value", "nonfinite", "text"),
    [(None, True, "not finite"), (None, False, "-"), (0.1, False, "0.1"), (True, False, "True"),
     ("word", False, "word")],
)  # fmt: skip
def test_one_element(value: Any, nonfinite: bool, text: str) -> None:
    assert style.cell_value(value, nonfinite=nonfinite) == text


@given(st.text("ab /-\n", max_size=80), st.integers(0, 60))
def test_wrapping_breaks_no_word_and_loses_none(text: str, width: int) -> None:
    lines = style.wrapped(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= max(width, 20) or " " not in line for line in lines)


@given(st.text(max_size=30), st.booleans())
def test_whatever_a_text_holds_its_line_stays_one_line(text: str, color: bool) -> None:
    painted = style.paint([style.line(text, style.Tone.BAD)], color=color)
    bare = painted.removesuffix("\n").replace("\x1b[1;31m", "").replace("\x1b[0m", "")
    assert bare.isprintable() and len(painted.splitlines()) == 1


def test_a_label_stands_beside_the_first_line_only() -> None:
    rows = list(style.labelled("note", "one two three four five six", 30))
    assert [spans[0].text.strip() for spans in rows] == ["note", *[""] * (len(rows) - 1)]
    assert len(rows) > 1 and len({len(spans[0].text) for spans in rows}) == 1


# --- predictions and batches


@pytest.mark.parametrize(
    ("changed", "samples", "line"),
    [
        (0, (), "0 of 41 changed (the largest of several outputs)"),
        (1, (9,), "1 of 41 changed (the largest of several outputs): sample 9"),
        (2, (3, 9), "2 of 41 changed (the largest of several outputs): samples 3, 9"),
        (3, (3, 9), "3 of 41 changed (the largest of several outputs): samples 3, 9, …"),
    ],
)
def test_predictions_that_changed_are_counted_and_the_first_named(
    changed: int, samples: tuple[int, ...], line: str
) -> None:
    said = Predictions(output="out", rule="argmax", total=41, changed=changed, samples=samples)
    assert list(phrases.predictions_words(report(_FAR, status=_DIVERGED, predictions=(said,)))) == [line]
    assert list(phrases.predictions_words(report(_SAME, predictions=(said,)))) == []  # equal bit for bit
    shown = report(_FAR, status=_DIVERGED, predictions=(said,))
    assert f"<dt>predictions</dt><dd>{line}</dd>" in shown.to_html()
    assert f"\nPredictions: {line}" in shown.to_markdown().replace("\\", "")
    several = report(_FAR, status=_DIVERGED, predictions=(said, said))
    assert list(phrases.predictions_words(several)) == [f"out: {line}"] * 2


def test_the_batch_that_numbers_are_of_is_told_where_there_are_several() -> None:
    fed = Inputs(origin="given", samples=41, shapes={"x": (20, 4)}, dtypes={"x": "float32"})
    assert phrases.inputs_words(fed, 3) == "given as arrays: 41 samples in 3 batches, x (20, 4) float32"
    assert phrases.inputs_words(fed) == "given as arrays: 41 samples, x (20, 4) float32"
    layer = layer_report("b", Verdict.INTRODUCED, 0.5)
    there = dataclasses.replace(layer, difference=dataclasses.replace(layer.difference, worst_batch=2))
    assert "(batch 2)" in phrases.error_words(there) and "batch" not in phrases.error_words(layer)
