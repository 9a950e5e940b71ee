"""Several formats as text: what is the same in some of them is told once, and nothing that differs is told as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tracer.core.outcomes import Outcomes
from tracer.records import Cause, Difference, Evidence, Fault, Report, Side
from tracer.report import render_reports
from tracer.report.forms.several import alike

CODE = "model.get_layer('efficientnetb0').finalize_state()"


def with_fault(report: Report, **changes: object) -> Report:
    return replace(report, faults=(replace(report.faults[0], **changes),))  # type: ignore[arg-type]


def with_evidence(report: Report) -> Report:
    (fault,) = report.faults
    return with_fault(report, evidence=(*fault.evidence, Evidence(kind="config", name="axis", candidate="[1]")))


def headings(text: str) -> list[str]:
    return [line.strip("= ") for line in text.splitlines() if line.startswith("== ")]


def test_equal_faults_are_told_once_with_the_names_of_all(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    reports = {"keras": samples["passed"], "h5": report, "config": report, "weights": report}
    text = render_reports(reports)
    assert headings(text) == ["h5"]
    assert text.count("Fault 1 of 1: efficientnetb0/normalization") == 1
    assert "The same in config and weights: the same layers, for the same causes." in text
    assert "tracer show REPORT.json efficientnetb0/normalization --format h5" in text
    assert headings(render_reports(reports, show_all=True)) == ["keras", "h5", "config", "weights"]
    # Layers of two models that have one name aren't the same layer.
    assert headings(render_reports(reports, noun="model")) == ["h5", "config", "weights"]


def test_numbers_and_times_may_differ(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    worse = Difference(rel_error=0.7, max_abs=9.0, max_ulp=1.0, cosine=0.1)
    layers = tuple(replace(layer, difference=worse) for layer in report.layers)
    other = replace(report, layers=layers, timings={"compare": 1.0}, specs={"reference": "a", "candidate": "b"})
    assert [list(group) for group in alike({"h5": report, "config": other})] == [["h5", "config"]]


@pytest.mark.parametrize(
    "change",
    [
        lambda report: with_fault(report, cause=Cause.CONFIG),
        lambda report: with_fault(report, layer="other"),
        lambda report: with_fault(report, side=Side.REFERENCE),
        lambda report: with_fault(report, masked=True),
        lambda report: with_fault(report, known_issue=None, fixed_in=None),
        lambda report: with_fault(report, proof=None),
        with_evidence,
        lambda report: replace(report, faults=(*report.faults, Fault(layer="dense", class_name="Dense"))),
        lambda report: replace(report, faults=(), hidden=report.faults),
        lambda report: replace(report, hidden=(Fault(layer="dense", class_name="Dense"),)),
        lambda report: replace(report, first_divergence="dense"),
        lambda report: replace(report, unmatched={"candidate": ("new",)}),
        lambda report: replace(report, notes=("something else.",)),
    ],
)
def test_what_differs_in_anything_else_is_told_apart(
    change: Callable[[Report], Report], samples: Mapping[str, Report]
) -> None:
    report = samples["nested_h5"]
    reports = {"h5": report, "config": change(report)}
    assert [list(group) for group in alike(reports)] == [["h5"], ["config"]]
    assert headings(render_reports(reports)) == ["h5", "config"]


def test_reports_that_blame_nobody_are_told_apart(samples: Mapping[str, Report]) -> None:
    nothing = samples["nothing"]
    assert len(alike({"h5": nothing, "config": replace(nothing)})) == 2


def test_markdown_and_page_tell_once_what_needs_one_remedy(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    other = with_fault(report, remedy="Build it anew.")
    outcomes = Outcomes({"keras": samples["passed"], "h5": report, "config": other, "weights": report, "clone": other})
    told = "The same in {}: the same layers, for the same causes. Evidence and numbers are those of {}"
    markdown, page = outcomes.to_markdown(), outcomes.to_html()
    titles = [line for line in markdown.splitlines() if line.startswith("### `")]
    assert titles == ["### `h5`, `weights`", "### `config`, `clone`"]
    for text in (markdown, page):
        assert told.format("weights", "h5") in text and told.format("clone", "config") in text
        assert text.count("Build it anew.") == 1
    assert page.count("<article") == 2
    assert all(f'<a href="#r{place}">{name}</a>' in page for name, place in (("weights", 1), ("clone", 2)))
    models = Outcomes({"B0": report, "B1": report}, of="model")
    assert models.to_html().count("<article") == 2 and "The same in" not in models.to_markdown()


def test_a_remedy_of_one_format_alone_is_told_with_its_name(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    other = with_fault(
        report, remedy=f"Call `{CODE}` and `build()`, which is what is missing there; save it `as.keras`."
    )
    text = render_reports({"h5": report, "config": other, "weights": report, "clone": other})
    lines = text.splitlines()
    place = lines.index("              in config and clone:")
    assert lines[place - 2].startswith("  remedy      Call `finalize_state()`")
    assert lines[place + 1 : place + 3] == ["              Call", f"                {CODE}"]
    # The words between two short pieces of code aren't code themselves.
    assert "and `build()`, which is what is missing there; save it `as.keras`." in " ".join(text.split())
    assert "none is known" in render_reports({"h5": report, "config": with_fault(report, remedy=None)})
