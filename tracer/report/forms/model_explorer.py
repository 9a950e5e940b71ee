"""A report as node data for Model Explorer, the viewer of model graphs: the error of each node, coloured by verdict.

The format is that of its `node_data_builder.GraphNodeData` (ai-edge-model-explorer 0.1): `results` by node, each with a
`value`, `bgColor` and `textColor`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tracer.core.comparison.alignment import call_named
from tracer.records import JsonObject, LayerReport, Report, Verdict

ENDLESS: Final = 1e9  # stands for an error without a number; the viewer's scale needs one
_NAME: Final = "tracer: relative error (red at fault, orange inherits, blue rounds, grey identical)"
# Those of the page in its light scheme, on which white text can be read; the worst verdict last.
_COLOURS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.IDENTICAL: "#6b737c",
        Verdict.CLOSE: "#0068ad",
        Verdict.INHERITED: "#9a5b00",
        Verdict.NONDETERMINISTIC: "#00704f",
        Verdict.INCOMPARABLE: "#4a4f57",
        Verdict.MASKED: "#8e2c7c",
        Verdict.INTRODUCED: "#c8102e",
    }
)
_ORDER: Final = tuple(_COLOURS)


def node_data(report: Report) -> str:
    """The JSON of one report, ending in a newline; nodes are named by layer path, the worst output of a call counts."""
    worst_last = sorted(report.layers, key=lambda layer: (_ORDER.index(layer.verdict), layer.rel_error))
    found = {call_named(layer.layer): _result(layer) for layer in worst_last}
    results = {path: found[path] for path in dict.fromkeys(call_named(layer.layer) for layer in report.layers)}
    return json.dumps({"results": results, "name": _NAME}, indent=1, allow_nan=False) + "\n"


def _result(layer: LayerReport) -> JsonObject:
    error = layer.rel_error if math.isfinite(layer.rel_error) else ENDLESS
    return {"value": min(error, ENDLESS), "bgColor": _COLOURS[layer.verdict], "textColor": "#ffffff"}
