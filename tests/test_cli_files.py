"""Pages, summaries and test results that commands write beside what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from test_cli import environment, report, run

from tracer.records import Report, Status
from tracer.report import to_json


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "r.json"
    told = report(layer="<b>/dense#1").to_dict() | {"command": "tracer diff a b", "date": "2026-11-26T03:50:00+00:00"}
    path.write_text(to_json(Report.from_dict(told)), encoding="utf-8")
    return path


def test_show_writes_a_page_a_summary_and_the_report_again(saved: Path) -> None:
    targets = {name: saved.parent / f"out.{name}" for name in ("html", "markdown", "json")}
    result = run("show", saved, *(word for name, path in targets.items() for word in (f"--{name}", str(path))))
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("DIVERGED: 1 layer is at fault: <b>/dense#1")
    page = targets["html"].read_text(encoding="utf-8")
    assert "tracer diff a b" in page and "2026-11-26 03:50:00 UTC" in page
    assert "&lt;b&gt;/dense#1" in page and "<b>/dense" not in page
    assert targets["markdown"].read_text(encoding="utf-8").startswith("### ❌ DIVERGED: 1 layer is at fault: `<b>/")
    assert json.loads(targets["json"].read_text(encoding="utf-8")) == json.loads(saved.read_text(encoding="utf-8"))


def test_what_goes_to_stdout_takes_the_place_of_the_text(saved: Path) -> None:
    result = run("show", saved, "--markdown", "-")
    assert result.returncode == 1
    assert result.stdout.startswith("### ❌ DIVERGED") and "DIVERGED: 1 layer" in result.stdout
    assert "What to do next" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "r.json", "--json", "-", "--html", "-"], "tracer: only one result can go to stdout."),
        (["show", "r.json", "--html", "none/p.html"], "tracer: can't write the report to none/p.html"),
        (["diff", "a", "b", "--markdown", "."], "tracer: can't write the report to .: it is a folder"),
        (["roundtrip", "a", "--junit", "none/j.xml"], "tracer: can't write the report to none/j.xml"),
        (["check", "a", "--html", "none/p.html"], "tracer: can't write the report to none/p.html"),
        (["matrix", "a", "--junit", "-", "--markdown", "-"], "tracer: only one result can go to stdout."),
        (["show", "EfficientNetB0", "--html", "p.html"], "is a golden: it has no page and no summary."),
    ],
)
def test_trouble_is_told_before_the_work(arguments: list[str], says: str, saved: Path) -> None:
    result = run(*arguments, cwd=saved.parent)
    assert result.returncode == 2
    assert says in result.stderr and "Traceback" not in result.stderr
    assert os.listdir(saved.parent) == ["r.json"]


_NO_JINJA = """
import sys
sys.modules["jinja2"] = None
sys.argv = ["tracer", "diff", "a", "b", "--html", "p.html"]
from tracer.__main__ import main
main()
"""


def test_what_a_page_needs_is_asked_for_before_the_work(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _NO_JINJA]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "tracer: a page needs jinja2: pip install 'keras-layer-tracer[html]'.\n"


@pytest.mark.slow
def test_a_round_trip_writes_all_four(tmp_path: Path) -> None:
    targets = {name: tmp_path / f"out.{name}" for name in ("json", "html", "markdown", "junit")}
    files = [word for name, path in targets.items() for word in (f"--{name}", str(path))]
    result = run("roundtrip", "tracer.zoo:tiny_functional", "--format", "keras", "--format", "h5", *files)
    assert result.returncode == 0
    root = ET.fromstring(targets["junit"].read_text(encoding="utf-8").encode())
    assert [case.get("name") for case in root.iter("testcase")] == ["keras", "h5"]
    assert [suite.get("name") for suite in root.iter("testsuite")] == ["tracer roundtrip"]
    assert targets["markdown"].read_text(encoding="utf-8").startswith("### ✅ PASS in 2 formats")
    body = json.loads(targets["json"].read_text(encoding="utf-8"))
    for told in body["reports"].values():
        assert told["command"].startswith("tracer roundtrip tracer.zoo:tiny_functional --format keras")
        assert told["date"].endswith("+00:00")
    page = targets["html"].read_text(encoding="utf-8").replace("<wbr>", "")  # where a long command may break
    assert "tracer roundtrip tracer.zoo:tiny_functional" in page


@pytest.mark.slow
def test_a_check_writes_all_four(tmp_path: Path) -> None:
    targets = {name: tmp_path / f"out.{name}" for name in ("json", "html", "markdown", "junit")}
    files = [word for name, path in targets.items() for word in (f"--{name}", str(path))]
    result = run("check", "MobileNetV3Small", *files)
    assert result.returncode == 0, result.stderr
    assert Status(json.loads(targets["json"].read_text(encoding="utf-8"))["status"]) in (
        Status.PASS,
        Status.WITHIN_TOLERANCE,
    )
    assert "PASS" in targets["html"].read_text(encoding="utf-8")
    assert targets["markdown"].read_text(encoding="utf-8").startswith("### ✅ PASS")
    assert 'failures="0"' in targets["junit"].read_text(encoding="utf-8")
