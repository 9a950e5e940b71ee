"""Goldens from a built wheel, in a new environment, in a folder that has nothing to do with the checkout (minutes)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracer

pytestmark = pytest.mark.releases
pytest.importorskip("uv", reason="builds and installs with uv: pip install 'keras-layer-tracer[envs]'")

_ROOT = Path(__file__).resolve().parents[2]
_RECIPE = (_ROOT / "docs" / "ci-recipes.md").read_text(encoding="utf-8")
_MODEL = "MobileNetV3Small"


def environment() -> dict[str, str]:
    """Nothing of the environment that runs the tests, and nothing of the checkout."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KERAS_BACKEND")
    return {k: v for k, v in os.environ.items() if k not in left_out} | {"UV_PYTHON_DOWNLOADS": "never"}


def run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def uv(*words: str | Path) -> None:
    done = run(sys.executable, "-m", "uv", *words, folder=_ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment, installed as docs/ci-recipes.md says, and a backend to check with."""
    (extras,) = set(re.findall(r"pip install 'keras-layer-tracer\[([\w,]+)\]'", _RECIPE))
    folder = tmp_path_factory.mktemp("installed")
    uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder / "dist", _ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    python = folder / "env" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    uv("pip", "install", "--quiet", "--python", python, f"{wheel}[{extras},tensorflow]")
    return python.with_name("tracer")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def golden_of(report: dict[str, Any]) -> str:
    return next(note for note in report["notes"] if note.startswith("golden: "))


def test_a_model_is_checked_against_the_golden_that_came_with_the_wheel(installed: Path, empty: Path) -> None:
    done = run(installed, "check", _MODEL, "--json", "-", folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["matches"] and report["compared"] == len(report["layers"]) > 100
    said = golden_of(report)
    assert str(installed.parents[1]) in said and str(_ROOT) not in done.stdout
    assert f"which came with keras-layer-tracer {tracer.__version__}, recorded by" in said
    assert not list(empty.iterdir()), "nothing is left behind"


def test_another_release_is_checked_against_it(installed: Path, empty: Path) -> None:
    done = run(installed, "check", f"{_MODEL}@3.6.0", "--json", "-", folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["matches"] and report["environments"]["candidate"]["keras"] == "3.6.0"


def test_the_folder_of_a_project_wins_and_nothing_missing_is_made_up(installed: Path, empty: Path) -> None:
    (empty / "fixtures").mkdir()
    shutil.copy(_ROOT / "fixtures" / "MobileNet.safetensors", empty / "fixtures")
    lost = run(installed, "check", _MODEL, folder=empty)
    assert lost.returncode == 2 and "fixtures/MobileNetV3Small.safetensors: no such golden" in lost.stderr
    shipped = run(installed, "check", _MODEL, "--fixtures", "shipped", folder=empty)
    assert shipped.returncode == 0, shipped.stdout + shipped.stderr
    own = run(installed, "check", "--json", "-", folder=empty)
    assert own.returncode == 0 and golden_of(json.loads(own.stdout)).startswith("golden: fixtures/MobileNet.safetens")


def test_what_is_not_there_is_trouble(installed: Path, empty: Path) -> None:
    unknown = run(installed, "check", "NoSuch", folder=empty)
    assert unknown.returncode == 2 and "no such golden. The folder holds EfficientNetB0, " in unknown.stderr
    nowhere = run(installed, "check", _MODEL, "--fixtures", "nowhere", folder=empty)
    assert nowhere.returncode == 2 and "nowhere: there is no such folder of goldens" in nowhere.stderr
    written = run(installed, "record", _MODEL, "--fixtures", installed_goldens(installed, empty), folder=empty)
    assert written.returncode == 2 and "aren't written" in written.stderr


def installed_goldens(installed: Path, folder: Path) -> str:
    asked = "from tracer.store.goldens import shipped_folder; print(shipped_folder())"
    return run(installed.with_name("python"), "-c", asked, folder=folder).stdout.strip()


def test_a_golden_is_shown_by_the_name_of_its_model(installed: Path, empty: Path) -> None:
    done = run(installed, "show", _MODEL, folder=empty)
    assert done.returncode == 0 and done.stdout.startswith(f"golden of {_MODEL}: "), done.stderr
