"""`tracer.envs.environments`: which Keras runs with which backend, as a command line.  Nothing is installed here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.envs.environments import command, tensorflow_for
from tracer.errors import WorkerError


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("3.0.0", "2.16.2"),
        ("3.0.5", "2.16.2"),
        ("3.1.1", "2.16.2"),
        ("3.2.0", "2.17.1"),
        ("3.4.1", "2.17.1"),
        ("3.5.0", "2.19.1"),
        ("3.6.0", "2.19.1"),
        ("3.9.2", "2.19.1"),
        ("3.10.0", "2.20.0"),
        ("3.11.3", "2.20.0"),
        ("3.12.0", "2.21.0"),
        ("3.15.1", "2.21.0"),
        ("3.99.0", "2.21.0"),
        ("4.0.0", "2.21.0"),
        ("3", "2.16.2"),
        ("3.12.0rc1", "2.21.0"),
        ("2.15.0", None),
        ("latest", None),
        ("nightly", None),
        (None, None),
    ],
)
def test_every_release_has_its_tensorflow(release: str | None, version: str | None) -> None:
    assert tensorflow_for(release) == version


def needs(release: str | None, backend: str | None = None) -> list[str]:
    """What is asked of the registry."""
    start, _ = command(release, backend)
    return [start[i + 1] for i, part in enumerate(start) if part == "--with"]


@pytest.mark.parametrize(
    ("release", "backend", "expected"),
    [
        ("3.4.1", None, ["keras==3.4.1", "tensorflow==2.17.1"]),
        ("3.4.1", "tensorflow", ["keras==3.4.1", "tensorflow==2.17.1"]),
        ("3.6.0", "jax", ["keras==3.6.0", "jax"]),
        ("3.6.0", "torch", ["keras==3.6.0", "torch"]),
        ("latest", None, ["keras", "tensorflow"]),
        (None, "jax", ["keras", "jax"]),
        ("nightly", None, ["keras-nightly", "tensorflow"]),
        ("nightly", "jax", ["keras-nightly", "jax"]),
    ],
)
def test_what_is_installed(release: str | None, backend: str | None, expected: list[str]) -> None:
    assert needs(release, backend) == expected


def test_the_command_starts_an_isolated_python() -> None:
    start, _ = command("3.4.1", None)
    assert Path(start[0]).name == "uv"
    assert os.access(start[0], os.X_OK)
    assert start[1] == "run"
    assert {"--isolated", "--no-project", "--quiet"} <= set(start)
    assert start[start.index("--python") + 1] == "3.11"
    assert start[-1] == "python"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_backend_is_set_and_no_python_is_downloaded(backend: str) -> None:
    _, variables = command("3.6.0", backend)
    assert variables["KERAS_BACKEND"] == backend
    assert variables["UV_PYTHON_DOWNLOADS"] == "never"
    assert variables["VIRTUAL_ENV"] == ""


def test_tensorflow_is_the_default_backend() -> None:
    assert command("3.6.0", None)[1]["KERAS_BACKEND"] == "tensorflow"


def test_without_uv_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "uv", raising=False)
    with pytest.raises(WorkerError, match=r"pip install 'keras-layer-tracer\[envs\]'"):
        command("3.4.1", None)
