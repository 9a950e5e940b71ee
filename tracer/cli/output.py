"""How a command ends: what it found printed, saved, and said in the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import NoReturn

import typer

from tracer import console
from tracer.core.outcomes import Outcomes, ending_of
from tracer.errors import SpecError
from tracer.records import Report, Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What is written, beside what is printed; `-` is stdout, and takes the place of the text.

    Attributes:
        json: the whole result.
        html: a page.
        markdown: a summary.
        junit: a test case for each part of the result.
        model_explorer: node data for the viewer of that name; of one report only.
    """

    json: str | None = None
    html: str | None = None
    markdown: str | None = None
    junit: str | None = None
    model_explorer: str | None = None

    @property
    def wanted(self) -> dict[str, str]:
        """The files that were asked for, by form."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: target for name, target in named.items() if target is not None}

    def check(self) -> None:
        """Before minutes of work, not after them.

        Raises:
            TracerError: if one of them can't be written, or what writes it isn't installed.
        """
        targets = list(self.wanted.values())
        if targets.count("-") > 1:
            raise SpecError("only one result can go to stdout.")
        for target in targets:
            check_target(target)
        if self.html is not None:
            from tracer.report.page import check_pages

            check_pages()


def check_target(target: str | None) -> None:
    """Before minutes of work, not after them."""
    if target not in (None, "-"):
        from tracer.store import reports as store

        store.check_writable(target)


def deliver(found: Report | Outcomes, files: Files, show_all: bool) -> NoReturn:
    """Prints and saves what was found, and ends with its exit code."""
    told = stamped(found) if isinstance(found, Report) else all_stamped(found)
    write_files(files, told, lambda: text_of(told, show_all, files.json))
    raise typer.Exit(ending_of(told))


def write_files(
    files: Files,
    found: Shown,
    text: Callable[[], str],
    json: Callable[[], str] | None = None,
    html: Callable[[], str] | None = None,
    markdown: Callable[[], str] | None = None,
) -> None:
    """Prints the text, unless something else goes to stdout, then writes each file that was asked for.

    Args:
        files: where to.
        found: what was found.
        text: it as text.
        json: it as JSON; of a report or several when not given.
        html: it as a page; the one that it makes itself when not given.
        markdown: it as a summary; likewise.
    """
    from tracer.store import reports as store

    wanted, writers = files.wanted, _writers(found, json, html, markdown)
    # Printed before it is saved, and saved where it can't be printed: neither may swallow the result.
    try:
        if "-" not in wanted.values():
            console.emit_report(text())
        for name in (name for name, target in wanted.items() if target == "-"):
            console.emit(writers[name]())
    finally:
        for name, target in wanted.items():
            if target != "-":
                store.write_report(target, writers[name]())


def _writers(
    found: Shown,
    json: Callable[[], str] | None,
    html: Callable[[], str] | None,
    markdown: Callable[[], str] | None,
) -> Mapping[str, Callable[[], str]]:
    from tracer import report as reports
    from tracer.report.forms.junit import junit_of

    def plain() -> str:
        assert isinstance(found, (Report, Outcomes))
        return reports.to_json(found)

    def nodes() -> str:
        if not isinstance(found, Report):
            raise SpecError("--model-explorer takes one report: name the one with --format.")
        # Only here: what it knows of layer paths lies beside arrays, and NumPy would be imported for `show` too.
        from tracer.report.forms.model_explorer import node_data

        return node_data(found)

    return {
        "json": json or plain,
        "html": html or found.to_html,
        "markdown": markdown or found.to_markdown,
        "junit": lambda: junit_of(found, shlex.join(["tracer", *sys.argv[1:2]])),
        "model_explorer": nodes,
    }


def stamped(report: Report) -> Report:
    """The same with the command and the time, so that a file that is found later says where it comes from."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(report, command=shlex.join(["tracer", *sys.argv[1:]]), date=now)


def all_stamped(outcomes: Outcomes) -> Outcomes:
    """Each report of several, stamped."""
    told = {name: stamped(each) if isinstance(each, Report) else each for name, each in outcomes.items()}
    return replace(outcomes, by_name=told)


def text_of(found: Report | Outcomes, show_all: bool, saved_as: str | None) -> str:
    """What was found, for reading: one report, or a table and a report of each that needs explaining."""
    from tracer import report as reports

    color, width = console.use_color(), console.width()
    if isinstance(found, Outcomes):
        return reports.render_reports(
            found, noun=found.of, show_all=show_all, color=color, width=width, saved_as=saved_as
        )
    return reports.render(found, show_all=show_all, color=color, width=width, saved_as=saved_as)
