"""Where in a picture the two sides of a faulty layer differ, drawn as a grid of fields."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from tracer.records import ErrorMap, Fault, JsonObject, Report
from tracer.report.page.chart import AXIS, SVG, draw
from tracer.report.style import counted, percent, plain_number

_WIDTH: Final = 256  # pixels of the longer side, before the page scales the picture
_FAINTEST: Final = 0.06  # of the smallest error: what is equal has no colour at all
_MOST: Final = 64  # fields along an axis; a saved report may hold anything


def space_of(report: Report, fault: Fault) -> str:
    """The picture of a fault's layer as SVG; "" where its report has no map of the error.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    found = map_of(report, fault)
    return space_chart(found) if found is not None else ""


def map_of(report: Report, fault: Fault) -> ErrorMap | None:
    """Of a fault's layer, where it can be drawn: a saved report may hold anything."""
    found = next((layer.error_map for layer in report.layers if layer.layer == fault.layer), None)
    return found if found is not None and can_be_drawn(found) else None


def can_be_drawn(found: ErrorMap) -> bool:
    """Whether it is a grid of a size that a page has room for, with an error in it."""
    if not found.fields or found.height < 1 or found.width < 1:
        return False
    lengths = {len(row) for row in found.fields}
    fits = len(lengths) == 1 and 0 < max(lengths) <= _MOST and len(found.fields) <= _MOST
    return fits and _largest(found) > 0


def space_chart(found: ErrorMap) -> str:
    """Each field as a square, the darker the larger its error, as SVG.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    root = ET.fromstring(draw(_chart(found)))
    for element in root.iter():
        for name in ("role", "aria-roledescription", "aria-hidden", "aria-label"):
            element.attrib.pop(name, None)
        # There are a thousand of them: the colour is the style sheet's, and an eye tells no more than two digits apart.
        if shade := element.attrib.get("fill-opacity"):
            element.attrib.pop("fill", None)
            element.set("fill-opacity", f"{float(shade):.2g}")
    root.set("role", "img")
    root.set("aria-label", space_words(found))
    del root.attrib["width"], root.attrib["height"]
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode")


def space_words(found: ErrorMap) -> str:
    """What the picture shows, in words: how much of it differs, and where the most."""
    places = [(value, row, column) for row, column, value in _places(found)]
    (top, bottom), (left, right), largest = largest_field(found)
    share = sum(value > largest / 2 for value, *_ in places) / len(places)
    return (
        f"mean absolute error up to {plain_number(largest)}, at rows {top} to {bottom}, columns {left} to {right} of "
        f"{found.height} × {found.width}; more than half of that in {percent(share)} of {counted(len(places), 'field')}"
    )


def largest_field(found: ErrorMap) -> tuple[tuple[int, int], tuple[int, int], float]:
    """The first and the last row, and the first and the last column, of the largest error; and that error."""
    largest, row, column = max((value, row, column) for row, column, value in _places(found))
    rows = _positions(found.height, len(found.fields), row)
    return rows, _positions(found.width, len(found.fields[0]), column), largest


def _positions(size: int, fields: int, number: int) -> tuple[int, int]:
    """The first and the last position of a field along one axis."""
    return size * number // fields, max(size * (number + 1) // fields - 1, size * number // fields)


def _places(found: ErrorMap) -> Iterator[tuple[int, int, float]]:
    """Row, column and error of each field that has one."""
    for row, values in enumerate(found.fields):
        for column, value in enumerate(values):
            if math.isfinite(value):
                yield row, column, value


def _largest(found: ErrorMap) -> float:
    return max((value for *_, value in _places(found)), default=0.0)


def _chart(found: ErrorMap) -> JsonObject:
    rows, columns = len(found.fields), len(found.fields[0])
    field = max(1, _WIDTH // max(rows, columns))
    shade = {"type": "linear", "domain": [0, _largest(found)], "range": [_FAINTEST, 1]}
    return {
        "background": None,
        "width": field * columns,
        "height": field * rows,
        "data": {
            "values": [
                {"row": row, "row2": row + 1, "column": column, "column2": column + 1, "error": value}
                for row, column, value in _places(found)
                if value > 0
            ]
        },
        "mark": "rect",
        "encoding": {
            "x": _axis("column", columns, found.width, "width"),
            "x2": {"field": "column2"},
            "y": {**_axis("row", rows, found.height, "height"), "sort": "descending"},
            "y2": {"field": "row2"},
            "fillOpacity": {"field": "error", "type": "quantitative", "scale": shade, "legend": None},
        },
        "config": {"font": "system-ui, sans-serif", "view": {"stroke": "var(--line)"}, "axis": dict(AXIS)},
    }


def _axis(field: str, fields: int, size: int, title: str) -> JsonObject:
    """Fields as positions of the activation."""
    label = f"round(datum.value * {size / fields})"
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [0, fields], "nice": False},
        "axis": {"title": title, "grid": False, "tickCount": 4, "tickMinStep": 1, "labelExpr": label},
    }
