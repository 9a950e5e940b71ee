"""One cell of a matrix, asked and answered: what a local worker and a worker of a cluster both do."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import tracer
from tracer.core.formats import format_named
from tracer.core.matrix.cells import FAILED, UNTESTABLE, Answer, Cell, Kind, answer
from tracer.core.spec import parse_spec
from tracer.errors import TracerError
from tracer.records import Report, Status
from tracer.workflows.goldens.checking import check
from tracer.workflows.releases.reproducing import command_of
from tracer.workflows.tracing.diff import diff
from tracer.workflows.tracing.roundtrip import roundtrip

_SKIP = 125  # as git bisect has it
# None where nothing was compared, or where nobody reads more than that all is the same.
_Answered: TypeAlias = tuple[Answer, Report | None]


def run_cell(task: Mapping[str, Any]) -> dict[str, Any]:
    """Answers a cell; in and out as plain types. A cell that fails is answered `failed`, with the reason.

    An answer that isn't "the same" has its whole report beside its own keys, as `report`.  Nothing is left behind, so
    that a cell whose worker was lost can be run again anywhere.
    """
    cell = Cell.from_dict(task)
    start, report = time.perf_counter(), None
    try:
        found, report = _WAYS[cell.kind](cell, start)
    except TracerError as error:
        found = Answer(cell=cell, outcome=FAILED, message=str(error), seconds=round(time.perf_counter() - start, 2))
    return found.to_dict() if report is None else {**found.to_dict(), "report": report.to_dict()}


def _roundtrip(cell: Cell, start: float) -> _Answered:
    way = format_named(str(cell.format)).name
    return _answer(cell, roundtrip(cell.spec, cell.question.inputs, format=way, **_options(cell)), start)


def _diff(cell: Cell, start: float) -> _Answered:
    asked = cell.question
    return _answer(cell, diff(asked.baseline, cell.spec, asked.inputs, **_options(cell)), start)


def _check(cell: Cell, start: float) -> _Answered:
    """The golden has its own seed, batch and inputs."""
    asked = cell.question
    found = check(
        cell.spec, str(asked.golden), custom_objects=asked.custom_objects, packages=asked.packages, trust=asked.trust
    )
    return _answer(cell, found, start)


def _run(cell: Cell, start: float) -> _Answered:
    """The user's command, in the environment: its Python comes first on PATH."""
    from tracer.envs import environments, local

    begin = environments.prepare(cell.release, cell.backend, packages=cell.question.packages)
    found = local.installed_versions(begin)
    code, words = local.run_command(str(cell.question.command), begin)
    outcome = {0: str(Status.PASS), _SKIP: UNTESTABLE}.get(code, str(Status.DIVERGED))
    if code < 0:  # ended by a signal: says nothing about the release
        outcome = UNTESTABLE
    told = Answer(
        cell=cell,
        outcome=outcome,
        message=f"exit code {code}. {words}".strip(),
        environments={"candidate": found},
        seconds=round(time.perf_counter() - start, 2),
    )
    return told, None


# What a cell can ask.
_WAYS: Mapping[Kind, Callable[[Cell, float], _Answered]] = MappingProxyType(
    {Kind.ROUNDTRIP: _roundtrip, Kind.DIFF: _diff, Kind.CHECK: _check, Kind.RUN: _run}
)


def _options(cell: Cell) -> dict[str, Any]:
    names = ("seed", "batch", "training", "packages", "custom_objects", "trust")
    # Pictures whether a page is asked for or not: it may be later, and the answer isn't made anew for it.
    return {"prove": False, "pictures": True, **{name: getattr(cell.question, name) for name in names}}


def _answer(cell: Cell, report: Report, start: float) -> _Answered:
    """The answer, and the report with what it needs to be read alone: when it was made, and how to make it again."""
    found = answer(cell, report, time.perf_counter() - start)
    if found.same:
        return found, None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return found, replace(report, command=command_of(cell), date=now)


def content(model: str, inputs: str | None, baseline: str | None, golden: str | None = None) -> str:
    """Digest of all that an answer depends on and a cell doesn't name: files, the model's module, this package."""
    from tracer.store import cells

    paths = [Path(tracer.__file__).parent]
    for text in (model, baseline):
        if text:
            paths += _files(text)
    return cells.digest([*paths, *(Path(file) for file in (inputs, golden) if file)])


def _files(text: str) -> list[Path]:
    spec = parse_spec(text)
    if spec.kind == "file":
        return [Path(spec.target)]
    if spec.kind == "callable":
        try:
            found = importlib.util.find_spec(spec.target.partition(":")[0])
        except (ImportError, AttributeError, ValueError):  # the worker says so, with the reason
            return []
        return [Path(found.origin)] if found is not None and found.origin else []
    return []
