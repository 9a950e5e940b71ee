"""What other projects take from this repository, run as they run it: the GitHub Action and the hook for pre-commit."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import environment, report

from tracer.records import Report
from tracer.report import to_json

yaml = pytest.importorskip("yaml")
_ROOT = Path(__file__).resolve().parents[1]
ACTION: dict[str, Any] = yaml.safe_load((_ROOT / "action.yml").read_text(encoding="utf-8"))
(HOOK,) = yaml.safe_load((_ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a command `tracer` and a saved report whose layer has a name that a shell would choke on."""
    (tmp_path / "bin").mkdir()
    for name, command in (("tracer", "-m tracer"), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    told = report(layer="50%/$(touch hacked)/dense").to_dict()
    (tmp_path / "my report.json").write_text(to_json(Report.from_dict(told)), encoding="utf-8")
    return tmp_path


def in_folder(folder: Path, **other: str) -> dict[str, str]:
    return environment() | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"} | other


def act(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """The action's second step, as GitHub runs it."""
    step = ACTION["runs"]["steps"][1]
    files = {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_OUTPUT": str(folder / "outputs")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env=in_folder(folder, RUN=command, PAGE="page.html", **files),
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_action_writes_a_summary_a_page_an_annotation_and_its_exit_code(folder: Path) -> None:
    done = act(folder, "show 'my report.json'")
    assert done.returncode == 1, done.stderr
    assert (folder / "outputs").read_text(encoding="utf-8") == "exit-code=1\n"
    assert (
        (folder / "summary.md").read_text(encoding="utf-8").startswith("### ❌ DIVERGED: 1 layer is at fault: `50%/$(")
    )
    assert "50%/$(touch hacked)/dense" in (folder / "page.html").read_text(encoding="utf-8")
    *text, annotation = done.stdout.splitlines()
    assert text[0].startswith("DIVERGED: 1 layer is at fault: 50%/$(touch hacked)/dense")
    assert annotation == f"::error title=tracer show::{text[0].replace('%', '%25')}"
    assert not (folder / "hacked").exists()


def test_what_a_workflow_hands_to_the_action_is_not_run_by_a_shell(folder: Path) -> None:
    done = act(folder, "show 'my report.json' '$(touch hacked)' ; touch hacked")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "::error title=tracer show::tracer ended with exit code 2: see the log"
    assert not (folder / "hacked").exists()


def test_the_action_asks_for_nothing_that_isnt_there() -> None:
    text = (_ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]  # it would become part of the script
        assert set(step["env"]) <= set(re.findall(r"[A-Z]{3,}", step["run"]))
    extras = ACTION["inputs"]["extras"]["default"].split(",")
    known = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", known, re.MULTILINE) for extra in extras)


def test_the_hook_is_for_model_files() -> None:
    found = [bool(re.search(HOOK["files"], name)) for name in ("m.keras", "a/b.h5", "m.keras.py", "h5")]
    assert found == [True, True, False, False]


@pytest.mark.slow
def test_the_hook_tries_every_model_also_behind_one_that_fails(folder: Path) -> None:
    from tracer import zoo

    zoo.tiny_functional().save(folder / "a model.keras")
    done = hook(folder, "no such.keras", "a model.keras")
    assert done.returncode == 1
    assert "no such.keras" in done.stderr and done.stdout.startswith("PASS")
    assert hook(folder, "a model.keras").returncode == 0


def hook(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """As pre-commit runs it: the words of the entry, then the files."""
    command = [*shlex.split(HOOK["entry"]), *files]
    return subprocess.run(command, env=in_folder(folder), cwd=folder, capture_output=True, text=True, timeout=300)
