"""Pictures as digits: bars as high as their counts, shades as dark as the error; test_browser.py sees them drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tracer.records import ErrorMap, Histogram, LayerReport, Report
from tracer.report.page.small import small_map, small_values


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
        (((1.0,),) * 9, ""),
    ],
)
def test_shades_are_as_dark_as_the_error(layer: LayerReport, fields: tuple[tuple[float, ...], ...], told: str) -> None:
    assert small_map(replace(layer, error_map=ErrorMap(height=8, width=8, fields=fields))) == told
    assert small_map(layer) == ""
