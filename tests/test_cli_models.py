"""The command line on real models, in processes of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import environment, run

MODELS = """
import keras


def plain():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")]
    return keras.Sequential([keras.Input((4,), name="x"), *layers])


def shifted():
    model = plain()
    print("a model prints")
    kernel, bias = model.get_layer("a").get_weights()
    model.get_layer("a").set_weights([kernel * 1.01, bias])
    return model


def stranger():
    return keras.Sequential([keras.Input((4,), name="x"), keras.layers.ReLU(name="other")])
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "cli_models.py").write_text(MODELS, encoding="utf-8")
    return tmp_path


def test_diff_of_two_models(models: Path) -> None:
    same = run("diff", "cli_models:plain", "cli_models:plain", cwd=models)
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.startswith("PASS: ")
    wrong = run("diff", "cli_models:plain", "cli_models:shifted", "--json", "r.json", cwd=models)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("DIVERGED: 1 layer is at fault: a ")
    assert wrong.stderr == "a model prints\n"
    assert json.loads((models / "r.json").read_text(encoding="utf-8"))["faults"][0]["layer"] == "a"
    shown = run("show", "r.json", cwd=models)
    assert (shown.returncode, shown.stdout) == (1, wrong.stdout)


def test_modules_of_the_current_folder_are_found_by_the_installed_command(models: Path) -> None:
    # -P keeps the folder out of the path, as an installed command does.
    command = [sys.executable, "-P", "-m", "tracer", "roundtrip", "cli_models:plain", "--format", "h5"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=models, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")


def test_stdout_is_json_and_nothing_else(models: Path) -> None:
    result = run("diff", "cli_models:plain", "cli_models:shifted", "--json", "-", "--no-prove", cwd=models)
    assert result.returncode == 1
    body = json.loads(result.stdout)
    assert (body["schema"], body["status"]) == (1, "diverged")


def test_nothing_in_common_is_trouble(models: Path) -> None:
    result = run("diff", "cli_models:plain", "cli_models:stranger", cwd=models)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("tracer: nothing was compared")


def test_roundtrip_in_one_format_and_in_several(models: Path) -> None:
    one = run("roundtrip", "cli_models:plain", "--format", "keras", cwd=models)
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout.startswith("PASS: ")
    several = run(
        "roundtrip", "cli_models:plain", "--format", "keras", "--format", "h5", "--json", "r.json", cwd=models
    )
    assert (several.returncode, several.stderr) == (0, "")
    assert several.stdout.startswith("PASS in 2 formats: keras, h5\n")
    assert list(json.loads((models / "r.json").read_text(encoding="utf-8"))["reports"]) == ["keras", "h5"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", "EfficientNetB9", "EfficientNetB0"],
        ["diff", "none.keras", "cli_models:plain"],
        ["diff", "cli_models.py", "cli_models:plain"],
        ["diff", "cli_models:plan", "cli_models:plain"],
        ["diff", "cli_models:plain", "cli_models:plain", "--inputs", "none.npz"],
        ["diff", "cli_models:plain", "cli_models:plain", "--custom-objects", "no_such_module"],
        ["roundtrip", "cli_models:plain", "--format", "onnx"],
    ],
)
def test_what_can_not_be_compared(arguments: list[str], models: Path) -> None:
    before = sorted(path.name for path in models.iterdir())
    result = run(*arguments, cwd=models)
    assert result.returncode == 2
    assert result.stdout == ""
    assert re.match(r"tracer: (?!internal error)", result.stderr)
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in models.iterdir() if path.name != "__pycache__") == before


def test_doctor() -> None:
    result = run("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    assert "keras" in result.stdout.lower()
    body = json.loads(run("doctor", "--json").stdout)
    assert body["ok"] is True


def test_demo_finds_a_real_defect() -> None:
    result = run("demo")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("DIVERGED: ")
