"""The error along the depth of a model, drawn by Vega-Lite as SVG while the page is written: no script comes with it.

          inf | . . . . . . . . . . . . . .     a lane for what has no number
        1e+00 |        ^  s s s s s s s s s
          …   |  - - - - - - - - - - - - - -    what is allowed
        1e-08 |   o  o
0 = identical | o  o  . . . . . . . . . . .     a lane for what is equal, bit for bit
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tracer.errors import TracerError, printable
from tracer.records import JsonObject, LayerReport, Report, Verdict
from tracer.report.phrases import error_words

SHAPES: Final = MappingProxyType(
    {
        Verdict.IDENTICAL: "circle",
        Verdict.CLOSE: "circle",
        Verdict.INHERITED: "square",
        Verdict.INTRODUCED: "triangle-up",
        Verdict.MASKED: "diamond",
        Verdict.NONDETERMINISTIC: "cross",
        Verdict.INCOMPARABLE: "triangle-down",
    }
)
SVG: Final = "http://www.w3.org/2000/svg"
# The colours are the page's, so that they follow it into the dark and onto paper.
AXIS: Final = MappingProxyType(
    {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
)
_WIDTH, _HEIGHT, _LANE = 900, 220, 22  # pixels before the page scales the picture
_SIZES: Final = (40, 110)  # of a mark, in square pixels; the larger one for layers at fault
_VEGALITE: Final = "5.20"
_EQUAL: Final = "0 = identical"
_LOUD: Final = frozenset({Verdict.INTRODUCED, Verdict.MASKED})


def depth_chart(report: Report) -> str:
    """The picture as SVG, in the colours of the page; "" where nothing was compared.

    A mark carries the number of its layer as `data-row` and the layer's name and error as its title.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    return _labelled(draw(_chart(report.layers)), report.layers) if report.layers else ""


def draw(chart: JsonObject) -> str:
    """A specification of Vega-Lite as SVG.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise TracerError("a page needs vl-convert-python: pip install 'keras-layer-tracer[html]'.") from error
    return str(vl_convert.vegalite_to_svg(chart, vl_version=_VEGALITE))


# --- the specification


def _chart(layers: Sequence[LayerReport]) -> JsonObject:
    """Up to three panels above each other with one horizontal axis; names of layers don't enter it."""
    rows = [_row(number, layer) for number, layer in enumerate(layers, 1)]
    lanes = {name: [row for row in rows if row["error"] == value] for name, value in (("no number", None), (_EQUAL, 0))}
    panels = [_lane(name, part, len(rows), last=name == _EQUAL) for name, part in lanes.items() if part]
    errors = _panel([row for row in rows if row["error"]], rows, last=not lanes[_EQUAL])
    panels.insert(bool(lanes["no number"]), errors)
    padding = {"left": 18, "right": 5, "top": 5, "bottom": 5}
    return {
        "background": None,
        "vconcat": panels,
        "spacing": 6,
        "bounds": "flush",
        "padding": padding,
        "config": {"font": "system-ui, sans-serif", "view": {"stroke": "var(--line)"}, "axis": dict(AXIS)},
    }


def _row(number: int, layer: LayerReport) -> JsonObject:
    error = layer.rel_error
    return {
        "row": number,
        "error": error if math.isfinite(error) else None,
        "allowed": layer.tolerance if math.isfinite(layer.tolerance) and layer.tolerance > 0 else None,
        "verdict": str(layer.verdict),
        "size": _SIZES[layer.verdict in _LOUD],
    }


def _panel(part: Sequence[JsonObject], rows: Sequence[JsonObject], *, last: bool) -> JsonObject:
    """The errors on a logarithmic scale, and what is allowed as a line."""
    numbers = [row["error"] for row in part] + [row["allowed"] for row in rows if row["allowed"]]
    low, high = (min(numbers), max(numbers)) if numbers else (1e-8, 1.0)
    domain = [10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high) + 1e-9)]
    vertical = {
        "type": "quantitative",
        "scale": {"type": "log", "domain": domain, "nice": False},
        "axis": {"title": "relative error", "format": ".0e", "tickCount": 6},
    }
    allowed = {
        "data": {"values": [row for row in rows if row["allowed"]]},
        "mark": {"type": "line", "interpolate": "step", "stroke": "var(--ink)", "strokeDash": [5, 4]},
        "encoding": {"x": _horizontal(len(rows), last), "y": {"field": "allowed", **vertical}},
    }
    marks = {"y": {"field": "error", **vertical}}
    return {"width": _WIDTH, "height": _HEIGHT, "layer": [allowed, _marks(part, len(rows), last, marks)]}


def _lane(name: str, part: Sequence[JsonObject], count: int, *, last: bool) -> JsonObject:
    """A strip for errors that a logarithmic scale has no place for."""
    vertical = {"y": {"datum": name, "type": "nominal", "axis": {"title": None, "grid": False, "ticks": False}}}
    return {"width": _WIDTH, "height": _LANE, **_marks(part, count, last, vertical)}


def _marks(part: Sequence[JsonObject], count: int, last: bool, vertical: Mapping[str, JsonObject]) -> JsonObject:
    verdicts = [str(verdict) for verdict in SHAPES]
    colors = [f"var(--{verdict})" for verdict in verdicts]
    named = {"field": "verdict", "type": "nominal", "legend": None}
    return {
        "data": {"values": list(part)},
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {
            "x": _horizontal(count, last),
            "shape": {**named, "scale": {"domain": verdicts, "range": list(SHAPES.values())}},
            "color": {**named, "scale": {"domain": verdicts, "range": colors}},
            "size": {"field": "size", "type": "quantitative", "scale": None},
            # Large ones last, so that nothing covers a layer at fault.
            "order": {"field": "size", "type": "quantitative"},
            "description": {"field": "row", "type": "quantitative"},
            **vertical,
        },
    }


def _horizontal(count: int, last: bool) -> JsonObject:
    return {
        "field": "row",
        "type": "quantitative",
        "scale": {"domain": [0.5, count + 0.5], "nice": False},
        "axis": {"title": "layer outputs, in execution order", "grid": False, "format": "d", "tickMinStep": 1}
        if last
        else None,
    }


# --- what Vega-Lite can't say


def _labelled(svg: str, layers: Sequence[LayerReport]) -> str:
    """Each mark with the name and the numbers of its layer; the rest of the picture without roles of its own."""
    ET.register_namespace("", SVG)
    root = ET.fromstring(svg)
    for element in root.iter():
        row = element.attrib.pop("aria-label", None)
        for name in ("role", "aria-roledescription", "aria-hidden"):
            element.attrib.pop(name, None)
        if row is not None and row.isdigit():
            element.set("data-row", row)
            ET.SubElement(element, f"{{{SVG}}}title").text = _describe(layers[int(row) - 1])
    root.set("role", "img")
    root.set(
        "aria-label", f"Relative error of {len(layers)} layer outputs along depth; the table below has the numbers."
    )
    del root.attrib["width"], root.attrib["height"]
    return ET.tostring(root, encoding="unicode")


def _describe(layer: LayerReport) -> str:
    return printable(f"{layer.layer} ({layer.class_name}): {layer.verdict}; {error_words(layer)}")
