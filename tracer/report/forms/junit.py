"""Results as JUnit XML, which every CI service reads: a case for each format, model or cell."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from tracer.core.matrix.cells import Answer, Matrix
from tracer.core.outcomes import Outcomes
from tracer.errors import TracerError, printable
from tracer.records import Report, Shown, Status
from tracer.report import phrases
from tracer.report.matrix import note_of
from tracer.report.table import seconds
from tracer.report.text import render


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One case.

    Attributes:
        name: of what was compared.
        seconds: that it took.
        failure: the first line of what diverged; "" where nothing did.
        error: why nothing can be said; "" where something can.
        text: all that is to be read about it.
    """

    name: str
    seconds: float = 0.0
    failure: str = ""
    error: str = ""
    text: str = ""


def junit_of(noun: Shown, suite: str = "tracer") -> str:
    """The XML of a report, of several, or of a matrix, ending in a newline.

    Args:
        noun: what was found.
        suite: the name of the test suite.

    Raises:
        TypeError: if it has no cases, such as a bisection.
    """
    cases = _cases(noun)
    failures, errors = sum(bool(case.failure) for case in cases), sum(bool(case.error) for case in cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    root = ET.Element("testsuites", {"name": "tracer", **counts})
    parent = ET.SubElement(root, "testsuite", {"name": printable(suite), **counts})
    for case in cases:
        _add(parent, case, suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _cases(noun: Shown) -> Sequence[_Case]:
    match noun:
        case Report():
            return [_case_of(noun.specs.get("candidate", "report"), noun)]
        case Outcomes():
            return [_case_of(name, outcome) for name, outcome in noun.items()]
        case Matrix():
            return list(map(_case_of_cell, noun.answers))
    raise TypeError(f"{type(noun).__name__} has no test cases.")


def _case_of(name: str, outcome: Report | TracerError) -> _Case:
    if not isinstance(outcome, Report):
        return _Case(name=name, error=str(outcome) or type(outcome).__name__)
    if outcome.matches:
        return _Case(name=name, seconds=seconds(outcome))
    told, text = phrases.headline(outcome), render(outcome)
    if outcome.status is Status.DIVERGED:
        return _Case(name=name, seconds=seconds(outcome), failure=told, text=text)
    return _Case(name=name, seconds=seconds(outcome), error=told, text=text)


def _case_of_cell(answer: Answer) -> _Case:
    name = f"{answer.cell.column} @ {answer.cell.environment}"
    if answer.same:
        return _Case(name=name, seconds=answer.seconds)
    note = note_of(answer) or answer.outcome
    if answer.outcome == Status.DIVERGED:
        return _Case(name=name, seconds=answer.seconds, failure=note, text=answer.message)
    return _Case(name=name, seconds=answer.seconds, error=note, text=answer.message)


def _add(parent: ET.Element, case: _Case, suite: str) -> None:
    names = {"classname": printable(suite), "name": printable(case.name), "time": f"{case.seconds:.3f}"}
    element = ET.SubElement(parent, "testcase", names)
    for tag, message in (("failure", case.failure), ("error", case.error)):
        if message:
            told = ET.SubElement(element, tag, {"message": printable(message)})
            told.text = "\n".join(map(printable, case.text.split("\n")))
