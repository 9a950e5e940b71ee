"""The error along the depth of a model in one line of text: `·····▂▂▇████`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tracer.records import LayerReport, Report
from tracer.report.style import error_number

_BARS: Final = "▁▂▃▄▅▆▇█"
_FEWEST: Final = 3  # layers; a line of two says nothing that the table doesn't
_EQUAL, _NO_NUMBER, _AT_FAULT = "·", "!", "x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """The error along depth, drawn.

    Attributes:
        bars: a character for each layer output, or for the largest error of several in a row.
        faults: of the same length up to the last fault: where layers are at fault; "" where none is.
        legend: what the characters mean.
    """

    bars: str
    faults: str
    legend: str


def sparkline(report: Report, width: int) -> Sparkline | None:
    """The line, at most `width` characters; None where nothing differs, or too little was compared to be drawn."""
    numbers = [layer.rel_error for layer in report.layers if 0 < layer.rel_error < math.inf]
    if len(report.layers) < _FEWEST or not numbers:
        return None
    low, high = min(numbers), max(numbers)
    parts = list(_parts(report.layers, width))
    marks = _marks(report, parts)
    legend = f"error of the layers, log scale from ▁ {error_number(low)} to █ {error_number(high)}, · none"
    return Sparkline(
        bars="".join(_bar(part, low, high) for part in parts),
        faults=marks,
        legend=f"{legend}; x at fault" if marks else legend,
    )


def _marks(report: Report, parts: Sequence[Sequence[LayerReport]]) -> str:
    faults = {fault.layer for fault in report.faults}
    return "".join(_AT_FAULT if faults & {layer.layer for layer in part} else " " for part in parts).rstrip()


def _parts(layers: Sequence[LayerReport], width: int) -> Iterator[Sequence[LayerReport]]:
    """The layers in at most `width` parts of nearly equal size."""
    count = min(len(layers), width)
    for number in range(count):
        yield layers[number * len(layers) // count : (number + 1) * len(layers) // count]


def _bar(part: Sequence[LayerReport], low: float, high: float) -> str:
    errors = [layer.rel_error for layer in part]
    if not all(map(math.isfinite, errors)):
        return _NO_NUMBER
    largest = max(errors)
    if largest == 0:
        return _EQUAL
    # A difference of logarithms: the quotient of two numbers may be infinite.
    span = math.log(high) - math.log(low)
    share = (math.log(largest) - math.log(low)) / span if span else 1.0
    return _BARS[round(share * (len(_BARS) - 1))]
