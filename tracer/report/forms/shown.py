"""Any result in any form: which renderer is whose."""

from __future__ import annotations

from tracer.core.matrix.bisection import Bisection
from tracer.core.matrix.cells import Matrix
from tracer.core.outcomes import Outcomes
from tracer.records import Report, Shown
from tracer.report.bisection import render_bisection
from tracer.report.forms.bisection import bisection_to_markdown
from tracer.report.forms.markdown import outcomes_to_markdown, report_to_markdown
from tracer.report.forms.several import render_reports
from tracer.report.matrix import matrix_to_markdown, render_matrix
from tracer.report.page import bisection_page, matrix_page, outcomes_page, report_card, report_page
from tracer.report.text import render


def text_of(noun: Shown, *, show_all: bool = False, width: int = 100) -> str:
    """What the command line prints of it, without colours, ending in a newline."""
    match noun:
        case Report():
            return render(noun, show_all=show_all, width=width)
        case Outcomes():
            return render_reports(noun, noun=noun.of, show_all=show_all, width=width)
        case Matrix():
            return render_matrix(noun.answers, results=noun.results, width=width)
        case Bisection():
            return render_bisection(noun, width=width)
    raise _unknown(noun)


def markdown_of(noun: Shown) -> str:
    """It as Markdown that ends in a newline."""
    match noun:
        case Report():
            return report_to_markdown(noun)
        case Outcomes():
            return outcomes_to_markdown(noun, noun.of)
        case Matrix():
            return matrix_to_markdown(noun.answers)
        case Bisection():
            return bisection_to_markdown(noun)
    raise _unknown(noun)


def html_of(noun: Shown) -> str:
    """It as one page that needs nothing else.

    Raises:
        TracerError: if jinja2 or vl-convert-python isn't installed.
    """
    match noun:
        case Report():
            return report_page(noun)
        case Outcomes():
            return outcomes_page(noun, noun.of)
        case Matrix():
            return matrix_page(noun.answers)
        case Bisection():
            return bisection_page(noun)
    raise _unknown(noun)


def card_of(noun: Shown) -> str:
    """It as a notebook shows it."""
    return report_card(noun)


def _unknown(noun: Shown) -> TypeError:
    return TypeError(f"{type(noun).__name__} can't be shown: nothing here renders it.")
