"""Tasks on this machine: a process each, several at once; and a user's command in an environment."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from tracer.core.environment import DISTRIBUTIONS, mismatches
from tracer.core.transport import wire
from tracer.envs.environments import Start
from tracer.envs.inherited import NOTES, folders_for_command, foreign_variables, own_variables, start_module
from tracer.errors import WorkerError
from tracer.records import JsonObject
from tracer.system import installed, processes, room

# A cell runs two Keras processes that take turns, each of a gigabyte or two.
_CORES, _BYTES = 2, 4 << 30
# What a shell ends with when it has found no program, or none that it may run.
_NO_PROGRAM = (126, 127)
_HOW_TO_RUN = (
    "A program that the environment lacks is looked for in the rest of PATH: add it to the environment with --with "
    "PACKAGE, and run it by the environment's Python, as in `python -m pytest`."
)


def how_many() -> int:
    """As many cells at once as this machine has room for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores // _CORES, (room.installed() or _BYTES) // _BYTES))


@dataclass(slots=True)
class _Running:
    """One task in its process."""

    index: int
    process: subprocess.Popen[bytes]
    out: IO[bytes]
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)

    def end(self) -> None:
        """End the process with all that it started, its two workers too, which are sessions of their own."""
        processes.end_below(self.process.pid)
        processes.end_group(self.process.pid)
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def close(self) -> None:
        """`end`, and nothing is left open."""
        self.end()
        self.out.close()
        self.log.close()

    def result(self) -> JsonObject | WorkerError:
        """What it answered, or why it didn't."""
        self.out.seek(0)
        try:
            reply = wire.receive(self.out)  # type: ignore[arg-type]
        except (EOFError, WorkerError):
            return WorkerError(f"its process died (exit status {self.process.returncode}). {self._words()}")
        return WorkerError(reply["error"]) if "error" in reply else dict(reply["result"])

    def _words(self) -> str:
        return f"Its last words:\n{processes.last_words(self.log) or '(none)'}"


def run_all(
    tasks: Sequence[JsonObject], *, workers: int = 0, timeout: float = 3600.0
) -> Iterator[tuple[int, JsonObject | WorkerError]]:
    """Runs cells, and yields each with its index as it is done; all processes end with this, however it ends.

    Args:
        tasks: cells as plain types.
        workers: how many at once; 0 for as many as this machine has room for.
        timeout: seconds for each.
    """
    waiting = list(enumerate(tasks))[::-1]
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < (workers or how_many()):
                running.append(_start(*waiting.pop()))
            time.sleep(0.05)
            for task in list(running):
                found = _look_at(task, timeout)
                if found is not None:
                    running.remove(task)
                    yield task.index, found
    finally:
        for task in running:
            task.close()


def _look_at(task: _Running, timeout: float) -> JsonObject | WorkerError | None:
    late = time.monotonic() - task.started > timeout
    if task.process.poll() is None and not late:
        return None
    task.end()
    try:
        return WorkerError(f"not done after {timeout:.0f} s (--timeout).") if late else task.result()
    finally:
        task.close()


def _start(index: int, task: JsonObject) -> _Running:
    out, log = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
    process = subprocess.Popen(
        [sys.executable, *start_module("tracer.worker", "cell")],
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=log,
        env=own_variables({}),
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once: its words say why
        wire.send(cast("BinaryIO", process.stdin), {"do": "cell", "with": {"task": dict(task)}})
    return _Running(index, process, out, log)  # its standard input stays open: the process ends when that does


def run_command(command: str, start: Start) -> tuple[int, str]:
    """A user's command in a shell of an environment, which has this package too; its exit code and last words.

    Raises:
        WorkerError: if the shell found no such program, or one that imported a Keras from outside of the environment.
    """
    home = Path(start.command[0]).parent
    path = os.pathsep.join([str(home), os.environ.get("PATH", os.defpath)])
    with tempfile.TemporaryFile() as log, folders_for_command() as folders:
        inherited = foreign_variables({**start.variables, "PATH": path, NOTES: str(folders.notes)})
        inherited["PYTHONPATH"] = os.pathsep.join([str(folders.first), inherited["PYTHONPATH"], str(folders.last)])
        process = subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inherited)
        with processes.killed_if_left(process):
            code = process.wait()
        words = processes.last_words(log)
        if code in _NO_PROGRAM:
            raise WorkerError(f"exit code {code}: {words.rstrip('.')}. {_HOW_TO_RUN}")
        _check_keras(folders.notes, home.parent)
        return code, words


def _check_keras(notes: Path, environment: Path) -> None:
    """What a command imported has to be the environment's."""
    for place in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        if not {environment, environment.resolve()} & {*Path(place).parents}:
            raise WorkerError(f"the command imported another Keras than the environment's: {place}. {_HOW_TO_RUN}")


def installed_versions(start: Start) -> dict[str, str]:
    """What a command that is run in an environment would import there, found out without importing it.

    Raises:
        WorkerError: if it isn't what was asked for.
    """
    words = [*start.command, "-P", installed.__file__, *DISTRIBUTIONS, *start.wanted.packages]
    done = subprocess.run(words, env=foreign_variables(start.variables), capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError(f"{start.command[0]} can't say what is installed. Its last words:\n{done.stderr[-1500:]}")
    found: dict[str, str] = {"backend": start.wanted.backend, **json.loads(done.stdout)}
    there = [found.pop(name) for name in DISTRIBUTIONS if name in found]
    found["keras"] = there[0] if there else ""
    told = mismatches(start.wanted, found)
    if told:
        raise WorkerError(f"the environment isn't what was asked for: {'; '.join(told)}.")
    return found
