"""What `tracer doctor` and `tracer audit` found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from tracer.records import Audit
from tracer.report.style import BLANK, MIN_WIDTH, Line, Span, Tone, counted, line, paint, wrapped

_TONES = MappingProxyType({"ok": Tone.GOOD, "warn": Tone.WARN, "bad": Tone.BAD})
_MARK_WIDTH = 6


def render_checks(checks: Sequence[tuple[str, str, str]], *, ok: bool, color: bool = False, width: int = 100) -> str:
    """The verdict in the first line, then one line a check: status, what, detail."""
    return paint(_lines(_headline([status for status, _, _ in checks], ok), checks, max(width, MIN_WIDTH)), color=color)


def render_audit(audit: Audit, *, color: bool = False, width: int = 100) -> str:
    """The verdict in the first line, then what is wrong, what else to know, and known defects."""
    width = max(width, MIN_WIDTH)
    return paint(_lines(_verdict(audit), tuple(_describe(audit)), width), color=color)


def _verdict(audit: Audit) -> Line:
    followed = f"{counted(audit.arrays, 'array')} and {counted(audit.settings, 'setting')} followed"
    if audit.ok:
        return line(f"OK: {audit.file} comes back whole: {followed}", Tone.GOOD)
    return line(f"LOST: {audit.file}: {counted(len(audit.findings), 'finding')}; {followed}", Tone.BAD)


def _describe(audit: Audit) -> Iterator[tuple[str, str, str]]:
    writer = f"Keras {audit.writer}" if audit.writer else "an unknown Keras"
    yield "ok", "file", f"{audit.format}, written by {writer}, loaded by Keras {audit.reader} on {audit.backend}"
    for finding in audit.findings:
        remedy = f". {finding.remedy}" if finding.remedy else ""
        yield "bad", finding.kind, f"{finding.place}: {finding.detail}{remedy}"
    for trial in audit.trials:
        error = trial.note or ("other shapes" if trial.error is None else f"relative L2 error {trial.error:.2g}")
        yield "ok" if trial.gives else "warn", "tried", f"{trial.change}: {error}"
    for note in audit.notes:
        yield "warn", "note", note
    for issue, told in audit.exposure:
        yield "warn", issue, f"may have met: {told}"


def _lines(headline: Line, checks: Sequence[tuple[str, str, str]], width: int) -> Iterator[Line]:
    yield headline
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
