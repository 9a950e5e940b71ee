"""How the values of both sides are distributed, drawn as two outlines over the same bins."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from types import MappingProxyType
from typing import Final

from tracer.records import Fault, Histogram, JsonObject, Report
from tracer.report.page.chart import AXIS, SVG, draw

_WIDTH, _HEIGHT = 460, 130  # pixels before the page scales the picture
_STYLES: Final = MappingProxyType({"reference": ("var(--ink)", [1, 0]), "candidate": ("var(--introduced)", [6, 3])})


def distribution_of(report: Report, fault: Fault) -> str:
    """The picture of a fault's layer as SVG; "" where its report has no histogram.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    found = next((layer.histogram for layer in report.layers if layer.layer == fault.layer), None)
    return distribution_chart(found) if found is not None and _can_be_drawn(found) else ""


def _can_be_drawn(found: Histogram) -> bool:
    """A saved report may hold anything."""
    return found.low < found.high and len(found.reference) == len(found.candidate) > 0


def distribution_chart(found: Histogram) -> str:
    """Both sides' shares in each bin as SVG; the reference's outline is solid, the candidate's dashed.

    Raises:
        TracerError: if vl-convert-python isn't installed.
    """
    root = ET.fromstring(draw(_chart(found)))
    for element in root.iter():
        for name in ("role", "aria-roledescription", "aria-hidden", "aria-label"):
            element.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", "; ".join(f"{side}: {_describe(found, side)}" for side in _STYLES))
    del root.attrib["width"], root.attrib["height"]
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode")


def _describe(found: Histogram, side: str) -> str:
    """`most values near 0.12`, for whom the picture is read aloud."""
    counts = getattr(found, side)
    if not any(counts):
        return "no finite values"
    width = (found.high - found.low) / len(counts)
    return f"most values near {found.low + (counts.index(max(counts)) + 0.5) * width:.3g}"


def _chart(found: Histogram) -> JsonObject:
    colors, dashes = ([style[part] for style in _STYLES.values()] for part in (0, 1))
    named = {"field": "side", "type": "nominal", "legend": None}
    return {
        "background": None,
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": [point for side in _STYLES for point in _points(found, side)]},
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {
            "x": {
                "field": "value",
                "type": "quantitative",
                "scale": {"domain": [found.low, found.high], "nice": False},
                "axis": {"title": "value", "grid": False, "tickCount": 6},
            },
            # Where most values are 0, as behind a ReLU, the square root leaves the others visible.
            "y": {
                "field": "share",
                "type": "quantitative",
                "scale": {"type": "sqrt"},
                "axis": {"title": "share of values", "format": "%", "tickCount": 4},
            },
            "color": {**named, "scale": {"domain": list(_STYLES), "range": colors}},
            "strokeDash": {**named, "scale": {"domain": list(_STYLES), "range": dashes}},
        },
        "config": {"font": "system-ui, sans-serif", "view": {"stroke": "var(--line)"}, "axis": dict(AXIS)},
    }


def _points(found: Histogram, side: str) -> list[JsonObject]:
    """Where each bin begins and its share; the last one twice, since it ends where nothing begins."""
    counts = getattr(found, side)
    total, width = sum(counts) or 1, (found.high - found.low) / len(counts)
    shares = [count / total for count in counts]
    edges = [found.low + number * width for number in range(len(counts))] + [found.high]
    return [
        {"side": side, "value": value, "share": share}
        for value, share in zip(edges, [*shares, shares[-1]], strict=True)
        if math.isfinite(value)
    ]
