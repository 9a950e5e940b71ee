"""A bisection as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.core.matrix.bisection import Bisection
from tracer.core.matrix.cells import Answer
from tracer.report.bisection import headline, narrowed, told_of
from tracer.report.forms.markup import code, issue_url, plain, sentence, table


def bisection_to_markdown(bisection: Bisection) -> str:
    """The release in the first line, the layers at fault on its bad side, and every release that was tested."""
    names = [fault["layer"] for fault in bisection.bad.faults] if bisection.bad is not None else []
    lines = [f"### {sentence(headline(bisection), names)}", "", f"Model: {code(bisection.model)}", ""]
    if bisection.bad is not None:
        lines += [*_fault_lines(bisection.bad), ""]
    answers = dict(bisection.answers)
    rows = (
        (plain(release), str(outcome), plain(place), plain(told_of(answers[release])))
        for (release, outcome), place in zip(bisection.found.tested, narrowed(bisection), strict=True)
    )
    lines += table((plain(bisection.vary), "outcome", "the change is between", "what was found"), rows)
    if bisection.reproduce:
        lines += ["", f"See it again: {code(bisection.reproduce)}"]
    return "\n".join(lines) + "\n"


def _fault_lines(answer: Answer) -> Iterator[str]:
    for fault in answer.faults:
        known, url = fault["known_issue"], issue_url(fault["known_issue"])
        told = f", known as {f'[{plain(known)}]({url})' if url else plain(known)}" if known else ""
        yield f"* {code(fault['layer'])} ({plain(fault['class_name'])}): {plain(fault['cause'])}{told}"
