"""Answers on disk: one file a cell, written whole as it arrives; so a second run does only what is missing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tracer.core.matrix.cells import Answer, Cell, key
from tracer.errors import FixtureError, TracerError
from tracer.store.reports import write_report
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


def write(folder: str | os.PathLike[str], answer: Answer) -> None:
    """Keeps an answer.

    Raises:
        TracerError: if it can't be written.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TracerError(f"can't make the folder {place} for results: {error.strerror}. Give --results.") from error
    write_report(place / f"{key(answer.cell)}.json", json.dumps(answer.to_dict(), indent=1) + "\n")
