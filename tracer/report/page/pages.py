"""What each page consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tracer.core.matrix.bisection import Bisection
from tracer.core.matrix.cells import Answer
from tracer.core.outcomes import Ending
from tracer.errors import TracerError
from tracer.records import Report, Status
from tracer.report.bisection import headline, told_of
from tracer.report.json import worst_status
from tracer.report.matrix import cell_class, exit_code, table
from tracer.report.page.chart import depth_chart
from tracer.report.page.templates import render
from tracer.report.style import counted

_FULL: Final = 4  # reports that are told in full; a page of sixteen would be several megabytes


def report_page(report: Report) -> str:
    """One report: verdict, faults, chart, every layer, both sides.

    Raises:
        TracerError: if jinja2 or vl-convert-python isn't installed.
    """
    return render("report.html", report=report, chart=depth_chart(report))


def outcomes_page(outcomes: Mapping[str, Report | TracerError], noun: str = "format") -> str:
    """A row for each of several reports, and the first few of those that need explaining in full.

    Args:
        outcomes: a report, or why there is none, by name.
        noun: what the names are of.

    Raises:
        TracerError: if jinja2 or vl-convert-python isn't installed.
    """
    reports = [(name, each) for name, each in outcomes.items() if isinstance(each, Report)]
    errors = [(name, each) for name, each in outcomes.items() if not isinstance(each, Report)]
    telling = [number for number, (_, report) in enumerate(reports) if not report.matches][:_FULL]
    return render(
        "outcomes.html",
        title=_title(outcomes, noun),
        worst=worst_status(outcomes),
        noun=noun,
        reports=reports,
        errors=errors,
        shown=telling,
        charts={number: depth_chart(reports[number][1]) for number in telling},
    )


def _title(outcomes: Mapping[str, Report | TracerError], noun: str) -> str:
    """`in 2 of 3 formats: keras, h5`, those that aren't equal; `in 3 formats` where all are."""
    total = counted(len(outcomes), noun)
    bad = [name for name, each in outcomes.items() if not (isinstance(each, Report) and each.matches)]
    return f"in {len(bad)} of {total}: {', '.join(bad)}" if bad else f"in {total}"


def matrix_page(answers: Sequence[Answer]) -> str:
    """Environments down, questions across, each cell's verdict in words and in colour.

    Raises:
        TracerError: if jinja2 isn't installed.
    """
    found = table(answers)
    statuses = {Ending.SAME: Status.PASS, Ending.DIVERGED: Status.DIVERGED, Ending.TROUBLE: Status.INCONCLUSIVE}
    ran = {row: _ran(row, answers) for row, _ in found.rows}
    return render("matrix.html", table=found, status=statuses[exit_code(answers)], tone=cell_class, ran=ran)


def _ran(row: str, answers: Sequence[Answer]) -> str:
    """What really ran in a row's environment; "" where nothing did."""
    for answer in answers:
        there = (answer.environments or {}).get("candidate") if answer.cell.environment == row else None
        if there:
            return ", ".join(f"{name} {version}" for name, version in there.items())
    return ""


def bisection_page(bisection: Bisection) -> str:
    """The release, the layers at fault on its bad side, every release that was tested.

    Raises:
        TracerError: if jinja2 isn't installed.
    """
    answers = dict(bisection.answers)
    return render(
        "bisection.html",
        bisection=bisection,
        headline=headline(bisection),
        faults=bisection.bad.faults if bisection.bad is not None else (),
        tested=[(release, str(outcome), told_of(answers[release])) for release, outcome in bisection.found.tested],
    )
