"""Goldens from a built wheel, in a new environment, in a folder that has nothing to do with the checkout (minutes)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from installed import ROOT, run

import tracer

pytestmark = pytest.mark.releases

_MODEL = "MobileNetV3Small"


def golden_of(report: dict[str, Any]) -> str:
    return next(note for note in report["notes"] if note.startswith("golden: "))


def test_a_model_is_checked_against_the_golden_that_came_with_the_wheel(installed: Path, empty: Path) -> None:
    done = run(installed, "check", _MODEL, "--json", "-", folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["matches"] and report["compared"] == len(report["layers"]) > 100
    said = golden_of(report)
    assert str(installed.parents[1]) in said and str(ROOT) not in done.stdout
    assert f"which came with keras-layer-tracer {tracer.__version__}, recorded by" in said
    assert not list(empty.iterdir()), "nothing is left behind"


def test_another_release_is_checked_against_it(installed: Path, empty: Path) -> None:
    done = run(installed, "check", f"{_MODEL}@3.6.0", "--json", "-", folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["matches"] and report["environments"]["candidate"]["keras"] == "3.6.0"


def test_the_folder_of_a_project_wins_and_nothing_missing_is_made_up(installed: Path, empty: Path) -> None:
    (empty / "fixtures").mkdir()
    shutil.copy(ROOT / "fixtures" / "MobileNet.safetensors", empty / "fixtures")
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
