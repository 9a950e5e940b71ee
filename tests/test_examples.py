"""The examples, each copied to a place of its own and run there as its user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_EXAMPLES = _ROOT / "examples"
_PROJECTS = {"text": 3, "segmentation": 4, "transfer": 4, "hub": 4, "notebook": 1}  # tests that each has
_NEEDED = {"hub": ("keras_hub",), "notebook": ("nbclient", "nbformat", "ipykernel", "cloudpickle")}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The tests of a project; the plugin is named, since this package needn't be installed where it is tested."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment["CI"] = "1"  # goldens are never written there
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "-p", "tracer.pytest_plugin", "-p", "no:cacheprovider", "-q", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_every_example_is_listed_and_run() -> None:
    listed = set(re.findall(r"^\| \[`(\w+)`\]", (_EXAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == {path.name for path in _EXAMPLES.iterdir() if path.is_dir()} == {*_PROJECTS}
    for name in _PROJECTS:
        workflow = (_EXAMPLES / name / ".github" / "workflows" / "model.yml").read_text(encoding="utf-8")
        assert "      - run: pytest\n" in workflow
        more = {"hub": " keras-hub", "notebook": " nbclient ipykernel"}.get(name, "")
        assert f"pip install 'keras-layer-tracer[tensorflow,notebook]' pytest{more}\n" in workflow


@pytest.mark.slow
@pytest.mark.parametrize("name", _PROJECTS)
def test_a_project_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    for module in _NEEDED.get(name, ()):
        pytest.importorskip(module)
    folder = shutil.copytree(_EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{_PROJECTS[name]} passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.slow
def test_the_texts_show_why_the_legacy_format_is_not_enough(tmp_path: Path) -> None:
    folder = shutil.copytree(_EXAMPLES / "text", tmp_path / "text", ignore=shutil.ignore_patterns("__pycache__"))
    tests = folder / "test_reviews.py"
    tests.write_text(tests.read_text(encoding="utf-8").replace('format="keras"', 'format="h5"'), encoding="utf-8")
    done = run(folder, "-k", "comes_back")
    assert done.returncode == 1 and "fault: words (TextVectorization)" in done.stdout, done.stdout + done.stderr
