"""Documentation is executed: every command and every Python example in README.md."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tracer.cli import app

_ROOT = Path(__file__).resolve().parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_EXIT = {
    "tracer roundtrip tracer.zoo:tiny_nested": 1,  # the live defect of nested Normalization layers
}


def blocks(language: str, *, run: bool) -> list[str]:
    """Fenced blocks of README.md; `run`: those marked to be run in the default tests."""
    found = re.findall(r"(<!-- .*? -->\n)?```(\w+)\n(.*?)```", _README, re.DOTALL)
    elsewhere = (
        "ci:",
        "goldens",
    )  # run by CI; below, and in tests/test_goldens.py and tests/workflows/test_checking.py
    return [
        text
        for mark, kind, text in found
        if kind == language and ("run -->" in mark) == run and not any(word in mark for word in elsewhere)
    ]


def commands(text: str) -> list[str]:
    return [line.split("#")[0].strip() for line in text.splitlines() if line.startswith("tracer ")]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "tracer"
    path = os.pathsep.join([str(_ROOT), str(folder)])
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_python_examples_run(tmp_path: Path) -> None:
    (example,) = blocks("python", run=True)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = [line.split("#")[1].strip() for line in example.splitlines() if line.startswith("print(")]
    assert done.stdout.splitlines() == said


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, one after the other: importing Keras for each takes longer than they do."""
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("sh", run=True)
    for command in commands(block):
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == _EXIT.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"


def test_golden_commands_run() -> None:
    (block,) = re.findall(r"<!-- goldens -->\n```sh\n(.*?)```", _README, re.DOTALL)
    shown = [command for command in commands(block) if command.startswith("tracer show ")]
    assert len(shown) == 1 and len(commands(block)) == 4
    done = run(shown[0], _ROOT)
    assert done.returncode == 0 and "golden of EfficientNetB0" in done.stdout, done.stderr


_FILES = """
import sys, keras, numpy as np
from keras import layers
from my_package.layers import Twice
i = keras.Input((4,))
keras.Model(i, layers.Dense(2)(Twice()(i))).save("my_custom_model.keras")
keras.Model(i, layers.Dense(2)(i)).save("my_model.keras")
np.savez("batch.npz", np.ones((3, 4), "float32"))
"""
_LAYERS = """
import keras
@keras.saving.register_keras_serializable("my_package")
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.mark.slow
def test_commands_on_files_run(tmp_path: Path) -> None:
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "layers.py").write_text(_LAYERS)
    path = os.pathsep.join([str(_ROOT), str(tmp_path)])
    subprocess.run([sys.executable, "-c", _FILES], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    found = [command for block in blocks("sh", run=False) for command in commands(block)]
    found = [command for command in found if "@" not in command]  # those are run in tests/releases
    assert len(found) >= 2, found  # the blocks were found, and not all of them name a release
    for command in found:
        done = run(command, tmp_path)
        assert done.returncode == _EXIT.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"


_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
_SHOWN = [
    command
    for page in _PAGES
    for block in _CONSOLE.findall(page.read_text(encoding="utf-8"))
    for command in commands(block.replace("\\\n", " "))
]


@pytest.mark.parametrize("shown", _SHOWN)
def test_commands_that_take_minutes_are_understood(shown: str) -> None:
    """Their options exist; tests/releases runs such commands."""
    name, *arguments = shlex.split(shown)[1:]
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.make_context(name, arguments).params


def test_pages_show_commands() -> None:
    assert len(_SHOWN) >= 10
