"""The card that a notebook shows of a report."""

from __future__ import annotations

from html import escape
from types import MappingProxyType
from typing import Final

from tracer.errors import TracerError
from tracer.records import Report, Shown, Status
from tracer.report.page.templates import render

_COLORS: Final = MappingProxyType(
    {
        Status.PASS: "#17692f",
        Status.WITHIN_TOLERANCE: "#17692f",
        Status.DIVERGED: "#b3122b",
        Status.INCONCLUSIVE: "#7d5300",
    }
)


def report_card(noun: Shown) -> str:
    """A report in a few lines; of every other result, and where jinja2 is missing, the text as it is printed."""
    if isinstance(noun, Report):
        try:
            return render("card.html", report=noun, color=_COLORS[noun.status])
        except TracerError:
            pass
    return f"<pre>{escape(noun.to_text())}</pre>"
