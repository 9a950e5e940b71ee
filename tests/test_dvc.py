"""The pipeline, with real DVC, in a clone of its own: nothing to do, and nothing done that isn't needed."""

from __future__ import annotations

import importlib.metadata
import os
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
    """With this `tracer` as the command, installed or not."""
    commands = clone / ".git" / "commands"
    if not commands.exists():
        commands.mkdir()
        (commands / "tracer").write_text(f'#!/bin/sh\nexec {sys.executable} -m tracer "$@"\n')
        (commands / "tracer").chmod(0o755)
    path = os.pathsep.join([str(commands), os.environ.get("PATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=clone,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def running(clone: Path) -> list[str]:
    """The stages that `dvc repro` would run."""
    return re.findall(r"Running stage '([^']+)'", dvc(clone, "repro", "--dry").stdout)


def test_a_fresh_clone_is_green_and_repro_does_nothing(clone: Path) -> None:
    status = dvc(clone, "status")
    assert status.returncode == 0 and "up to date" in status.stdout, status.stdout + status.stderr
    assert running(clone) == []
    assert "worst_error_in_tolerances" in dvc(clone, "metrics", "show").stdout


@pytest.mark.slow
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


# --- with real records: minutes

_HERE = f"{importlib.metadata.version('keras')}+tensorflow=={importlib.metadata.version('tensorflow')}"
_SMALL = "MobileNetV3Small"


@pytest.fixture
def small(clone: Path) -> Path:
    """One variant, at a size that takes seconds, recorded with what is installed; committed to git and DVC."""
    import yaml

    params = yaml.safe_load((clone / "params.yaml").read_text())
    entry = {"size": 32, "seed": 7, "batch": 1, "backend": _HERE}
    params |= {"reference": _HERE, "witness": _HERE, "variants": {_SMALL: entry}}
    (clone / "params.yaml").write_text(yaml.safe_dump(params))
    for folder in ("fixtures", "metrics", "plots"):
        for path in (clone / folder).iterdir():
            path.unlink()
    (clone / "dvc.lock").unlink()
    done = dvc(clone, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert dvc(clone, "status", "-q").returncode == 0 and running(clone) == []
    return clone


@pytest.mark.slow
def test_a_deleted_golden_is_flagged_and_restored_byte_for_byte(small: Path) -> None:
    path = small / "fixtures" / f"{_SMALL}.safetensors"
    before, lock = path.read_bytes(), (small / "dvc.lock").read_bytes()
    path.unlink()
    assert dvc(small, "status", "-q").returncode == 1
    done = dvc(small, "repro")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before and (small / "dvc.lock").read_bytes() == lock
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert dvc(small, "status", "-q").returncode == 1 and dvc(small, "repro").returncode == 0
    assert path.read_bytes() == before and dvc(small, "status", "-q").returncode == 0


@pytest.mark.slow
def test_whole_activations_are_cached_and_travel_by_a_remote(
    small: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    params, path = small / "params.yaml", small / "tensors" / f"{_SMALL}.safetensors"
    params.write_text(params.read_text().replace("full: []", f"full: [{_SMALL}]"))
    assert running(small) == [f"tensors@{_SMALL}"]
    done = dvc(small, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    before = path.read_bytes()
    assert dvc(small, "status", "-q").returncode == 0 and list((small / ".dvc" / "cache").rglob("*"))
    assert path.name in (path.parent / ".gitignore").read_text()
    remote = tmp_path_factory.mktemp("remote")
    assert dvc(small, "remote", "add", "--default", "store", str(remote)).returncode == 0
    assert dvc(small, "push").returncode == 0
    path.unlink()
    shutil.rmtree(small / ".dvc" / "cache")
    assert dvc(small, "status", "-q").returncode == 1
    assert dvc(small, "pull").returncode == 0 and path.read_bytes() == before
    assert dvc(small, "status", "-q").returncode == 0


_PAGE = _ROOT / "docs" / "fixture-format.md"


def shown(section: str) -> list[str]:
    """The `dvc` commands of a section of docs/fixture-format.md."""
    text = _PAGE.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [line.split("#")[0].strip() for line in text.splitlines() if line.startswith("dvc ")]


@pytest.mark.slow
def test_goldens_are_fetched_from_a_clone_as_the_page_says(
    clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No DVC remote, no cloud account; a clone's folder stands for the repository."""
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(clone))
    for words in (("add", "--all"), ("commit", "-qm", "goldens"), ("tag", "v0.1.0")):
        subprocess.run([*git, *words], check=True)
    project = tmp_path_factory.mktemp("project")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    assert dvc(project, "init", "-q").returncode == 0
    commands = shown("Getting goldens")
    assert len(commands) == 4
    for command in commands:
        done = dvc(project, *command.replace("REPOSITORY", str(clone)).split()[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    goldens = {path.name: path.read_bytes() for path in (_ROOT / "fixtures").iterdir()}
    for folder in ("goldens", "fixtures"):
        assert {path.name: path.read_bytes() for path in (project / folder).iterdir()} == goldens
    assert (project / "MobileNetV3Small.safetensors").read_bytes() == goldens["MobileNetV3Small.safetensors"]
    assert "rev_lock" in (project / "fixtures.dvc").read_text(encoding="utf-8")
