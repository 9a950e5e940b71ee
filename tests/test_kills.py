"""Commands that are killed leave nothing half-written and nothing behind; and whoever looks for it would see it."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kills
import kills_commands
import pytest
import reliability
from kills_commands import Scenario, scenarios

WAIT = "import pathlib, time; "
_HALF = WAIT + "pathlib.Path('out.json').write_text('{'); time.sleep(60)"
_CHILD = WAIT + "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "


class Scripted(kills.Place):
    """Runs a script in the place of a command."""

    def __init__(self, folder: Path, script: str, whole: str = "pass") -> None:
        self.script, self.words = whole, ()
        super().__init__(Scenario("x", (), lambda folder: None, kills_commands._json, ("out.json",)), folder)
        self.script = script

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/bin:/bin", kills._MARK: str(self._folder)}
        return subprocess.Popen([sys.executable, "-c", self.script], cwd=self._folder, env=environment)


@pytest.mark.parametrize(
    ("script", "whole", "expected"),
    [
        (WAIT + "time.sleep(60)", "pass", "killed"),
        ("pass", "pass", "ended before"),
        (_HALF, "pass", "half-written"),
        (WAIT + "pathlib.Path('out.json').unlink(); time.sleep(60)", "open('out.json', 'w').write('1')", "lost"),
        (_CHILD + "time.sleep(60)", "pass", "outlived"),
    ],
)
def test_what_a_kill_leaves_is_seen(
    script: str, whole: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "_PATIENCE", 0.5)
    assert Scripted(tmp_path / "x", script, whole).kill(1.5, afresh=True) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("open('out.json', 'w').write('1')", "finished"),
        ("pass", "finished"),  # what was there is there
        ("open('out.json', 'w').write('1'); open('tmp/x', 'w')", "left behind"),
        ("import os; os.unlink('out.json')", "lost"),
        ("import sys; sys.exit(2)", "failed"),
    ],
)
def test_what_a_run_to_the_end_leaves_is_seen(script: str, expected: str, tmp_path: Path) -> None:
    place = Scripted(tmp_path / "x", script, "open('out.json', 'w').write('1')")
    assert place.finish() == expected


def test_a_table_has_a_line_for_each_command_and_one_for_all() -> None:
    counts = Counter({("a", "killed"): 3, ("a", "finished"): 1, ("b", "lost"): 2})
    assert kills.table(counts).splitlines()[2:] == [
        "| a | 3 | 1 | 0 | 0 | 0 | 0 | 0 |",
        "| b | 0 | 0 | 2 | 0 | 0 | 0 | 0 |",
        "| all | 3 | 1 | 2 | 0 | 0 | 0 | 0 |",
    ]


def test_one_command_tries_all_of_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each part says by its exit code whether it holds."""
    scripts = {"good": ["-c", "pass"], "bad": ["-c", "import sys; sys.exit(1)"]}
    whole = reliability.steps(5, 7, releases=True)
    assert [words[-1].rpartition("/")[2] for words in whole.values()] == ["5", "7", "test_canaries.py"]
    assert all(Path(words[0]).exists() or words[0] == "-m" for words in whole.values())
    monkeypatch.setattr(reliability, "steps", lambda *_, **__: scripts)
    assert reliability.main([]) == 1 and "has happened: bad." in capsys.readouterr().out
    monkeypatch.setattr(reliability, "steps", lambda *_, **__: {"good": scripts["good"]})
    assert reliability.main([]) == 0 and "All of it holds." in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("kills_of_each", [3, pytest.param(25, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", [scenario.name for scenario in scenarios()])
def test_kills_lose_nothing_and_leave_nothing(name: str, kills_of_each: int) -> None:
    """Twenty-five of each of four commands are a hundred."""
    counts = kills.run(kills_of_each, name, seed=random.randrange(1 << 30))
    print(kills.table(counts))
    assert counts[name, "killed"] == kills_of_each, kills.table(counts)
    assert not any(found in kills.BAD for _, found in counts), kills.table(counts)


@pytest.mark.releases
@pytest.mark.nightly
def test_kills_of_a_migration_lose_nothing_and_leave_nothing() -> None:
    counts = kills.run(10, "migrate", seed=random.randrange(1 << 30), releases=True)
    print(kills.table(counts))
    assert counts["migrate", "killed"] == 10 and not any(found in kills.BAD for _, found in counts), kills.table(counts)
