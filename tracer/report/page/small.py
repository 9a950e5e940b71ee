"""Pictures of a single layer, as digits that the page's script draws in characters: hundreds fit into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tracer.records import LayerReport
from tracer.report.page.space import can_be_drawn, largest_field
from tracer.report.style import plain_number

_BARS: Final = 8  # steps above none
_SHADES: Final = 4
_ROWS: Final = 8  # a finer map is drawn in the card of its fault


def small_values(layer: LayerReport) -> str:
    """`reference|candidate|low|high`, a digit for the height of each bar; "" where there is nothing to draw.

    A height is the square root of its count: a bin with few values beside one with most of them isn't none.
    """
    found = layer.histogram
    if found is None:
        return ""
    highest = max((*found.reference, *found.candidate), default=0)
    if highest <= 0:
        return ""
    bars = (_digits(counts, highest) for counts in (found.reference, found.candidate))
    return "|".join([*bars, plain_number(found.low), plain_number(found.high)])


def _digits(counts: Sequence[int], highest: int) -> str:
    return "".join(str(max(1, round(math.sqrt(n / highest) * _BARS)) if n > 0 else 0) for n in counts)


def small_map(layer: LayerReport) -> str:
    """`row/row/…|words`, a digit for the shade of each field; "" where there is no map, or one too fine for text."""
    found = layer.error_map
    if found is None or not can_be_drawn(found) or len(found.fields) > _ROWS:
        return ""
    rows, columns, largest = largest_field(found)
    shades = "/".join("".join(_shade(value, largest) for value in row) for row in found.fields)
    words = f"up to {plain_number(largest)} in rows {rows[0]}–{rows[1]}, columns {columns[0]}–{columns[1]}"
    return f"{shades}|{words}"


def _shade(value: float, largest: float) -> str:
    if not math.isfinite(value):
        return "?"
    return str(max(1, math.ceil(value / largest * _SHADES))) if value > 0 else "0"
