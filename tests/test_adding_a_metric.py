"""A metric takes the three files that CONTRIBUTING.md names: one is added to a copy of the repository, and works."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_GENERATED = {"tracer/store/schemas/report.schema.json", "tracer/store/schemas/reports.schema.json"}

_PROPERTY = '''
    @property
    def sign_changes(self) -> int | None:
        """See `Difference`."""
        return self.difference.sign_changes
'''
_TEST = """

@pytest.mark.parametrize(("candidate", "changes"), [([1.0, -2.0], 0), ([1.0, 2.0], 1), ([-1.0, 2.0], 2)])
def test_sign_changes_are_counted(candidate: list[float], changes: int) -> None:
    found = difference(np.array([1.0, -2.0]), np.array(candidate) * 1.5)
    assert found.sign_changes == changes
"""
# What stands in the file, and what is written behind it; None for its end.
_EDITS: tuple[tuple[str, str | None, str], ...] = (
    (
        "tracer/records/layers.py",
        "            worst; else None.\n",
        "        sign_changes: count of elements that have another sign; None where nothing was counted.\n",
    ),
    (
        "tracer/records/layers.py",
        "    worst_batch: int | None = None\n",
        '    sign_changes: int | None = field(default=None, metadata=shown_as("sign flips"))\n',
    ),
    ("tracer/records/layers.py", None, _PROPERTY),
    (
        "tracer/core/numbers/difference.py",
        "        worst_sample=sample,\n",
        "        sign_changes=int(np.count_nonzero(np.signbit(flat_ref) != np.signbit(flat_cand))),\n",
    ),
    ("tests/core/numbers/test_difference.py", None, _TEST),
)
_SHOW = """
from tracer.core.numbers.difference import difference
from tracer.records import LayerReport, Report, Status, Verdict
from tracer.report import render_layer, to_json

layer = LayerReport(
    layer="d", class_name="Dense", verdict=Verdict.CLOSE, difference=difference([1.0, 2.0], [1.0, -2.0]),
    local_error=None, tolerance=1.0,
)
report = Report(status=Status.PASS, compared=1, coverage=1.0, first_divergence=None, faults=(), layers=(layer,))
assert layer.sign_changes == 1
print(render_layer(report, "d"))
print(to_json(report))
"""


def edit(path: Path, behind: str | None, text: str) -> None:
    before = path.read_text(encoding="utf-8")
    if behind is None:
        path.write_text(before + text, encoding="utf-8")
        return
    assert before.count(behind) == 1, f"{path}: {behind!r}"
    path.write_text(before.replace(behind, behind + text), encoding="utf-8")


def changed(copy: Path) -> Iterator[str]:
    """Files of the copy that aren't those of the repository."""
    for path in sorted(each for part in ("tracer", "tests") for each in (copy / part).rglob("*") if each.is_file()):
        place = path.relative_to(copy)
        if path.suffix != ".pyc" and not filecmp.cmp(path, _ROOT / place, shallow=False):
            yield str(place)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("tracer", "tests"):
        shutil.copytree(_ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(copy: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_three_files_are_listed_and_they_are_those_that_are_edited_below() -> None:
    (section,) = re.findall(
        r"### A metric.*?\n### ", (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
    )
    listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert listed == list(dict.fromkeys(path for path, _, _ in _EDITS)) and len(listed) == 3


@pytest.mark.slow  # 20 s: the tests of reports, in a process of their own
def test_a_metric_that_is_added_so_is_computed_saved_shown_and_tested(copy: Path) -> None:
    for path, behind, text in _EDITS:
        edit(copy / path, behind, text)
    run(copy, "-m", "tracer.store.schema")
    shown = run(copy, "-c", _SHOW)
    assert re.search(r"^  sign flips\s+1$", shown, re.MULTILINE) and '"sign_changes": 1' in shown
    tests = ("core/numbers/test_difference.py", "records", "report", "store/test_schema.py", "store/test_reports.py")
    run(copy, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *(f"tests/{each}" for each in tests))
    assert set(changed(copy)) == {path for path, _, _ in _EDITS} | _GENERATED
