"""How a command ends: what it found printed, saved, and said in the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from tracer import console

if TYPE_CHECKING:
    from tracer.errors import TracerError
    from tracer.records import Report


def check_target(json_file: str | None) -> None:
    """Before minutes of work, not after them."""
    if json_file not in (None, "-"):
        from tracer.store import reports as store

        store.check_writable(json_file)


def deliver(outcomes: Mapping[str, Report | TracerError], json_file: str | None, show_all: bool) -> None:
    """Prints and saves what was found, and ends with its exit code; the format ``""`` means that none was named."""
    from tracer import report as reports
    from tracer.records import Report
    from tracer.store import reports as store

    only = outcomes.get("")
    body = only if isinstance(only, Report) else outcomes
    if json_file == "-":
        console.emit(reports.to_json(body))
    else:
        # Printed before it is saved: a full disk must not swallow the result.
        console.emit(text_of(outcomes, show_all, json_file))
        if json_file is not None:
            store.write_report(json_file, reports.to_json(body))
    raise typer.Exit(exit_code(outcomes))


def text_of(outcomes: Mapping[str, Report | TracerError], show_all: bool, saved_as: str | None) -> str:
    """What was found, for reading: one report, or one a format."""
    from tracer import report as reports
    from tracer.records import Report

    look: dict[str, Any] = {"color": console.use_color(), "width": console.width(), "saved_as": saved_as}
    only = outcomes.get("")
    if isinstance(only, Report):
        return reports.render(only, show_all=show_all, **look)
    return reports.render_reports(outcomes, show_all=show_all, **look)


def exit_code(outcomes: Mapping[str, Report | TracerError]) -> int:
    """A divergence outweighs trouble: it is certain, whatever another format would have said."""
    from tracer.records import Report, Status

    if any(isinstance(r, Report) and r.status is Status.DIVERGED for r in outcomes.values()):
        return console.EXIT_DIVERGED
    same = bool(outcomes) and all(isinstance(r, Report) and r.matches for r in outcomes.values())
    return console.EXIT_SAME if same else console.EXIT_TROUBLE
