"""The picture of where the sides of a faulty layer differ."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tracer.records import ErrorMap, Report
from tracer.report.page.space import map_of, space_chart, space_of, space_words

FOUND = ErrorMap(height=7, width=4, fields=((0.0, 0.5), (2.0, math.nan), (0.25, 1.5)))


def pictured(report: Report, found: ErrorMap) -> Report:
    return replace(report, layers=tuple(replace(layer, error_map=found) for layer in report.layers))


def test_each_field_that_differs_is_drawn_and_the_largest_error_is_the_darkest() -> None:
    root = ET.fromstring(space_chart(FOUND))
    shades = [float(str(mark.get("fill-opacity"))) for mark in root.iter() if mark.get("fill-opacity")]
    assert sorted(shades) == [0.18, 0.29, 0.77, 1.0]  # neither what is equal nor what has no number
    assert root.get("width") is None and root.get("viewBox") is not None
    assert not [mark for mark in root.iter() if mark.get("fill-opacity") and mark.get("fill")]  # the page's colours


def test_the_picture_is_told_in_words_too() -> None:
    told = space_words(FOUND)
    where = "mean absolute error up to 2, at rows 2 to 3, columns 0 to 1 of 7 × 4"
    assert told == f"{where}; more than half of that in 40% of 5 fields"
    assert ET.fromstring(space_chart(FOUND)).get("aria-label") == told


@pytest.mark.parametrize(
    "damaged",
    [
        {"fields": ()},
        {"fields": ((),)},
        {"fields": ((1.0, 2.0), (1.0,))},
        {"fields": ((0.0, 0.0),)},
        {"fields": ((math.nan,),)},
        {"fields": ((1.0,),) * 1000},
        {"height": 0},
        {"width": -3},
    ],
)
def test_what_cant_be_drawn_isnt(damaged: dict[str, object], samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    (fault,) = report.faults
    assert map_of(pictured(report, replace(FOUND, **damaged)), fault) is None  # type: ignore[arg-type]
    assert space_of(pictured(report, replace(FOUND, **damaged)), fault) == ""  # type: ignore[arg-type]
    assert space_of(report, fault) == ""


def test_the_picture_is_in_the_card_of_its_fault_and_the_page_stays_small(b7: Report) -> None:
    fields = tuple(tuple(1.0 + row * column for column in range(32)) for row in range(32))
    faults = tuple(replace(b7.faults[0], layer=layer.layer) for layer in b7.layers[2:8])
    large = ErrorMap(height=300, width=300, fields=fields)
    layers = [replace(layer, error_map=large) if 2 <= i < 8 else layer for i, layer in enumerate(b7.layers)]
    report = replace(b7, layers=tuple(layers), faults=faults)
    source = report.to_html()
    assert source.count('<div class="scroll space"') == 3  # of the faults that are told without unfolding
    assert source.index("<dt>proof") < source.index('class="scroll space"') < source.index("First divergence")
    assert len(source.encode()) < 1.5e6
