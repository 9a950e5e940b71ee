"""What a bisection found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tracer.core.matrix import Answer
from tracer.core.search import Found, Outcome
from tracer.records import SCHEMA, Side
from tracer.report.matrix import fed_words
from tracer.report.style import BLANK, Line, Span, Tone, counted, error_number, labelled, line, paint

_TONES = MappingProxyType({Outcome.GOOD: Tone.GOOD, Outcome.BAD: Tone.BAD, Outcome.UNTESTABLE: Tone.WARN})


def render_bisection(bisection: Any, *, color: bool = False, width: int = 100) -> str:
    """The answer in the first line; then why, what was tested, and how to see it again."""
    return paint(_lines(bisection, width), color=color)


def _lines(bisection: Any, width: int) -> Iterator[Line]:
    found: Found = bisection.found
    yield line(headline(bisection), Tone.STRONG if found.after else Tone.WARN)
    yield BLANK
    yield from labelled("model", bisection.model, width)
    yield from labelled("held", bisection.held or "nothing: the newest backend each time", width)
    fed = next((told for _, answer in bisection.answers if (told := fed_words(answer))), "")
    if fed:
        yield from labelled("inputs", fed, width)
    if bisection.bad is not None:
        yield from _why(bisection.bad, bisection.direction, width)
    if found.between:
        words = f"{', '.join(found.between)}: can't be tested; the change may be in one of them"
        yield from labelled("untestable", words, width, tone=Tone.WARN)
    yield BLANK
    yield line(f"Tested {len(found.tested)} of {counted(len(bisection.releases), 'release')}:", Tone.STRONG)
    answers = dict(bisection.answers)
    for release, outcome in found.tested:
        yield (Span(f"  {release:<10}  "), Span(f"{outcome:<10}", _TONES[outcome]), Span(_detail(answers[release])))
    if bisection.reproduce:
        yield BLANK
        yield line("See it again, with the whole report:")
        yield line(f"  {bisection.reproduce}")


def headline(bisection: Any) -> str:
    """The release, the layer and the cause in one line."""
    found: Found = bisection.found
    if found.after is None:
        return f"NO BOUNDARY: {found.reason}"
    fault = _first_fault(bisection.bad)
    layer = f": {fault['layer']} ({fault['cause']})" if fault else ""
    verb = "FIXED" if bisection.direction == "fixed" else "INTRODUCED"
    where = f"in {bisection.vary} {found.after}" if not found.between else f"after {found.before}, by {found.after}"
    return f"{verb} {where}{layer}"


def _first_fault(answer: Answer | None) -> Mapping[str, Any] | None:
    return answer.faults[0] if answer is not None and answer.faults else None


def _why(answer: Answer, direction: str, width: int) -> Iterator[Line]:
    last = "last bad" if direction == "fixed" else "first bad"
    yield from labelled(last, f"{answer.cell.release}: {_detail(answer)}", width)
    for fault in answer.faults[:3]:
        side = "" if fault["side"] == Side.UNKNOWN else f", the {fault['side']} is wrong"
        yield from labelled("layer", f"{fault['layer']} ({fault['class_name']})", width, tone=Tone.BAD)
        yield from labelled("cause", f"{fault['cause']}{side}", width)
        if fault["known_issue"]:
            fixed = f", fixed in {fault['fixed_in']}" if fault["fixed_in"] else ""
            yield from labelled("known as", f"{fault['known_issue']}{fixed}", width)


def _detail(answer: Answer) -> str:
    if answer.faults:
        return f"{answer.outcome} at {', '.join(fault['layer'] for fault in answer.faults[:2])}"
    if answer.message:
        return f"{answer.outcome}: {' '.join(answer.message.split())[:160]}"
    if answer.same and answer.worst_layer:
        return f"{answer.outcome}, at most {error_number(answer.worst_error)}"
    return answer.outcome


def bisection_to_json(bisection: Any) -> str:
    """The same as JSON that ends in a newline; `release` is the first one of the other kind."""
    found: Found = bisection.found
    fault = _first_fault(bisection.bad) or {}
    body = {
        "schema": SCHEMA,
        "model": bisection.model,
        "vary": bisection.vary,
        "held": bisection.held,
        "direction": bisection.direction if found.after else None,
        "release": found.after,
        "before": found.before,
        "between": list(found.between),
        **{name: fault.get(name) for name in ("layer", "class_name", "cause", "side", "known_issue", "fixed_in")},
        "faults": list(bisection.bad.faults) if bisection.bad else [],
        "reason": found.reason,
        "tested": [{"release": release, "outcome": str(outcome)} for release, outcome in found.tested],
        "skipped": list(found.skipped),
        "releases": list(bisection.releases),
        "reproduce": bisection.reproduce,
        "answers": _plain(bisection.answers),
    }
    return json.dumps(body, indent=2, allow_nan=False) + "\n"


def _plain(answers: Sequence[tuple[str, Answer]]) -> dict[str, Any]:
    return {release: answer.to_dict() for release, answer in answers}
