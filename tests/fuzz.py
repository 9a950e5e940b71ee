"""Damage files of every kind that is read, in many ways, and count what becomes of them.

`python tests/fuzz.py --mutants 20000` prints a table, and ends with 1 if a mutant did what none may do
(docs/reliability.md).  The same numbers make the same mutants: `--first N --mutants 1` repeats one.  After Ctrl-C the
table tells of those that have been read until then.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import psutil
from fuzz_files import Subject, subjects
from fuzz_mutants import FORGED, mutant

Counts: TypeAlias = Counter[tuple[str, str]]
SECONDS, MEMORY = 60.0, 1 << 30
BAD = ("executed", "internal error", "crashed", "hung", "memory", "forged", "left behind")
_BESIDE = 14  # the column of what stands beside a label; there, a text may have lines of its own
_OWN = "fuzz-"
_EACH = 1000  # mutants that a process reads: Keras and its backend keep something of every model
_NEVER = 600.0  # seconds of the clock in which a process has to compute something, or is ended


# --- what becomes of one, in a process of its own


def outcome(subject: Subject, path: Path, marker: Path) -> str:
    """Of reading one: `read`, `refused`, or one of `BAD`."""
    from tracer.errors import TracerError

    before = _reset_peak()
    try:
        text = subject.read(path)
        found = "read"
    except TracerError as error:
        text, found = str(error), "refused"
    except Exception as error:  # what is looked for
        print(f"{path.name}: {type(error).__name__}: {str(error)[:200]!r}", file=sys.stderr)
        text, found = None, "internal error"
    if marker.exists():
        marker.unlink()
        return "executed"
    if _peak() - before > MEMORY:
        return "memory"
    return "forged" if is_forged(text or "") else found


def is_forged(text: str) -> bool:
    """Whether a name in a file has made a line of its own, or a command to the terminal."""
    lines = (line for line in text.split("\n") if len(line) - len(line.lstrip()) < _BESIDE)
    return any(line.lstrip().startswith(FORGED) for line in lines) or any(
        not character.isprintable() and character != "\n" for character in text
    )


def _reset_peak() -> int:
    """Has the system forget the most memory that this process had; what it has now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def _child(first: int, last: int, only: str) -> None:
    """Reads mutants one after the other, and prints a line before and after each."""
    chosen = [subject for subject in subjects() if only in ("", subject.name)]
    for number in range(first, last):
        subject = chosen[number % len(chosen)]
        print(json.dumps([number, subject.name, None]), flush=True)
        with tempfile.TemporaryDirectory(prefix=_OWN) as folder:
            marker = Path(folder) / "executed"
            path = Path(folder) / subject.file
            path.write_bytes(mutant(subject.data, subject.change, number, marker))
            found = outcome(subject, path, marker)
        print(json.dumps([number, subject.name, found]), flush=True)
        if left := [item.name for item in Path(tempfile.gettempdir()).glob("*")]:
            print(f"mutant {number} of {subject.name} left {left}", file=sys.stderr)
            raise SystemExit(1)


# --- all of them


def run(first: int, last: int, only: str = "", counts: Counts | None = None) -> Counts:
    """Counts by kind of file and outcome; a process that hangs or crashes is ended, and the next goes on behind it.

    Args:
        first: number of the first mutant.
        last: number behind the last one.
        only: one kind of file, as the table names it; "" for all.
        counts: what is counted into, for whoever wants to know how far it has got.
    """
    counts = Counter() if counts is None else counts
    while first < last:
        many = min(last - first, _EACH)
        with tempfile.TemporaryDirectory() as folder:
            first = _one_child(("--first", str(first), "--mutants", str(many), "--only", only), folder, counts)
    return counts


def _one_child(options: Sequence[str], folder: str, counts: Counts) -> int:
    """Counts what a process has done until it ended; the number to go on with."""
    command = [sys.executable, __file__, "--child", *options]
    environment = {**os.environ, "TMPDIR": folder, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child,
        contextlib.ExitStack() as ending,
    ):
        ending.callback(child.kill)  # nothing where it has ended; on Ctrl-C it would read on
        assert child.stdout is not None
        number, name, found = int(options[1]) - 1, "", ""
        while _speaks(child, waiting=found is None):
            line = child.stdout.readline()
            if not line:
                break
            number, name, found = json.loads(line)
            if found is not None:
                counts[name, found] += 1
            if found in BAD:
                print(f"mutant {number} of {name}: {found}", file=sys.stderr)
        else:
            child.kill()
        code = child.wait()
    if found == "":
        raise SystemExit("the process that reads the mutants doesn't start.")
    if code != 0:
        end = "left behind" if found is not None else "hung" if code == -9 else "crashed"
        print(f"mutant {number} of {name}: {end}", file=sys.stderr)
        counts[name, end] += 1
    return number + 1


def _speaks(child: subprocess.Popen[str], *, waiting: bool) -> bool:
    """Whether it says something before it has computed for too long; on a busy machine the clock tells little."""
    assert child.stdout is not None
    started = latest = _spent(child.pid)
    end = time.monotonic() + _NEVER
    while time.monotonic() < end:
        if select.select([child.stdout], [], [], 1.0 if waiting else _NEVER)[0]:
            return True
        now = _spent(child.pid)
        if now - started > SECONDS:
            break
        if now > latest:  # it gets little of a machine that has other work, and isn't stuck
            latest, end = now, time.monotonic() + _NEVER
    return False


def _spent(process: int) -> float:
    """Seconds that it and what it started have computed, whether that has ended or goes on."""
    found = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (psutil.Process(process), *psutil.Process(process).children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                found += times.user + times.system + times.children_user + times.children_system
    return found


def table(counts: Counts) -> str:
    """A line for each kind of file, and one for all."""
    columns = ("read", "refused", *BAD)
    names = list(dict.fromkeys(name for name, _ in counts))
    rows = [[name, *(counts[name, column] for column in columns)] for name in names]
    rows.append(["all", *(sum(counts[name, column] for name in names) for column in columns)])
    lines = ["| file | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", default="", help="one kind of file, as the table names it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    last = chosen.first + chosen.mutants
    if chosen.child:
        _child(chosen.first, last, chosen.only)
        return 0
    counts, started = Counter[tuple[str, str]](), time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background, a shell has Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):  # what has been counted until then is told
        run(chosen.first, last, chosen.only, counts)
    print(table(counts))
    print(f"{sum(counts.values())} mutants in {time.monotonic() - started:.0f} s")
    return int(any(found in BAD for _, found in counts) or sum(counts.values()) < chosen.mutants)


if __name__ == "__main__":
    sys.exit(main())
