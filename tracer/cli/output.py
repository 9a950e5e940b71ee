"""How a command ends: what it found printed, saved, and said in the exit code."""

from __future__ import annotations

from typing import NoReturn

import typer

from tracer import console
from tracer.core.outcomes import Ending, Outcomes, ending
from tracer.records import Report, Status


def check_target(json_file: str | None) -> None:
    """Before minutes of work, not after them."""
    if json_file not in (None, "-"):
        from tracer.store import reports as store

        store.check_writable(json_file)


def deliver(found: Report | Outcomes, json_file: str | None, show_all: bool) -> NoReturn:
    """Prints and saves what was found, and ends with its exit code."""
    from tracer import report as reports
    from tracer.store import reports as store

    if json_file == "-":
        console.emit(reports.to_json(found))
    else:
        # Printed before it is saved: a full disk must not swallow the result.
        console.emit(text_of(found, show_all, json_file))
        if json_file is not None:
            store.write_report(json_file, reports.to_json(found))
    raise typer.Exit(exit_code(found))


def text_of(found: Report | Outcomes, show_all: bool, saved_as: str | None) -> str:
    """What was found, for reading: one report, or a table and a report of each that needs explaining."""
    from tracer import report as reports

    color, width = console.use_color(), console.width()
    if isinstance(found, Outcomes):
        return reports.render_reports(found, show_all=show_all, color=color, width=width, saved_as=saved_as)
    return reports.render(found, show_all=show_all, color=color, width=width, saved_as=saved_as)


def exit_code(found: Report | Outcomes) -> Ending:
    """How a command ends that has found this."""
    outcomes = tuple(found.values()) if isinstance(found, Outcomes) else (found,)
    reports = [each for each in outcomes if isinstance(each, Report)]
    return ending(
        diverged=any(report.status is Status.DIVERGED for report in reports),
        same=0 < len(outcomes) == len(reports) and all(report.matches for report in reports),
    )
