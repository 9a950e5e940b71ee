"""What each page consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tracer.core.matrix.bisection import Bisection
from tracer.core.matrix.cells import Answer, Cell, ending_of
from tracer.core.outcomes import Outcomes
from tracer.errors import TracerError
from tracer.records import Report
from tracer.report.bisection import headline, narrowed, told_of
from tracer.report.forms.several import alike
from tracer.report.json import worst_status
from tracer.report.matrix import cell_class, table
from tracer.report.page.chart import depth_chart
from tracer.report.page.templates import render
from tracer.report.style import counted

_FULL: Final = 4  # reports that are told in full; a page of sixteen would be several megabytes


@dataclass(frozen=True, slots=True)
class Above:
    """The page that leads to one of a single report.

    Attributes:
        href: where it is, as a relative address.
        title: what of it is told here.
    """

    href: str
    title: str


def report_page(report: Report, above: Above | None = None) -> str:
    """One report: verdict, faults, chart, every layer, both sides.

    Args:
        report: what to show.
        above: the page that it belongs to; None where it stands alone.

    Raises:
        TracerError: if jinja2 or vl-convert-python isn't installed.
    """
    return render("report.html", report=report, chart=depth_chart(report), above=above)


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
    telling = _telling(reports, noun)
    return render(
        "outcomes.html",
        title=_title(outcomes, noun),
        worst=worst_status(outcomes),
        noun=noun,
        took=outcomes.seconds if isinstance(outcomes, Outcomes) else 0.0,
        reports=reports,
        errors=errors,
        shown=telling,
        homes={name: number for number, group in telling.items() for name in group},
        charts={number: depth_chart(reports[number][1]) for number in telling},
    )


def _telling(reports: Sequence[tuple[str, Report]], noun: str) -> dict[int, list[str]]:
    """The places of the reports that are told in full, and the names of all that say the same as each."""
    places = {name: number for number, (name, _) in enumerate(reports)}
    groups = alike({name: report for name, report in reports if not report.matches}, noun)[:_FULL]
    return {places[next(iter(group))]: list(group) for group in groups}


def _title(outcomes: Mapping[str, Report | TracerError], noun: str) -> str:
    """`in 2 of 3 formats: keras, h5`, those that aren't equal; `in 3 formats` where all are."""
    total = counted(len(outcomes), noun)
    bad = [name for name, each in outcomes.items() if not (isinstance(each, Report) and each.matches)]
    return f"in {len(bad)} of {total}: {', '.join(bad)}" if bad else f"in {total}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A cell of the page.

    Attributes:
        words: its verdict; "" where nothing was asked.
        href: where the page of its report is; "" where it has none.
        lacks: others have a page of their own, and this one would need one.
    """

    words: str
    href: str = ""
    lacks: bool = False


def matrix_page(answers: Sequence[Answer], links: Mapping[Cell, str] | None = None) -> str:
    """Environments down, questions across, each cell's verdict in words and in colour.

    Args:
        answers: of the cells.
        links: where the pages of single cells are, as relative addresses; None where no such pages are written.

    Raises:
        TracerError: if jinja2 isn't installed.
    """
    found = table(answers)
    rows = [(row, tuple(_places(row, words, answers, links)), _ran(row, answers)) for row, words in found.rows]
    status = ending_of(answers).status
    return render("matrix.html", table=found, rows=rows, linked=bool(links), status=status, tone=cell_class)


def _places(
    row: str, words: Sequence[str], answers: Sequence[Answer], links: Mapping[Cell, str] | None
) -> Iterator[_Place]:
    asked = {answer.cell.column: answer for answer in answers}
    there = {answer.cell.column: answer for answer in answers if answer.cell.environment == row}
    for column, told in zip(asked, words, strict=True):
        answer = there.get(column)
        href = links.get(answer.cell, "") if links and answer is not None else ""
        lacks = links is not None and answer is not None and not answer.same and not href
        yield _Place(told, href, lacks)


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
        tested=[
            (release, str(outcome), place, told_of(answers[release]))
            for (release, outcome), place in zip(bisection.found.tested, narrowed(bisection), strict=True)
        ],
    )
