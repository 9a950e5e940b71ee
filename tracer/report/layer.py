"""One layer of a report in every number that was taken."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator

from tracer.errors import SpecError
from tracer.records import LayerReport, Report, Verdict
from tracer.report import phrases, text
from tracer.report.style import (
    BLANK,
    MIN_WIDTH,
    Line,
    Span,
    Tone,
    cell_value,
    error_number,
    labelled,
    line,
    paint,
    plain_number,
)

_NEAREST = 5


def render_layer(report: Report, layer: str, *, color: bool = False, width: int = 100) -> str:
    """Everything that the report knows of one layer.

    Raises:
        SpecError: if no layer of the report has this path; the nearest ones are named.
    """
    columns = max(width, MIN_WIDTH)
    found = next((entry for entry in report.layers if entry.layer == layer), None)
    fault = next((entry for entry in report.faults if entry.layer == layer), None)
    hidden = next((entry for entry in report.hidden if entry.layer == layer), None)
    side = next((side for side, paths in report.unmatched.items() if layer in paths), None)
    lines: list[Line] = []
    if found is not None:
        lines += _metrics(found, columns)
    elif side is not None:
        lines += [line(layer, Tone.STRONG), *labelled("verdict", f"only in the {side}: not compared", columns)]
    elif fault is None and hidden is None:
        raise SpecError(_unknown(report, layer))
    if fault is not None:
        lines += [*([BLANK] if lines else []), *text.fault_lines(fault, None, "Fault", columns)]
    if hidden is not None:
        lines += [*([BLANK] if lines else []), *text.hidden_lines(hidden, columns)]
    return paint(lines, color=color)


def _metrics(layer: LayerReport, width: int) -> Iterator[Line]:
    yield (Span(layer.layer, Tone.STRONG), Span(f" ({layer.class_name})"))
    yield from labelled(
        "verdict", f"{layer.verdict}: {_meaning(layer)}", width, tone=phrases.verdict_tone(layer.verdict)
    )
    if layer.note:
        yield from labelled("note", layer.note, width)
    yield from labelled("output", f"shape {tuple(layer.shape)}, {layer.dtype or 'dtype unknown'}", width)
    yield from labelled(
        "rel. error", f"{error_number(layer.rel_error)} (relative L2, with the inputs that it got)", width
    )
    yield from labelled("local error", f"{error_number(layer.local_error)} (on the reference's inputs)", width)
    yield from labelled("tolerance", error_number(layer.tolerance), width)
    yield from labelled("max abs", f"{plain_number(layer.max_abs)}{_worst(layer)}", width)
    yield from labelled("max ulp", plain_number(layer.max_ulp), width)
    yield from labelled("cosine", "-" if math.isnan(layer.cosine) else f"{layer.cosine:.9f}", width)
    counts = f"{layer.nonfinite_reference} in the reference, {layer.nonfinite_candidate} in the candidate"
    yield from labelled("not finite", counts, width)
    yield from _channels(layer, width)


def _worst(layer: LayerReport) -> str:
    if not layer.worst_index and layer.worst_reference is None and layer.worst_candidate is None:
        return ""
    place = ", ".join(str(i) for i in layer.worst_index)
    reference = cell_value(layer.worst_reference, nonfinite=layer.nonfinite_reference > 0)
    candidate = cell_value(layer.worst_candidate, nonfinite=layer.nonfinite_candidate > 0)
    return f" at [{place}]: reference {reference}, candidate {candidate}"


def _channels(layer: LayerReport, width: int) -> Iterator[Line]:
    if not layer.channels:
        return
    shares = ", ".join(f"{channel} ({share:.1%})" for channel, share in layer.channels)
    yield from labelled("channels", f"{shares}: their share of the squared error, last axis", width)


def _meaning(layer: LayerReport) -> str:
    match layer.verdict:
        case Verdict.IDENTICAL:
            return "equal bit for bit"
        case Verdict.CLOSE:
            return "differs, within tolerance"
        case Verdict.INHERITED:
            return "differs because its inputs do; right by itself"
        case Verdict.INTRODUCED:
            return "wrong by itself: this layer is at fault"
        case Verdict.MASKED:
            return "wrong by itself, but nothing of it reaches a model output"
        case Verdict.NONDETERMINISTIC:
            return "the reference differs from itself when it runs twice: not judged"
        case Verdict.INCOMPARABLE:
            return "shape, dtype or kind of value differs: no number can be given"


def _unknown(report: Report, layer: str) -> str:
    paths = [entry.layer for entry in report.layers] + [p for side in report.unmatched.values() for p in side]
    if not paths:
        return f"no layer {layer!r} in this report: it has no layers at all."
    inside = [path for path in paths if layer and layer.lower() in path.lower()]
    nearest = list(dict.fromkeys([*inside, *difflib.get_close_matches(layer, paths, n=_NEAREST, cutoff=0.5)]))[
        :_NEAREST
    ]
    hint = f"the nearest: {', '.join(nearest)}" if nearest else "without LAYER, `--all` lists every one"
    return f"no layer {layer!r} in this report of {len(paths)}; {hint}."
