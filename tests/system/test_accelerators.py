"""Processes of ours share a GPU: the backends are told so before they are imported, unless the user has decided."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tracer.system import accelerators

_PREALLOCATE, _GROWTH = "XLA_PYTHON_CLIENT_PREALLOCATE", "TF_FORCE_GPU_ALLOW_GROWTH"
_ASKED = f"import os; print(os.environ.get('{_PREALLOCATE}'), os.environ.get('{_GROWTH}'))"


def test_backends_take_memory_as_they_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_PREALLOCATE, raising=False)
    monkeypatch.setenv(_GROWTH, "false")
    accelerators.share()
    done = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["false", "false"], "what the user has set stays"


_MODULE = f"""
import os
import keras

with open("seen.txt", "a") as out:
    print(os.environ.get("{_PREALLOCATE}"), os.environ.get("{_GROWTH}"), file=out)


@keras.saving.register_keras_serializable("seen")
class Same(keras.layers.Layer):
    def call(self, x):
        return x


def build():
    return keras.Sequential([keras.Input((2,)), Same()])
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a module that notes what it finds when it is imported."""
    monkeypatch.delenv(_PREALLOCATE, raising=False)
    monkeypatch.delenv(_GROWTH, raising=False)
    (tmp_path / "seen.py").write_text(_MODULE)
    return tmp_path


def _seen(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "seen.txt").read_text().splitlines()


@pytest.mark.slow
def test_the_command_line_shares(module: Path) -> None:
    assert _seen(module, "-m", "tracer", "diff", "seen:build", "seen:build") == ["false true"]


@pytest.mark.slow
def test_a_fresh_process_shares_though_the_users_own_does_not(module: Path) -> None:
    code = "import seen, tracer; assert tracer.roundtrip(seen.build(), custom_objects=['seen']).matches"
    assert sorted(_seen(module, "-c", code)) == ["None None", "false true"]
