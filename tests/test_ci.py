"""`.ci/run`: its stages leave no test out, and it says what it has no stage for."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_SCRIPT = (_ROOT / ".ci" / "run").read_text(encoding="utf-8")
_MARKERS = ("slow", "releases", "goldens", "quality", "nightly")


def chosen(expression: str, marks: frozenset[str]) -> bool:
    """Whether pytest's `-m` takes a test with these marks."""
    return bool(eval(expression, {"__builtins__": {}}, {name: name in marks for name in _MARKERS}))


def expressions() -> list[str]:
    """What the stages choose; not that of the wheel, which takes all tests of the files that it names."""
    found = re.findall(r'-m "([^"]+)"', _SCRIPT)
    return [expression for expression in found if expression != "releases or not releases"]


def combinations() -> list[frozenset[str]]:
    every = itertools.chain.from_iterable(itertools.combinations(_MARKERS, n) for n in range(len(_MARKERS) + 1))
    return [frozenset(marks) for marks in every]


def test_the_markers_are_those_of_the_project() -> None:
    options = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert {text.partition(":")[0] for text in options["markers"]} == set(_MARKERS)
    assert options["addopts"][-1] == "not releases and not slow"


@pytest.mark.parametrize("marks", combinations(), ids=lambda marks: "+".join(sorted(marks)) or "none")
def test_whatever_the_default_run_leaves_out_has_a_stage(marks: frozenset[str]) -> None:
    by_default = chosen("not releases and not slow", marks)
    assert by_default or any(chosen(expression, marks) for expression in expressions())


def test_a_test_that_is_only_slow_runs_once() -> None:
    for marks in ({"slow"}, {"slow", "quality"}, {"slow", "goldens"}, {"releases"}, {"slow", "nightly"}):
        wanted = [expression for expression in expressions() if chosen(expression, frozenset(marks))]
        everyday = [expression for expression in wanted if expression != "slow and quality"]  # nightly, on named files
        assert len(everyday) == 1, (marks, wanted)


def test_every_stage_is_defined_and_named_at_the_top() -> None:
    (listed,) = re.findall(r"^all=\((.*)\)$", _SCRIPT, re.MULTILINE)
    names = [*listed.split(), "nightly"]
    assert sorted(re.findall(r"^stage_(\w+)\(\)", _SCRIPT, re.MULTILINE)) == sorted(names)
    head = _SCRIPT.partition("set -euo")[0].replace("\n#", "")
    assert all(name in head for name in names)
    assert names[0] == "style"  # a slip is told within a minute


def test_the_page_for_contributors_has_every_stage_in_order_with_its_seconds() -> None:
    (listed,) = re.findall(r"^all=\((.*)\)$", _SCRIPT, re.MULTILINE)
    page = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, re.MULTILINE)
    assert [name for name, _ in told] == listed.split()
    commands = page.partition("## Commands")[2].partition("\n## ")[0]
    assert not re.findall(r"^\| .*\| *\|$", commands, re.MULTILINE)  # no time is left open


def test_an_unknown_stage_is_trouble_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = ["bash", ".ci/run", "style", "nonsense"]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ci: there is no stage 'nonsense'; choose of: style uv readme tests ")
    assert not list(tmp_path.iterdir())
