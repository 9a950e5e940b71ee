"""Checkpoint files: their neighbours by name, how a fresh process finds them, and the verdict beside each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tracer.core.formats import FormatName
from tracer.errors import DivergenceError, SpecError, WorkerError
from tracer.records import Report, Status
from tracer.system.processes import end_group

_SCHEMA: Final = 1
_NAMED: Final = 4  # layers that a reason names
# By suffix, the longest first: the format whose way back is the one that users of such a file take.
_FORMATS: Final[tuple[tuple[str, FormatName, str], ...]] = (
    (".weights.h5", "weights", "model.weights.h5"),
    (".keras", "keras", "model.keras"),
    (".h5", "h5", "model.h5"),
)


class Outcome(StrEnum):
    """What came of a verification."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of one file.

    Attributes:
        outcome: `unverified` where it couldn't be held against the model, which says nothing against the file.
        reason: which layer and why, in a few lines; why it could not be verified; of a file that was, what this Keras
            doesn't restore though the file holds it, and mostly empty.
        report: of the comparison, where one was made.
        seconds: that it took.
    """

    outcome: Outcome
    reason: str = ""
    report: Report | None = None
    seconds: float = 0.0


def judge(report: Report, seconds: float, caution: str = "") -> Verdict:
    """The verdict that follows from a report; `caution` is what has to be said though the file is right."""
    if report.matches:
        return Verdict(outcome=Outcome.VERIFIED, reason=caution, report=report, seconds=seconds)
    if report.status is Status.INCONCLUSIVE:
        return Verdict(outcome=Outcome.UNVERIFIED, reason=report.reason, report=report, seconds=seconds)
    try:
        report.raise_for_divergence()
    except DivergenceError as error:
        return Verdict(outcome=Outcome.FAILED, reason=str(error), report=report, seconds=seconds)
    raise AssertionError("a report that doesn't match raises")


def layers_of(verdict: Verdict) -> str:
    """The layers that a verdict blames, with their causes, in one line."""
    report = verdict.report
    blamed = () if report is None else (*report.faults, *report.hidden)
    told = [f"{fault.layer} ({fault.cause})" for fault in blamed[:_NAMED]]
    more = f" and {len(blamed) - _NAMED} more" if len(blamed) > _NAMED else ""
    return ", ".join(told) + more


# --- names


def suffix_of(path: Path) -> str:
    """`.weights.h5`, `.keras` or `.h5`.

    Raises:
        SpecError: if it is none of these.
    """
    for suffix, _, _ in _FORMATS:
        if path.name.endswith(suffix):
            return suffix
    known = ", ".join(suffix for suffix, _, _ in _FORMATS)
    raise SpecError(f"{str(path)!r}: the name of a file to verify ends in one of {known}.")


def check_place(path: str) -> None:
    """Does nothing where the files that are written under a name can be verified.

    Raises:
        SpecError: if its suffix is none that is known, or it isn't in this system's folders.
    """
    suffix_of(Path(path))
    if "://" in path:
        raise SpecError(f"{path!r}: only files in folders of this system can be verified: save there, and copy them.")


def beside(path: Path, word: str) -> Path:
    """The neighbour of a file that says by its name what it is: `best.keras` → `best.failed.keras`."""
    suffix = suffix_of(path)
    return path.with_name(f"{path.name.removesuffix(suffix)}.{word}{suffix}")


def verdict_path(path: Path) -> Path:
    """Where the verdict on a file is."""
    return path.with_name(f"{path.name}.verdict.json")


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What is another one after a file was written; None where it isn't there."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
    return None


# --- verdicts on disk


def write_verdict(path: Path, verdict: Verdict, **more: object) -> None:
    """Write the verdict on a file beside it; whole, or not at all.

    Raises:
        TracerError: if it can't be written.
    """
    from tracer.store import reports

    body = {
        "schema": _SCHEMA,
        "file": path.name,
        "sha256": _digest(path),
        "outcome": str(verdict.outcome),
        "reason": verdict.reason,
        "seconds": round(verdict.seconds, 3),
        **more,
        "report": None if verdict.report is None else verdict.report.to_dict(),
    }
    reports.write_report(verdict_path(path), json.dumps(body, indent=1) + "\n")


def is_protected(path: Path) -> bool:
    """Whether a file is there that may not be replaced by one that wasn't verified.

    Of a file that nobody knows better, whoever wrote it, that is taken to be so.
    """
    if not path.exists():
        return False
    try:
        known = json.loads(verdict_path(path).read_text(encoding="utf-8"))
        return bool(known["outcome"] == Outcome.VERIFIED or known["sha256"] != _digest(path))
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def move(source: Path, target: Path) -> None:
    """Put a file in the place of another, at once, and take its verdict along."""
    verdict_path(target).unlink(missing_ok=True)
    source.replace(target)
    if verdict_path(source).exists():
        verdict_path(source).replace(verdict_path(target))


def placed(written: Path, target: Path, outcome: Outcome) -> Path:
    """Where a file goes that was written aside: over `target` only where that takes nothing that is better from it."""
    place = target
    if outcome is Outcome.FAILED:
        place = beside(target, "failed")
    elif outcome is Outcome.UNVERIFIED and is_protected(target):
        place = beside(target, "unverified")
    elif outcome is Outcome.VERIFIED:
        _save_newer(target, written)
    if place != written:
        move(written, place)
    return place


def _save_newer(target: Path, written: Path) -> None:
    """Put an unverified file aside that was saved while another was being verified, and is about to be replaced."""
    newer = beside(target, "unverified")
    if _is_newer(target, written) and not is_protected(target) and not newer.exists():
        move(target, newer)


def _is_newer(path: Path, other: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns > other.stat().st_mtime_ns


def copy(source: Path, target: Path) -> None:
    """A second file of the same bytes; none where it can't be written to its end.

    Raises:
        OSError: then.
    """
    try:
        shutil.copyfile(source, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def is_copy(first: Path, second: Path) -> bool:
    """Whether two files have the same bytes; false where one isn't there, or is just being removed."""
    try:
        return _digest(first) == _digest(second)
    except OSError:
        return False


# --- for the fresh process


def lay_out(path: Path, folder: Path) -> FormatName:
    """Link a file into a folder as the code that loads it expects it; its format.

    Raises:
        SpecError: if its suffix is none that is known.
    """
    suffix = suffix_of(path)
    _, name, file = next(entry for entry in _FORMATS if entry[0] == suffix)
    (folder / file).symlink_to(path.resolve())
    return name


@contextlib.contextmanager
def deadline(process: int, seconds: float | None) -> Iterator[None]:
    """Within it, a process and all that it started are ended when the time is up.

    Raises:
        WorkerError: then, in place of what came of it.
    """
    expired = threading.Event()

    def end() -> None:
        expired.set()
        end_group(process)

    timer = None if seconds is None else threading.Timer(seconds, end)
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    except WorkerError as error:
        if expired.is_set():
            raise WorkerError(f"it took longer than {seconds:g} s (max_seconds=), and was stopped.") from error
        raise
    finally:
        if timer is not None:
            timer.cancel()
