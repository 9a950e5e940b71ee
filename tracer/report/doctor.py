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
    yield _headline([status for status, _, _ in checks], ok)
    yield BLANK
    column = max((len(what) for _, what, _ in checks), default=0) + 2
    for status, what, detail in checks:
        first, *others = wrapped(detail, width - 2 - _MARK_WIDTH - column)
        mark = Span(f"{status:<{_MARK_WIDTH}}", _TONES.get(status, Tone.PLAIN))
        yield (Span("  "), mark, Span(f"{what:<{column}}"), Span(first))
        for piece in others:
            yield line(" " * (2 + _MARK_WIDTH + column) + piece)


def _headline(statuses: Sequence[str], ok: bool) -> Line:
    if not ok:
        things = counted(statuses.count("bad"), "thing")
        return line(f"TROUBLE: {things} must be put right before tracer works here", Tone.BAD)
    warnings = statuses.count("warn")
    told = f", {counted(warnings, 'warning')}" if warnings else ""
    return line(f"OK: tracer works here{told}", Tone.WARN if warnings else Tone.GOOD)
