"""Pictures of a single layer, as digits that the page's script draws in characters: hundreds fit into a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tracer.records import LayerReport, Report, Verdict
from tracer.report.page.space import can_be_drawn, largest_field
from tracer.report.style import plain_number

_BARS: Final = 8  # steps above none
_SHADES: Final = 4
_MOST: Final = 8  # fields along an axis; a finer map, of a layer at fault, is drawn in its card
_AT_FAULT: Final = frozenset({Verdict.INTRODUCED, Verdict.MASKED})
_SKETCHED: Final = (
    "none: a golden holds a sketch of each output instead of its values. `tracer diff REFERENCE CANDIDATE --html FILE` "
    "has the values of both sides: give it a reference that is right"
)
_UNASKED: Final = (
    "none was made: `--html FILE` of the command that compares makes one of every layer that differs, as does "
    "`pictures=True` in Python"
)


def are_pictures_made(report: Report) -> bool:
    """Whether pictures were asked for: then others than the layers at fault have some."""
    return any(layer.histogram is not None for layer in report.layers if layer.verdict not in _AT_FAULT)


def is_sketched(report: Report) -> bool:
    """Whether the reference is a golden: of sketches the largest difference can't be told, nor of any layer alone."""
    return all(layer.local_error is None and not math.isfinite(layer.max_abs) for layer in report.layers)


def unpictured(layer: LayerReport, *, sketched: bool, made: bool) -> str:
    """Why a layer has no picture of its values, in one sentence; "" where it has one, or both sides are the same.

    Args:
        layer: of a report.
        sketched: see `is_sketched`.
        made: see `are_pictures_made`.
    """
    if layer.histogram is not None or layer.verdict is Verdict.IDENTICAL:
        return ""
    if layer.note and not math.isfinite(layer.rel_error):
        return f"none, since the two can't be laid over each other: {layer.note}{order_words(layer.note)}"
    if sketched:
        return _SKETCHED
    return "none: it has no two finite numbers that differ" if made else _UNASKED


def order_words(note: str) -> str:
    """Which side is which, behind a note such as `shape (2, 3) against (2, 4)`."""
    return " (the reference's against the candidate's)" if " against " in note else ""


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
    """`row/row/…|words`, a digit for the shade of each field; "" where there is no map."""
    found = layer.error_map
    if found is None or not can_be_drawn(found):
        return ""
    rows, columns, largest = largest_field(found)
    fields = _coarse(found.fields)
    darkest = max(value for row in fields for value in row if math.isfinite(value))
    shades = "/".join("".join(_shade(value, darkest) for value in row) for row in fields)
    words = f"up to {plain_number(largest)} in rows {rows[0]}–{rows[1]}, columns {columns[0]}–{columns[1]}"
    return f"{shades}|{words}"


def _coarse(fields: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    """The same in at most so many fields along each axis, each the mean of those in it that have a number."""
    rows, columns = (_groups(len(axis)) for axis in (fields, fields[0]))
    return [[_mean([fields[i][j] for i in range(*row) for j in range(*column)]) for column in columns] for row in rows]


def _groups(size: int) -> Sequence[tuple[int, int]]:
    """Where each group of an axis begins and ends; they are equally long, but for one."""
    count = min(size, _MOST)
    return [(size * number // count, size * (number + 1) // count) for number in range(count)]


def _mean(values: Sequence[float]) -> float:
    numbers = [value for value in values if math.isfinite(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def _shade(value: float, largest: float) -> str:
    if not math.isfinite(value):
        return "?"
    return str(max(1, math.ceil(value / largest * _SHADES))) if value > 0 else "0"
