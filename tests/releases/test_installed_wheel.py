"""From a built wheel, outside the checkout: the release that was asked for is the release that runs (minutes)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from installed import ROOT, run

pytestmark = pytest.mark.releases

_MODEL = "tracer.zoo:pretrained_classifier"


def test_the_readmes_command_runs_the_release_that_it_names(installed: Path, empty: Path) -> None:
    command = f"tracer roundtrip {_MODEL}@3.4.1 --format keras"
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    done = run(installed, *command.split()[1:], "--json", "-", folder=empty)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert {side: ran["keras"] for side, ran in report["environments"].items()} == {
        "reference": "3.4.1",
        "candidate": "3.4.1",
    }
    assert [(fault["layer"], fault["cause"], fault["side"]) for fault in report["faults"]] == [
        ("normalization", "unsaved-state", "reference")
    ]
    assert not list(empty.iterdir()), "nothing is left behind"


def test_every_cell_of_a_matrix_runs_its_release(installed: Path, empty: Path) -> None:
    words = ("matrix", _MODEL, "--keras", "3.4.1,3.6.0", "--format", "keras", "--results", str(empty / "cells"))
    done = run(installed, *words, "--json", "-", folder=empty)
    assert done.returncode == 1, done.stdout + done.stderr
    ran = {
        cell["release"]: (cell["outcome"], cell["environments"]["candidate"]["keras"])
        for cell in json.loads(done.stdout)["cells"]
    }
    assert ran == {"3.4.1": ("diverged", "3.4.1"), "3.6.0": ("pass", "3.6.0")}


def test_a_bisection_finds_the_release_with_the_fix(installed: Path, empty: Path) -> None:
    words = ("bisect", _MODEL, "--good", "3.6.0", "--bad", "3.5.0", "--results", str(empty / "cells"))
    done = run(installed, *words, folder=empty)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FIXED in keras 3.6.0: normalization (unsaved-state)" in done.stdout


def test_a_folder_called_keras_where_one_works_is_trouble_and_no_verdict(installed: Path, empty: Path) -> None:
    """It comes before the environment's own Keras, as it does for whoever runs Python there."""
    (empty / "keras").mkdir()
    (empty / "keras" / "__init__.py").write_text("__version__ = '3.99.0'\n", encoding="utf-8")
    done = run(installed, "roundtrip", f"{_MODEL}@3.4.1", "--format", "keras", folder=empty)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not done.stdout
    assert "A folder or a file called keras" in done.stderr
