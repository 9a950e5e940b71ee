"""Kill commands in the middle of their work, and see what they leave: `python tests/kills.py --kills 120`.

Every command works in a folder of its own, with its own temporary folder and its own cache of environments.  It is
killed at a moment between its start and its end, by SIGKILL, some times in a row; then it runs to its end.  After
every kill, what was there before is there still, and nothing is half-written; after the run to the end there is what
a run without any kill leaves, and nothing else (docs/reliability.md).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import psutil
from kills_commands import Scenario, scenarios

from tracer.envs import environments

Counts: TypeAlias = Counter[tuple[str, str]]
BAD = ("lost", "half-written", "outlived", "left behind", "failed")
_ROW = 5  # kills before a run to the end
_PATIENCE = 15.0  # seconds in which what a killed process has started has to end
_MARK = "TRACER_KILLS"  # in the environment of all that is started


# --- one folder, one command


class Place:
    """Where a command works, and what is there when it has run undisturbed."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario, self._folder = scenario, folder
        (folder / "tmp").mkdir(parents=True)
        scenario.prepare(folder)
        if scenario.release:
            environments.prepare(scenario.release, None)
        self.seconds = self._run_to_the_end()
        self._expected = self._everything()

    def _start(self) -> subprocess.Popen[bytes]:
        own = {"TMPDIR": str(self._folder / "tmp"), "CUDA_VISIBLE_DEVICES": "", _MARK: str(self._folder)}
        if not self._scenario.release:
            own["TRACER_CACHE"] = str(self._folder / "cache")
            own |= {"UV_FIND_LINKS": str(self._folder / "wheels"), "UV_NO_INDEX": "1"}
        command = [sys.executable, "-m", "tracer", *self._scenario.words]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, cwd=self._folder, env={**os.environ, **own}, stdin=quiet, stdout=quiet, stderr=quiet
        )

    def _run_to_the_end(self) -> float:
        self._forget("fixed.keras")
        started = time.monotonic()
        code = self._start().wait()
        if code not in (0, 1):
            raise RuntimeError(f"{self._scenario.name} ended with {code} though nobody killed it")
        return time.monotonic() - started

    def kill(self, after: float, *, afresh: bool) -> str:
        """Starts the command, kills it after so many seconds, and says what became of it: `killed`, or one of `BAD`.

        Args:
            after: seconds.
            afresh: what it wouldn't do another time is removed first.
        """
        self._forget(*(self._scenario.again if afresh else ["fixed.keras"]))
        before = self._made()
        process = self._start()
        try:
            process.wait(after)
            return "ended before"
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if self._outlived():
            return "outlived"
        if not before.keys() <= self._made().keys():
            return "lost"
        return "killed" if self._are_whole() else "half-written"

    def finish(self) -> str:
        """Runs the command to its end: `finished`, or one of `BAD`."""
        try:
            self._run_to_the_end()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return "failed"
        if left := self._everything() - self._expected:
            print(f"{self._scenario.name} left {sorted(left)}", file=sys.stderr)
            return "left behind"
        return "finished" if self._everything() == self._expected and self._are_whole() else "lost"

    def _forget(self, *patterns: str) -> None:
        for path in [path for pattern in patterns for path in self._folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _made(self) -> dict[str, float]:
        found = (path for pattern in self._scenario.made for path in self._folder.glob(pattern))
        return {str(path.relative_to(self._folder)): path.stat().st_mtime for path in found}

    def _are_whole(self) -> bool:
        try:
            for path in self._made():
                self._scenario.whole(self._folder / path)
        except Exception as error:  # whatever reading it says
            print(f"{self._scenario.name}: {type(error).__name__}: {error}", file=sys.stderr)
            return False
        return True

    def _everything(self) -> set[str]:
        """Names of all files and folders, but for those within an environment."""
        return {str(path) for path in _below(self._folder, Path())}

    def _outlived(self) -> bool:
        """Whether anything that it started runs on, after a moment."""
        end = time.monotonic() + _PATIENCE
        while found := [process.pid for process in psutil.process_iter() if self._is_its(process)]:
            if time.monotonic() > end:
                for process in found:
                    os.kill(process, signal.SIGKILL)
                return True
            time.sleep(0.1)
        return False

    def _is_its(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == str(self._folder) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def _below(root: Path, part: Path) -> Iterator[Path]:
    for path in sorted((root / part).iterdir()):
        yield path.relative_to(root)
        if path.is_dir() and not path.is_symlink() and path.parent.name != "environments":
            yield from _below(root, path.relative_to(root))


# --- all of them


def run(kills: int, only: str = "", seed: int = 0, counts: Counts | None = None, *, releases: bool = False) -> Counts:
    """Counts by command and outcome; every command gets its share of the kills.

    Args:
        kills: how many, over all commands.
        only: one command, as the table names it; "" for all.
        seed: of the moments.
        counts: what is counted into, for whoever wants to know how far it has got.
        releases: also commands that need another Keras.
    """
    chosen = [scenario for scenario in scenarios(releases=releases) if only in ("", scenario.name)]
    counts = Counter() if counts is None else counts
    for number, scenario in enumerate(chosen):
        share = kills * (number + 1) // len(chosen) - kills * number // len(chosen)
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            _kill_often(scenario, Path(folder), share, random.Random(seed + number), counts)
    return counts


def _kill_often(scenario: Scenario, folder: Path, kills: int, rng: random.Random, counts: Counts) -> None:
    place, done = Place(scenario, folder / "0"), 0
    for attempt in range(1, 20 * kills):
        found = place.kill(rng.uniform(0.0, 1.0) * place.seconds, afresh=attempt % 4 > 0)
        if found != "ended before":
            counts[scenario.name, found] += 1
            done += 1
        if attempt % _ROW == 0 or done == kills:
            counts[scenario.name, place.finish()] += 1
        if done == kills:
            return


def table(counts: Counts) -> str:
    """A line for each command, and one for all."""
    columns = ("killed", "finished", *BAD)
    names = list(dict.fromkeys(name for name, _ in counts))
    rows = [[name, *(counts[name, column] for column in columns)] for name in names]
    rows.append(["all", *(sum(counts[name, column] for name in names) for column in columns)])
    lines = ["| command | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=120, help="how many, over all commands")
    parser.add_argument("--only", default="", help="one command, as the table names it")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--releases", action="store_true", help="also commands that need another Keras")
    chosen = parser.parse_args()
    counts, started = Counter[tuple[str, str]](), time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background, a shell has Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):  # what has been counted until then is told
        run(chosen.kills, chosen.only, chosen.seed, counts, releases=chosen.releases)
    print(table(counts))
    print(f"in {time.monotonic() - started:.0f} s")
    return int(any(found in BAD for _, found in counts))


if __name__ == "__main__":
    sys.exit(main())
