"""What `tracer doctor` found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from tracer.report.style import BLANK, MIN_WIDTH, Line, Span, Tone, counted, line, paint, wrapped

_TONES = MappingProxyType({"ok": Tone.GOOD, "warn": Tone.WARN, "bad": Tone.BAD})
_MARK_WIDTH = 6


def render_checks(checks: Sequence[tuple[str, str, str]], *, ok: bool, color: bool = False, width: int = 100) -> str:
    """The verdict in the first line, then one line a check: status, what, detail."""
    return paint(_lines(checks, ok, max(width, MIN_WIDTH)), color=color)


def _lines(checks: Sequence[tuple[str, str, str]], ok: bool, width: int) -> Iterator[Line]:
    warnings = sum(status == "warn" for status, _, _ in checks)
    if ok:
        told = f", {counted(warnings, 'warning')}" if warnings else ""
        yield line(f"OK: tracer works here{told}", Tone.WARN if warnings else Tone.GOOD)
    else:
        bad = sum(status == "bad" for status, _, _ in checks)
        yield line(f"TROUBLE: {counted(bad, 'thing')} must be put right before tracer works here", Tone.BAD)
    yield BLANK
    column = max((len(what) for _, what, _ in checks), default=0) + 2
    for status, what, detail in checks:
        for number, piece in enumerate(wrapped(detail, width - 2 - _MARK_WIDTH - column)):
            head = (
                (f"{status:<{_MARK_WIDTH}}", f"{what:<{column}}") if number == 0 else (" " * _MARK_WIDTH, " " * column)
            )
            yield (Span("  "), Span(head[0], _TONES.get(status, Tone.PLAIN)), Span(head[1]), Span(piece))
