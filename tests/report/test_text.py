"""The printed report: whole texts as snapshots, and what must hold for any report at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import makers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.errors import ModelError, SpecError, TracerError
from tracer.records import Cause, Difference, Evidence, Fault, LayerReport, Proof, Report, Side, Status, Verdict
from tracer.report import render, render_checks, render_layer, render_reports, render_table, to_json
from tracer.store.reports import read_report

Snapshot = Callable[[str, str], None]
NAMES = ("passed", "within", "nested_h5", "two_faults", "many_faults", "nothing")


@pytest.mark.parametrize("name", NAMES)
def test_whole_report(name: str, samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    snapshot(f"{name}.txt", render(samples[name]))


@pytest.mark.parametrize("name", ["two_faults", "many_faults"])
def test_whole_report_unfolded(name: str, samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    snapshot(f"{name}_all.txt", render(samples[name], show_all=True, width=120, saved_as="out dir/r.json"))


def test_one_row_a_format(samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    reports = {"keras": samples["passed"], "h5": samples["nested_h5"], "weights.h5": samples["within"]}
    snapshot("formats.txt", render_table(reports))
    failed: dict[str, Report | TracerError] = {
        **reports,
        "config": ModelError("config + weights: Lambda can't be saved. Register the function."),
    }
    snapshot("formats_full.txt", render_reports(failed, saved_as="r.json"))


@pytest.mark.parametrize("path", ["efficientnetb0/normalization", "dense"])
def test_one_layer(path: str, samples: Mapping[str, Report], snapshot: Snapshot) -> None:
    snapshot(f"layer_{path.replace('/', '_')}.txt", render_layer(samples["nested_h5"], path))


def test_a_column_without_a_number_is_left_out(samples: Mapping[str, Report]) -> None:
    report = samples["two_faults"]
    assert "local error" in render(report, show_all=True)
    unasked = replace(report, layers=tuple(replace(layer, local_error=None) for layer in report.layers))
    text = render(unasked, show_all=True)
    head = next(line.split() for line in text.splitlines() if line.split()[:2] == ["layer", "class"])
    assert head == ["layer", "class", "verdict", "rel.", "error", "tolerance"]


def test_one_environment_on_both_sides_is_told_once_in_whatever_order_it_was_kept(
    samples: Mapping[str, Report],
) -> None:
    here = samples["passed"].environments["reference"]
    sorted_there = {"reference": dict(sorted(here.items())), "candidate": here}
    text = render(replace(samples["passed"], environments=sorted_there))
    assert text == render(samples["passed"]) and text.count("ran with") == 1


def test_doctor(snapshot: Snapshot) -> None:
    lines = [("ok", "keras", "3.15.1"), ("warn", "jax", "not installed: pip install jax"), ("bad", "h5py", "broken")]
    snapshot("doctor.txt", render_checks(lines, ok=False))


def test_layer_without_partner(samples: Mapping[str, Report]) -> None:
    assert "only in the reference" in render_layer(samples["two_faults"], "old")


@pytest.mark.parametrize(
    ("local", "said"),
    [(0.0, "inherited: differs because its inputs do"), (0.5, "inherited: differs on equal inputs too")],
)
def test_what_inherited_means_of_a_layer_that_multiplies_rounding(local: float, said: str) -> None:
    layer = makers.layer_report("rnn", Verdict.INHERITED, 0.5, local_error=local)
    assert said in render_layer(makers.report(layer, status=Status.DIVERGED), "rnn")


def test_unknown_layer_names_the_nearest(samples: Mapping[str, Report]) -> None:
    with pytest.raises(SpecError, match=r"no layer 'normalisation'.* nearest: .*efficientnetb0/normalization"):
        render_layer(samples["nested_h5"], "normalisation")
    with pytest.raises(SpecError, match="nearest: efficientnetb0/normalization"):
        render_layer(samples["nested_h5"], "Normalization")
    with pytest.raises(SpecError, match="no layers at all"):
        render_layer(Report.from_dict({**samples["nothing"].to_dict(), "unmatched": {}}), "x")


def test_every_layer_is_there_with_all(samples: Mapping[str, Report]) -> None:
    text = render(samples["nested_h5"], show_all=True)
    assert all(layer.layer in text for layer in samples["nested_h5"].layers)


def test_unproved_is_said(samples: Mapping[str, Report]) -> None:
    assert render(samples["two_faults"]).count("unproved") == 2
    assert "unproved" not in render(samples["nested_h5"])


def test_colour_adds_nothing_but_codes(samples: Mapping[str, Report]) -> None:
    for report in samples.values():
        coloured = render(report, color=True)
        assert "\x1b[" in coloured
        stripped = "\n".join(row.rstrip() for row in re.sub(r"\x1b\[[0-9;]*m", "", coloured).split("\n"))
        assert stripped == render(report)


def test_foreign_names_can_not_move_the_cursor() -> None:
    layer = LayerReport(
        layer="a\x1b[2J\nPASS: all is well",
        class_name="X",
        verdict=Verdict.CLOSE,
        difference=Difference(rel_error=1, max_abs=0.0, max_ulp=0.0, cosine=1.0),
        local_error=1,
        tolerance=1,
    )
    fault = Fault(layer=layer.layer, class_name="X\r", remedy="line one\nline two\x07")
    report = Report(
        status=Status.DIVERGED,
        compared=1,
        coverage=1.0,
        first_divergence=layer.layer,
        faults=(fault,),
        layers=(layer,),
    )
    text = render(report)
    assert text.isascii() or "\x1b" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "\nPASS" not in text


WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
PATHS = st.text("abcxyz_0123456789/#:", min_size=1, max_size=90)
FLOATS = st.floats(min_value=0) | st.just(float("nan"))
# Any value of its type, unless it is said here.
DIFFERENCES = st.builds(
    Difference,
    **{
        **{each.name: ... for each in fields(Difference)},
        **dict.fromkeys(("rel_error", "max_abs", "max_ulp", "cosine"), FLOATS),
        "worst_index": st.lists(st.integers(0, 9), max_size=3).map(tuple),
        "channels": st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), max_size=3).map(tuple),
    },
)
LAYERS = st.builds(
    LayerReport,
    layer=PATHS,
    class_name=WORDS,
    verdict=st.sampled_from(Verdict),
    difference=DIFFERENCES,
    local_error=st.none() | FLOATS,
    tolerance=st.floats(min_value=0),
    note=WORDS,
)
FAULTS = st.builds(
    Fault,
    layer=PATHS,
    class_name=WORDS,
    side=st.sampled_from(Side),
    cause=st.sampled_from(Cause),
    evidence=st.lists(st.builds(Evidence, kind=WORDS, name=WORDS, reference=WORDS, detail=WORDS), max_size=2).map(
        tuple
    ),
    masked=st.booleans(),
    known_issue=st.none() | WORDS,
    fixed_in=st.none() | WORDS | st.just("3.6.0"),
    remedy=st.none() | WORDS,
    proof=st.none() | st.builds(Proof, healed=FLOATS, broken=FLOATS, output_error=FLOATS, holds=st.booleans()),
)
REPORTS = st.builds(
    Report,
    status=st.sampled_from(Status),
    compared=st.integers(0, 5),
    coverage=st.floats(0, 1),
    first_divergence=st.none() | PATHS,
    faults=st.lists(FAULTS, max_size=6).map(tuple),
    layers=st.lists(LAYERS, max_size=12).map(tuple),
    unmatched=st.dictionaries(WORDS, st.lists(PATHS, max_size=3).map(tuple), max_size=2),
    environments=st.dictionaries(WORDS, st.dictionaries(WORDS | st.just("keras"), WORDS, max_size=2), max_size=2),
    specs=st.dictionaries(WORDS, WORDS, max_size=2),
    timings=st.dictionaries(WORDS, st.floats(0, 1e6), max_size=2),
    notes=st.lists(WORDS, max_size=2).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(report=REPORTS, show_all=st.booleans(), width=st.integers(0, 200), color=st.booleans())
def test_any_report_can_be_shown_and_names_every_fault(report: Report, show_all: bool, width: int, color: bool) -> None:
    text = render(report, show_all=show_all, width=width, color=color)
    assert all(fault.layer in text for fault in report.faults)
    assert report.first_divergence is None or report.first_divergence in text
    first = text.split("\n", 1)[0]
    word = {Status.PASS: "PASS", Status.WITHIN_TOLERANCE: "PASS within"}.get(report.status, report.status.upper())
    assert word in first
    for path in [*(entry.layer for entry in report.layers), *(entry.layer for entry in report.faults)]:
        assert path in render_layer(report, path, width=width, color=color)
    assert render_table({"keras": report, "h5": report}, color=color)
    assert to_json(report)


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x1c", "\x85", "\u2028"])
def test_no_name_begins_a_line_where_a_verdict_could_be(end: str) -> None:
    evil = f"a{end}PASS: all is well"
    report = replace(
        makers.report(makers.layer_report(evil), faults=(makers.fault(evil), makers.fault("b"), makers.fault("c"))),
        first_divergence=evil,
        unmatched={"reference": (evil,)},
        notes=(evil,),
        specs={"reference": evil, "candidate": evil},
        environments={"candidate": {"keras": evil}},
    )
    for text in (render(report, show_all=True), render(report), render_layer(report, evil), report.to_markdown()):
        assert "PASS: all is well" in text
        for line in text.split("\n")[1:]:
            assert not line.lstrip(" |*-`").startswith("PASS") or line.startswith(" " * 14), ascii(line)


def test_a_saved_share_that_is_no_number_is_shown(tmp_path: Path) -> None:
    data = {**json.loads(to_json(makers.report(makers.layer_report("a")))), "coverage": float("nan")}
    (tmp_path / "r.json").write_text(json.dumps(data))
    assert "an unknown share of the call sites" in render(read_report(tmp_path / "r.json"))
