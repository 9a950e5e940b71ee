"""The picture of how the values of a faulty layer are distributed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tracer.records import Histogram, Report
from tracer.report.page.distribution import distribution_chart, distribution_of

FOUND = Histogram(low=-1.0, high=1.0, reference=(1, 3, 0, 0), candidate=(0, 0, 4, 0))


def test_both_sides_are_drawn_and_told_apart_without_colour() -> None:
    root = ET.fromstring(distribution_chart(FOUND))
    lines = [element for element in root.iter() if element.get("stroke-dasharray") is not None]
    assert sorted((str(line.get("stroke")), str(line.get("stroke-dasharray"))) for line in lines) == [
        ("var(--ink)", "1,0"),
        ("var(--introduced)", "6,3"),
    ]
    assert root.get("aria-label") == "reference: most values near -0.25; candidate: most values near 0.25"
    assert root.get("width") is None and root.get("viewBox") is not None


def test_a_side_without_finite_values_is_an_empty_line() -> None:
    root = ET.fromstring(distribution_chart(replace(FOUND, candidate=(0, 0, 0, 0))))
    assert str(root.get("aria-label")).endswith("candidate: no finite values")


@pytest.mark.parametrize("damaged", [{"low": 1.0}, {"reference": ()}, {"reference": (), "candidate": ()}])
def test_what_cant_be_drawn_isnt(damaged: dict[str, object], samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    broken = replace(report.layers[2], histogram=replace(FOUND, **damaged))  # type: ignore[arg-type]
    assert distribution_of(replace(report, layers=(broken,)), report.faults[0]) == ""
    whole = replace(broken, histogram=FOUND)
    assert distribution_of(replace(report, layers=(whole,)), report.faults[0]).startswith("<svg")
    assert distribution_of(report, report.faults[0]) == ""


def test_the_picture_is_in_the_card_behind_the_remedy(samples: Mapping[str, Report]) -> None:
    report = samples["nested_h5"]
    layers = [replace(layer, histogram=FOUND) if number == 2 else layer for number, layer in enumerate(report.layers)]
    source = replace(report, layers=tuple(layers)).to_html()
    assert source.count('<div class="scroll distribution"') == 1
    assert source.index("<dt>remedy") < source.index('class="scroll distribution"') < source.index("First divergence")
    assert "distribution" not in report.to_html().partition("<body>")[2]
