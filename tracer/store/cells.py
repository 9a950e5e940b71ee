"""Answers on disk: one file a cell, written whole as it arrives; so a second run does only what is missing.

The reports of cells that aren't the same lie in a folder beside them, under the same names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tracer.core.matrix.cells import Answer, Cell, key
from tracer.errors import FixtureError, TracerError
from tracer.records import JsonObject, Report
from tracer.store.reports import read_report, write_report
from tracer.store.validation import check


def digest(paths: Sequence[Path]) -> str:
    """Of the content of files, and of the files in folders; what isn't there counts as empty."""
    found = hashlib.sha256()
    for path in paths:
        files = sorted(file for file in path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()[:16]


def read(folder: str | os.PathLike[str], cell: Cell) -> Answer | None:
    """The answer that was written, or None: not there, cut off, changed since, or to another question."""
    try:
        data = json.loads((Path(folder) / f"{key(cell)}.json").read_text(encoding="utf-8"))
        check("answer", data)
        found = Answer.from_dict(data)
    except (OSError, ValueError, RecursionError, FixtureError):  # asked again
        return None
    return found if found.cell == cell else None


def read_whole(folder: str | os.PathLike[str], answer: Answer) -> Report | None:
    """The report that an answer is the short form of, or None: there is none, or it is damaged, or says otherwise."""
    try:
        found = read_report(_report_place(folder, answer.cell))
    except FixtureError:
        return None
    return found if found.status == answer.outcome else None


def write(folder: str | os.PathLike[str], answer: Answer, report: JsonObject | None = None) -> None:
    """Keeps an answer, and the report that it is the short form of.

    Args:
        folder: of all answers.
        answer: to one cell.
        report: as plain types; None where there is none, and one that was kept before goes.

    Raises:
        TracerError: if it can't be written.
    """
    place, whole = Path(folder), _report_place(folder, answer.cell)
    try:
        (place if report is None else whole.parent).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TracerError(f"can't make the folder {place} for results: {error.strerror}. Give --results.") from error
    # Before the answer: whoever finds an answer finds its report.
    if report is None:
        whole.unlink(missing_ok=True)
    else:
        write_report(whole, json.dumps(report, indent=1) + "\n")
    write_report(place / f"{key(answer.cell)}.json", json.dumps(answer.to_dict(), indent=1) + "\n")


def _report_place(folder: str | os.PathLike[str], cell: Cell) -> Path:
    return Path(folder) / "reports" / f"{key(cell)}.json"
