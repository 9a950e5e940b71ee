"""One layer of a report in every number that was taken."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import TypeVar

from tracer.errors import SpecError
from tracer.records import Difference, Fault, LayerReport, Report, Verdict
from tracer.report import phrases, text
from tracer.report.style import (
    BLANK,
    MIN_WIDTH,
    Line,
    Span,
    Tone,
    cell_value,
    counted,
    error_number,
    labelled,
    line,
    paint,
    plain_number,
)

_NEAREST = 5
_MEANINGS = MappingProxyType(
    {
        Verdict.IDENTICAL: "equal bit for bit",
        Verdict.CLOSE: "differs, within tolerance",
        Verdict.INHERITED: "differs because its inputs do; right by itself",
        Verdict.INTRODUCED: "wrong by itself: this layer is at fault",
        Verdict.MASKED: "wrong by itself, but nothing of it reaches a model output",
        Verdict.NONDETERMINISTIC: "the reference differs from itself when it runs twice: not judged",
        Verdict.INCOMPARABLE: "shape, dtype or kind of value differs: no number can be given",
    }
)

_Entry = TypeVar("_Entry", LayerReport, Fault)


def render_layer(report: Report, layer: str, *, color: bool = False, width: int = 100) -> str:
    """Everything that the report knows of one layer.

    Raises:
        SpecError: if no layer of the report has this path; the nearest ones are named.
    """
    columns = max(width, MIN_WIDTH)
    paragraphs = list(filter(None, (list(lines) for lines in _paragraphs(report, layer, columns))))
    if not paragraphs:
        raise SpecError(_unknown(report, layer))
    first, *others = paragraphs
    return paint([*first, *(each for lines in others for each in (BLANK, *lines))], color=color)


def _paragraphs(report: Report, layer: str, width: int) -> Iterator[Iterable[Line]]:
    """What was compared of a layer, or why nothing was; then its faults."""
    found = _entry_of(report.layers, layer)
    if found is not None:
        yield _metrics(found, width)
    else:
        yield _unmatched(report, layer, width)
    fault = _entry_of(report.faults, layer)
    if fault is not None:
        yield text.fault_lines(fault, None, "Fault", width)
    hidden = _entry_of(report.hidden, layer)
    if hidden is not None:
        yield text.hidden_lines(hidden, width)


def _entry_of(entries: Iterable[_Entry], layer: str) -> _Entry | None:
    return next((entry for entry in entries if entry.layer == layer), None)


def _unmatched(report: Report, layer: str, width: int) -> Iterator[Line]:
    side = next((side for side, paths in report.unmatched.items() if layer in paths), None)
    if side is not None:
        yield line(layer, Tone.STRONG)
        yield from labelled("verdict", f"only in the {side}: not compared", width)


def _metrics(layer: LayerReport, width: int) -> Iterator[Line]:
    yield (Span(layer.layer, Tone.STRONG), Span(f" ({layer.class_name})"))
    tone = phrases.verdict_tone(layer.verdict)
    yield from labelled("verdict", f"{layer.verdict}: {_meaning_for(layer)}", width, tone=tone)
    if layer.note:
        yield from labelled("note", layer.note, width)
    yield from labelled("output", f"shape {tuple(layer.shape)}, {layer.dtype or 'dtype unknown'}", width)
    yield from labelled(
        "rel. error", f"{error_number(layer.rel_error)} (relative L2, with the inputs that it got)", width
    )
    yield from labelled("local error", f"{error_number(layer.local_error)} (on the reference's inputs)", width)
    if layer.worst_batch is not None:
        yield from labelled("worst batch", f"{layer.worst_batch}, which these numbers are of", width)
    yield from labelled("tolerance", error_number(layer.tolerance), width)
    yield from labelled("max abs", f"{plain_number(layer.max_abs)}{worst_words(layer)}", width)
    for label, value in named_numbers(layer):
        yield from labelled(label, value, width)
    yield from labelled("not finite", finite_words(layer), width)
    yield from _channels(layer, width)


def named_numbers(layer: LayerReport) -> Iterator[tuple[str, str]]:
    """The numbers of a layer's difference that are shown as they are, each with its label."""
    for each in fields(Difference):
        label, value = each.metadata.get("label"), getattr(layer.difference, each.name)
        if label is not None and value is not None:
            yield label, _in_digits(value, each.metadata["digits"])


def _in_digits(value: float, digits: int | None) -> str:
    if digits is None:
        return plain_number(value)
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def worst_words(layer: LayerReport) -> str:
    """Where the two differ most, and both values there; "" where that isn't known."""
    if not layer.worst_index and layer.worst_reference is None and layer.worst_candidate is None:
        return ""
    place = ", ".join(str(i) for i in layer.worst_index)
    reference = cell_value(layer.worst_reference, nonfinite=layer.nonfinite_reference > 0)
    candidate = cell_value(layer.worst_candidate, nonfinite=layer.nonfinite_candidate > 0)
    return f" at [{place}]: reference {reference}, candidate {candidate}"


def _channels(layer: LayerReport, width: int) -> Iterator[Line]:
    if not layer.channels:
        return
    yield from labelled("channels", channel_words(layer), width)


def channel_words(layer: LayerReport) -> str:
    """The channels that weigh most, with their share."""
    shares = ", ".join(f"{channel} ({share:.1%})" for channel, share in layer.channels)
    return f"{shares}: their share of the squared error, last axis"


def finite_words(layer: LayerReport) -> str:
    """How many values aren't finite, on both sides; and where the first is that only one side has."""
    here, there = layer.nonfinite_reference, layer.nonfinite_candidate
    if not (here or there):
        return "none on either side"
    place = worst_words(layer) if math.isinf(layer.max_abs) else ""
    first = f"; the first that only one side has is{place}" if place else ""
    return f"{here} of {counted(math.prod(layer.shape), 'value')} in the reference, {there} in the candidate{first}"


def _meaning_for(layer: LayerReport) -> str:
    if layer.verdict is Verdict.INHERITED and (layer.local_error or 0.0) > layer.tolerance:
        return "differs on equal inputs too, since it multiplies rounding: not blamed"
    return meaning(layer.verdict)


def meaning(verdict: Verdict) -> str:
    """What a verdict says of a layer."""
    return _MEANINGS[verdict]


def _unknown(report: Report, layer: str) -> str:
    paths = [entry.layer for entry in report.layers] + [p for side in report.unmatched.values() for p in side]
    if not paths:
        return f"no layer {layer!r} in this report: it has no layers at all."
    nearest = _nearest(layer, paths)
    hint = f"the nearest: {', '.join(nearest)}" if nearest else "without LAYER, `--all` lists every one"
    return f"no layer {layer!r} in this report of {len(paths)}; {hint}."


def _nearest(layer: str, paths: Sequence[str]) -> list[str]:
    inside = [path for path in paths if layer and layer.lower() in path.lower()]
    similar = difflib.get_close_matches(layer, paths, n=_NEAREST, cutoff=0.5)
    return list(dict.fromkeys([*inside, *similar]))[:_NEAREST]
