"""The pipeline, with real DVC, in a clone of its own: nothing to do, and nothing done that isn't needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PARTS = (".dvc", ".dvcignore", "dvc.yaml", "dvc.lock", "params.yaml", "fixtures", "metrics", "plots")
pytest.importorskip("dvc")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for part in _PARTS:
        source = _ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / part, **({"ignore": shutil.ignore_patterns("tmp", "cache")} if source.is_dir() else {}))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def dvc(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *words], cwd=clone, capture_output=True, text=True, check=False)


def running(clone: Path) -> list[str]:
    """The stages that `dvc repro` would run."""
    return re.findall(r"Running stage '([^']+)'", dvc(clone, "repro", "--dry").stdout)


def test_a_fresh_clone_is_green_and_repro_does_nothing(clone: Path) -> None:
    status = dvc(clone, "status")
    assert status.returncode == 0 and "up to date" in status.stdout, status.stdout + status.stderr
    assert running(clone) == []
    assert "worst_error_in_tolerances" in dvc(clone, "metrics", "show").stdout


def test_a_changed_or_missing_golden_is_noticed(clone: Path) -> None:
    path = clone / "fixtures" / "EfficientNetB0.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert dvc(clone, "status", "-q").returncode == 1
    assert "record@EfficientNetB0" in running(clone) and "record@MobileNetV3Small" not in running(clone)
    path.unlink()
    assert "deleted" in dvc(clone, "status").stdout


def test_one_variant_changed_reruns_it_alone(clone: Path) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("EfficientNetB0: {size: 224, seed: 7", "EfficientNetB0: {size: 224, seed: 8"))  # fmt: skip  # noqa: E501
    assert running(clone) == ["record@EfficientNetB0"]


def test_the_page_of_plots_needs_no_network(clone: Path) -> None:
    done = dvc(clone, "plots", "show")
    assert done.returncode == 0, done.stderr
    page = (clone / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "plots/EfficientNetB0.svg" in page and "<script" not in page and "http" not in page
