"""What a bisection found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Final

from tracer.core.matrix.bisection import Bisection, Outcome, Stretch, narrowing
from tracer.core.matrix.cells import Answer, FaultSummary
from tracer.records import SCHEMA, JsonObject, Side
from tracer.report.matrix import fed_words
from tracer.report.style import BLANK, Line, Span, Tone, counted, error_number, labelled, line, paint

_OF_FAULT: Final = ("layer", "class_name", "cause", "side", "known_issue", "fixed_in")
_TONES = MappingProxyType({Outcome.GOOD: Tone.GOOD, Outcome.BAD: Tone.BAD, Outcome.UNTESTABLE: Tone.WARN})


def render_bisection(bisection: Bisection, *, color: bool = False, width: int = 100) -> str:
    """The answer in the first line; then why, what was tested, and how to see it again."""
    return paint(_lines(bisection, width), color=color)


def _lines(bisection: Bisection, width: int) -> Iterator[Line]:
    found = bisection.found
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
    yield from _tested(bisection)
    if bisection.reproduce:
        yield BLANK
        yield line("See it again, with the whole report:")
        yield line(f"  {bisection.reproduce}")


def _tested(bisection: Bisection) -> Iterator[Line]:
    """A line for each test: what came of it, where the change could still be after it, and what was found."""
    answers, places = dict(bisection.answers), narrowed(bisection)
    width = max(map(len, places), default=0)
    for (release, outcome), place in zip(bisection.found.tested, places, strict=True):
        left = f"{place:<{width}}  " if width else ""
        told = told_of(answers[release])
        yield (Span(f"  {release:<10}  "), Span(f"{outcome:<10}", _TONES[outcome]), Span(left, Tone.DIM), Span(told))


def narrowed(bisection: Bisection) -> Sequence[str]:
    """Where the change could still be after each test; "" until the ends are known to differ."""
    return [_place(now) if now is not None else "" for now in narrowing(bisection.releases, bisection.found.tested)]


def _place(now: Stretch) -> str:
    """`3.5.0 … 3.8.0, 2 steps left`."""
    left = f", {counted(now.steps, 'step')} left" if now.steps else ""
    return f"{now.low} … {now.high}{left}"


def headline(bisection: Bisection) -> str:
    """The release, the layer and the cause in one line."""
    found = bisection.found
    if found.after is None:
        return f"NO BOUNDARY: {found.reason}"
    fault = _first_fault(bisection.bad)
    layer = f": {fault['layer']} ({fault['cause']})" if fault else ""
    verb = "FIXED" if bisection.direction == "fixed" else "INTRODUCED"
    where = f"in {bisection.vary} {found.after}" if not found.between else f"after {found.before}, by {found.after}"
    return f"{verb} {where}{layer}"


def _first_fault(answer: Answer | None) -> FaultSummary | None:
    return answer.faults[0] if answer is not None and answer.faults else None


def _why(answer: Answer, direction: str, width: int) -> Iterator[Line]:
    last = "last bad" if direction == "fixed" else "first bad"
    yield from labelled(last, f"{answer.cell.release}: {told_of(answer)}", width)
    for fault in answer.faults[:3]:
        side = "" if fault["side"] == Side.UNKNOWN else f", the {fault['side']} is wrong"
        yield from labelled("layer", f"{fault['layer']} ({fault['class_name']})", width, tone=Tone.BAD)
        yield from labelled("cause", f"{fault['cause']}{side}", width)
        if fault["known_issue"]:
            fixed = f", fixed in {fault['fixed_in']}" if fault["fixed_in"] else ""
            yield from labelled("known as", f"{fault['known_issue']}{fixed}", width)


def told_of(answer: Answer) -> str:
    """What was found in one release, in a few words."""
    if answer.faults:
        return f"{answer.outcome} at {', '.join(fault['layer'] for fault in answer.faults[:2])}"
    if answer.message:
        return f"{answer.outcome}: {' '.join(answer.message.split())[:160]}"
    if answer.same and answer.worst_layer:
        return f"{answer.outcome}, at most {error_number(answer.worst_error)}"
    return answer.outcome


def bisection_to_json(bisection: Bisection) -> str:
    """The same as JSON that ends in a newline; `release` is the first one of the other kind."""
    found = bisection.found
    fault = _first_fault(bisection.bad)
    body = {
        "schema": SCHEMA,
        "model": bisection.model,
        "vary": bisection.vary,
        "held": bisection.held,
        "direction": bisection.direction if found.after else None,
        "release": found.after,
        "before": found.before,
        "between": list(found.between),
        **{name: None if fault is None else fault[name] for name in _OF_FAULT},
        "faults": list(bisection.bad.faults) if bisection.bad else [],
        "reason": found.reason,
        "tested": [{"release": release, "outcome": str(outcome)} for release, outcome in found.tested],
        "skipped": list(found.skipped),
        "releases": list(bisection.releases),
        "reproduce": bisection.reproduce,
        "answers": _plain(bisection.answers),
    }
    return json.dumps(body, indent=2, allow_nan=False) + "\n"


def _plain(answers: Sequence[tuple[str, Answer]]) -> JsonObject:
    return {release: answer.to_dict() for release, answer in answers}
