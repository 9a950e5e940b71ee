"""Pictures as digits: bars as high as their counts, shades as dark as the error; test_browser.py sees them drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import makers
import pytest

from tracer.records import ErrorMap, Histogram, LayerReport, Report, Verdict
from tracer.report.page.small import are_pictures_made, is_sketched, small_map, small_values, unpictured
from tracer.report.page.templates import numbers


@pytest.fixture
def layer(samples: Mapping[str, Report]) -> LayerReport:
    return replace(samples["nested_h5"].layers[0], histogram=None, error_map=None)


def with_histogram(layer: LayerReport, reference: tuple[int, ...], candidate: tuple[int, ...]) -> LayerReport:
    return replace(layer, histogram=Histogram(low=-1.0, high=1.0, reference=reference, candidate=candidate))


def test_bars_are_as_high_as_the_root_of_their_counts(layer: LayerReport) -> None:
    found = with_histogram(layer, (0, 1, 25, 100), (0, 0, 10_000, 0))
    assert small_values(found) == "0111|0080|-1|1"
    assert small_values(with_histogram(layer, (0, 1, 25, 100), (0, 0, 0, 0))) == "0148|0000|-1|1"


def test_without_a_histogram_there_are_no_bars(layer: LayerReport) -> None:
    assert small_values(layer) == ""
    assert small_values(with_histogram(layer, (0, 0), (0, 0))) == ""
    assert small_values(with_histogram(layer, (), ())) == ""


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (((0.0, 0.1), (0.5, 1.0)), "01/24|up to 1 in rows 4–7, columns 4–7"),
        (((math.nan, 1.0),), "?4|up to 1 in rows 0–7, columns 4–7"),
        (((0.0, 0.0),), ""),
        ((), ""),
        (((1.0,), (1.0, 2.0)), ""),
        (((1.0,),) * 9, "4/4/4/4/4/4/4/4|up to 1 in rows 7–7, columns 0–7"),
    ],
)
def test_shades_are_as_dark_as_the_error(layer: LayerReport, fields: tuple[tuple[float, ...], ...], told: str) -> None:
    assert small_map(replace(layer, error_map=ErrorMap(height=8, width=8, fields=fields))) == told
    assert small_map(layer) == ""


def test_a_map_too_fine_for_text_is_made_coarser_and_what_has_no_number_is_left_out(layer: LayerReport) -> None:
    fields = [[0.0] * 32 for _ in range(32)]
    fields[0][0], fields[0][1], fields[31][31] = 16.0, math.nan, 8.0
    found = small_map(replace(layer, error_map=ErrorMap(height=32, width=32, fields=tuple(map(tuple, fields)))))
    shades, _, words = found.partition("|")
    assert shades.split("/") == ["40000000", *["00000000"] * 6, "00000002"]
    assert words == "up to 16 in rows 0–0, columns 0–0"


# --- where there is no picture


def told(layer: LayerReport, *, sketched: bool = False, made: bool = True) -> dict[str, str]:
    return dict(numbers(layer, unpictured(layer, sketched=sketched, made=made)))


def test_where_the_first_number_is_missing_and_how_many_are_is_told() -> None:
    layer = makers.layer_report(
        "relu", Verdict.INHERITED, math.inf, max_abs=math.inf, shape=(2, 3), nonfinite_candidate=4,
        worst_index=(0, 2), worst_reference=0.25, worst_candidate=math.nan, sample_error=0.0,
    )  # fmt: skip
    found = told(layer)
    assert found["not finite"] == (
        "0 of 6 values in the reference, 4 in the candidate; the first that only one side has is at [0, 2]: "
        "reference 0.25, candidate nan"
    )
    assert "max abs" not in found and "worst sample" not in found
    both = makers.layer_report("a", Verdict.CLOSE, 1e-7, shape=(6,), nonfinite_reference=1, nonfinite_candidate=1)
    assert told(both)["not finite"] == "1 of 6 values in the reference, 1 in the candidate"


def test_outputs_of_other_shapes_are_told_with_both() -> None:
    note = "shape (2, 4) against (2, 5)"
    layer = makers.layer_report("act", Verdict.INHERITED, math.inf, max_abs=math.inf, shape=(2, 4), note=note)
    found = told(layer)
    assert found["picture"] == (
        "none, since the two can't be laid over each other: shape (2, 4) against (2, 5) (the reference's against the "
        "candidate's)"
    )
    assert "note" not in found
    fault = replace(with_histogram(layer, (1, 2), (2, 1)), verdict=Verdict.INTRODUCED)
    assert told(fault)["note"] == f"{note} (the reference's against the candidate's)"


def test_whoever_asked_for_no_pictures_is_told_how(samples: Mapping[str, Report]) -> None:
    layer = makers.layer_report("relu", Verdict.INHERITED, 0.5, max_abs=0.5)
    assert "`pictures=True` in Python" in told(layer, made=False)["picture"]
    assert told(layer)["picture"] == "none: it has no two finite numbers that differ"
    assert "picture" not in told(makers.layer_report("a", Verdict.IDENTICAL), made=False)
    assert "picture" not in told(with_histogram(layer, (1, 2), (2, 1)))
    report = makers.report(with_histogram(replace(layer, verdict=Verdict.INTRODUCED), (1, 2), (2, 1)), layer)
    assert not are_pictures_made(report)
    assert are_pictures_made(replace(report, layers=(*report.layers, with_histogram(layer, (1, 2), (2, 1)))))
    assert "none was made" in report.to_html()


def test_a_golden_has_no_values_to_draw() -> None:
    """As `tracer.core.golden.match` reports it; in JSON, what is no number comes back as infinite."""
    for missing in (math.nan, math.inf):
        layer = makers.layer_report("relu", Verdict.INHERITED, 0.5, max_abs=missing, local_error=None)
        report = makers.report(layer, makers.layer_report("a", max_abs=missing, local_error=None))
        assert is_sketched(report)
        assert "a golden holds a sketch of each output instead of its values" in report.to_html()
    assert not is_sketched(makers.report(makers.layer_report("a", max_abs=0.1, local_error=None)))
