"""What a way to compare nothing is, and how it ends; see `test_green_means_equal.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from tracer.cli import app
from tracer.core.outcomes import ending_of
from tracer.errors import TracerError
from tracer.records import Report, Status
from tracer.report import render


class Said(NamedTuple):
    """How a way has ended: exit code, and first line."""

    code: int
    line: str


class Way(NamedTuple):
    """One of them: `says` is searched for in the first line; `run` gets an empty folder."""

    id: str
    says: str
    run: Callable[[Path], Report | Said]


def typed(id: str, says: str, *words: str) -> Way:
    """A command line; `{}` in a word is the empty folder."""

    def run(folder: Path) -> Said:
        result = CliRunner().invoke(app, [word.replace("{}", str(folder)) for word in words])
        return Said(result.exit_code, result.output)

    return Way(id, says, run)


def outcome(way: Way, folder: Path) -> Said:
    """Exit code and first line, as the command line ends."""
    try:
        found = way.run(folder)
    except TracerError as error:
        return Said(2, str(error))
    if not isinstance(found, Report):
        return found
    assert not found.matches or found.status in (Status.PASS, Status.WITHIN_TOLERANCE)
    assert bool(found.reason) is (found.status is Status.INCONCLUSIVE)
    return Said(ending_of(found), render(found).splitlines()[0])


def check_not_green(way: Way, folder: Path, code: int = 2) -> None:
    said = outcome(way, folder)
    assert said.code == (code), said
    assert re.search(way.says, said.line, re.DOTALL), said
