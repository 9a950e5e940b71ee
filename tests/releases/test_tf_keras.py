"""Keras 2 as `tf-keras`, with a TensorFlow of today."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from keras2_files import CLOSE, plainly, worst, written_by

import tracer

pytestmark = pytest.mark.releases


def test_it_reads_a_file_and_computes_what_keras_2_does(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Where no Python 3.11 is left, it is the Keras 2 that there is; a release of it is one of Keras 2."""
    written, target = written_by("keras2_models.py", tmp_path_factory), tmp_path / "new.keras"
    report = tracer.migrate(f"{written / 'recurrent.h5'}@tf-keras", target, str(written / "recurrent.npz"))
    assert report.matches, report
    ran = report.environments["reference"]
    assert ran["keras"] == ran["tf-keras"] and ran["keras"].startswith("2.")
    assert worst(target, written, "recurrent") <= CLOSE


def test_it_is_held_against_the_keras_2_before_it(tmp_path: Path) -> None:
    done = plainly("diff", "MobileNetV2@2.15.0", "MobileNetV2@tf-keras", "--json", "-", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["matches"], found["faults"], found["hidden"], found["compared"]) == (True, [], [], 155)
