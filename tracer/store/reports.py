"""Saved reports: written whole or not at all, read with a clear word about what is wrong with the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tracer.core.outcomes import Outcomes
from tracer.core.trust.json_text import MOST, memory_of
from tracer.errors import FixtureError, TracerError, printable
from tracer.records import SCHEMA, Report
from tracer.store.validation import check
from tracer.system.leftovers import written_whole

_MOST = 1 << 28  # bytes; a report of a thousand layers has one MB
_HOW = "Write one with `tracer diff … --json FILE` or `tracer roundtrip … --json FILE`."


def check_writable(path: str | os.PathLike[str]) -> None:
    """Does nothing where a report can be written; asked before long work, so that its result isn't lost.

    Raises:
        TracerError: if it can't.
    """
    target = Path(path)
    if target.is_dir():
        raise TracerError(f"can't write the report to {target}: it is a folder. Give a file in it.")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise TracerError(f"can't write the report to {target}: there is no folder {folder}. Make it first.")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise TracerError(f"can't write the report to {target}: no permission. Give another place.")


def write_report(path: str | os.PathLike[str], text: str) -> None:
    """Writes the text under the path, whole or not at all.

    Raises:
        TracerError: if it can't be written; what was there before is untouched.
    """
    # A link is followed; a device or a pipe can't be replaced by a file, it is written to.
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_text(text, encoding="utf-8")
        else:
            with written_whole(target) as stream:
                stream.write(text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise TracerError(f"can't write the report to {os.fspath(path)}: {reason}. Give another place.") from error


def read_report(path: str | os.PathLike[str], *, format: str | None = None) -> Report:
    """One saved report.

    Args:
        path: a file that `--json` wrote.
        format: which one, where the file holds several.

    Raises:
        FixtureError: if there is no such file, or it holds no such report.
    """
    found = read_reports(path)
    name = printable(os.fspath(path))
    if isinstance(found, Outcomes):
        return _choose(name, found, format)
    if format is not None:
        raise FixtureError(f"{name} holds no report of format {format!r}. It holds: a single one, without a format.")
    return found


def _choose(name: str, outcomes: Outcomes, format: str | None) -> Report:
    if format is None and len(outcomes) != 1:
        raise FixtureError(f"{name} holds {len(outcomes)} reports: choose one with --format: {', '.join(outcomes)}.")
    wanted = next(iter(outcomes)) if format is None else format
    if wanted not in outcomes:
        raise FixtureError(f"{name} holds no report of format {wanted!r}. It holds: {', '.join(outcomes)}.")
    report = outcomes[wanted]
    if isinstance(report, Report):
        return report
    raise FixtureError(f"{name} holds no report of format {wanted!r}, because it failed: {report}")


def read_reports(path: str | os.PathLike[str]) -> Report | Outcomes:
    """The report of a file, or all that it holds by format, those that failed as their errors.

    Raises:
        FixtureError: if there is no such file, or it holds no report of this schema.
    """
    name = printable(os.fspath(path))
    data = _parse(Path(path), name)
    if "reports" not in data:
        return _report(name, data)
    if data.get("schema") != SCHEMA:
        raise FixtureError(f"{name}: not tracer reports of schema {SCHEMA}: its `schema` is {data.get('schema')!r}.")
    reports, errors = data["reports"], data.get("errors", {})
    if not isinstance(reports, dict) or not isinstance(errors, dict) or not (reports or errors):
        raise FixtureError(f"{name}: the tracer reports are damaged: there is none in it.")
    found = {key: _report(f"{name}, format {key}", report) for key, report in reports.items()}
    failed = {key: TracerError(str(message)) for key, message in errors.items()}
    return Outcomes({**found, **failed}, seconds=_seconds(data.get("timings")))


def _seconds(timings: object) -> float:
    """What all took together; 0 in files of old, and where that is no number."""
    total = timings.get("total") if isinstance(timings, dict) else None
    return float(total) if isinstance(total, (int, float)) else 0.0


def _check_size(path: Path, name: str) -> None:
    """Pipes are read, since `<(…)` and /dev/stdin are some."""
    if path.is_char_device() or path.is_block_device():
        raise FixtureError(f"{name}: a device, which holds no report. {_HOW}")
    if path.is_file() and (size := path.stat().st_size) > _MOST:
        raise FixtureError(f"{name}: not a tracer report: it has {size} bytes, more than any report. {_HOW}")


def _text(path: Path, name: str) -> str:
    """What a file or a pipe holds, unless it can't be a report."""
    _check_size(path, name)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST + 1)
        if len(data) > _MOST:  # of a pipe nobody knew how much it holds
            raise FixtureError(f"{name}: not a tracer report: it has more bytes than any report. {_HOW}")
        text = data.decode("utf-8")
    except FileNotFoundError as error:
        raise FixtureError(f"{name}: no such file. {_HOW}") from error
    except UnicodeDecodeError as error:
        raise FixtureError(f"{name}: not a tracer report: it isn't text. {_HOW}") from error
    except (OSError, ValueError) as error:
        raise FixtureError(f"{name}: can't be read: {getattr(error, 'strerror', None) or error}.") from error
    if not text.strip():
        raise FixtureError(f"{name}: the file is empty. {_HOW}")
    if memory_of(text) > MOST:
        raise FixtureError(f"{name}: not a tracer report: it would take more memory than any report. {_HOW}")
    return text


def _parse(path: Path, name: str) -> dict[str, Any]:
    text = _text(path, name)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise FixtureError(f"{name}: not JSON, or cut off: {error.msg} at {where}. {_HOW}") from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "a number in it is too long"
        raise FixtureError(f"{name}: not a tracer report: {reason}. {_HOW}") from error
    if not isinstance(found, dict) or "schema" not in found:
        raise FixtureError(f"{name}: JSON, but not a tracer report. {_HOW}")
    return found


def _report(name: str, data: Any) -> Report:
    if not isinstance(data, dict):
        raise FixtureError(f"{name}: the tracer report is damaged: it is a {type(data).__name__}.")
    try:
        if data.get("schema") == SCHEMA:
            check("report", data)
    except FixtureError as error:
        raise FixtureError(f"{name}: the tracer report is damaged: {error}. {_HOW}") from error
    try:
        return Report.from_dict(data)
    except FixtureError as error:
        raise FixtureError(f"{name}: {error}") from error
