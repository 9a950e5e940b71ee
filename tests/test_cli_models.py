"""The command line on real models; in processes of its own where these are the point."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import environment, run
from typer.testing import CliRunner

from tracer.cli import app

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


def gated(weight=1.0):
    x = keras.Input((4,), name="x")
    gate = keras.layers.Dense(3, activation="relu", kernel_initializer="ones", use_bias=False, name="gate")(x)
    out = keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant(weight), name="out")(gate)
    straight = keras.layers.Dense(2, kernel_initializer="ones", name="straight")(x)
    return keras.Model(x, keras.layers.Concatenate(name="both")([out, straight]))


def gated_otherwise():
    return gated(1.1)


def normalized(**called):
    x = keras.Input((4,), name="x")
    h = keras.layers.Dense(3, kernel_initializer="ones", name="a")(x)
    return keras.Model(x, keras.layers.BatchNormalization(name="bn")(h, **called))


def leaking():
    return normalized(training=True)


def plain_normalized():
    return normalized()


@keras.saving.register_keras_serializable("cli_models")
class Late(keras.layers.Layer):
    # Adds what its configuration doesn't keep, where the sum of a row is positive.
    extra = 0.0

    def call(self, x):
        return x + self.extra * keras.ops.relu(keras.ops.sum(x, axis=-1, keepdims=True))


def gated_state():
    x = keras.Input((4,), name="x")
    late = Late(name="late")
    late.extra = 0.5
    return keras.Model(x, late(x))
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "cli_models.py").write_text(MODELS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def typed(models: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A command, run in the folder of the models and in this process: importing Keras takes longer than it."""
    monkeypatch.chdir(models)
    monkeypatch.syspath_prepend(models)
    monkeypatch.delitem(sys.modules, "cli_models", raising=False)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_diff_of_equal_models(typed: Callable[..., Any]) -> None:
    same = typed("diff", "cli_models:plain", "cli_models:plain")
    assert (same.exit_code, same.stderr) == (0, "")
    assert same.stdout.startswith("PASS: ")


def test_diff_of_two_models(models: Path) -> None:
    wrong = run("diff", "cli_models:plain", "cli_models:shifted", "--json", "r.json", cwd=models)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("DIVERGED: 1 layer is at fault: a ")
    assert wrong.stderr == "a model prints\n"
    assert json.loads((models / "r.json").read_text(encoding="utf-8"))["faults"][0]["layer"] == "a"
    shown = run("show", "r.json", cwd=models)
    assert (shown.returncode, shown.stdout) == (1, wrong.stdout)


@pytest.mark.slow
def test_modules_of_the_current_folder_are_found_by_the_installed_command(models: Path) -> None:
    # -P keeps the folder out of the path, as an installed command does.
    command = [sys.executable, "-P", "-m", "tracer", "roundtrip", "cli_models:plain", "--format", "h5"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=models, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("PASS: ")


def test_stdout_is_json_and_nothing_else(models: Path) -> None:
    result = run("diff", "cli_models:plain", "cli_models:shifted", "--json", "-", "--no-prove", cwd=models)
    assert result.returncode == 1
    body = json.loads(result.stdout)
    assert (body["schema"], body["status"]) == (1, "diverged")


def test_nothing_in_common_is_trouble(typed: Callable[..., Any]) -> None:
    result = typed("diff", "cli_models:plain", "cli_models:stranger")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tracer: nothing was compared")


def test_roundtrip_in_several_formats(models: Path, typed: Callable[..., Any]) -> None:
    several = typed("roundtrip", "cli_models:plain", "--format", "keras", "--format", "h5", "--json", "r.json")
    assert (several.exit_code, several.stderr) == (0, "")
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
def test_what_can_not_be_compared(arguments: list[str], models: Path, typed: Callable[..., Any]) -> None:
    before = sorted(path.name for path in models.iterdir())
    result = typed(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.match(r"tracer: (?!internal error)", result.stderr)
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in models.iterdir() if path.name != "__pycache__") == before


def test_doctor(typed: Callable[..., Any]) -> None:
    """Its text is in tests/workflows/test_doctor.py."""
    result = typed("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    body = json.loads(result.stdout)
    assert body["ok"] is True
    assert {"Keras", "backend", "round trip"} <= {check["what"] for check in body["lines"]}


@pytest.mark.slow
def test_demo_finds_a_real_defect() -> None:
    result = run("demo")
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("DIVERGED: ")


# ---- inputs


def test_the_fault_in_the_tenth_of_41_rows_is_found(models: Path, typed: Callable[..., Any]) -> None:
    rows = -np.random.RandomState(0).uniform(0.5, 1.5, (41, 4))
    rows[9] *= -1
    np.savez(models / "rows.npz", anything=rows)
    sides = ("cli_models:gated", "cli_models:gated_otherwise")
    wrong = typed("diff", *sides, "--inputs", "rows.npz", "--json", "r.json")
    assert wrong.exit_code == 1
    assert "  inputs      rows.npz: 41 samples, x (41, 4) float32. x was cast" in wrong.stdout
    told = json.loads((models / "r.json").read_text(encoding="utf-8"))["inputs"]
    assert (told["origin"], told["samples"], told["shapes"]) == ("file", 41, {"x": [41, 4]})
    assert typed("show", "r.json").stdout == wrong.stdout
    refused = typed("diff", *sides, "--inputs", "rows.npz", "--batch", "2")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("tracer: rows.npz: 41 samples given, and --batch (batch=) asks for 2.")


@pytest.mark.releases
def test_the_fault_in_the_tenth_of_41_rows_is_found_by_a_matrix(models: Path) -> None:
    rows = -np.random.RandomState(0).uniform(0.5, 1.5, (41, 4))
    rows[9] *= -1
    np.save(models / "rows.npy", rows)
    arguments = ("cli_models:gated_state", "--inputs", "rows.npy", "--format", "h5", "--json", "-")
    result = run("matrix", *arguments, "--keras", version("keras"), cwd=models, TRACER_CACHE=str(models / "cache"))
    assert result.returncode == 1, result.stderr
    (cell,) = json.loads(result.stdout)["cells"]
    assert (cell["outcome"], cell["inputs"]["samples"], cell["inputs"]["source"]) == ("diverged", 41, "rows.npy")


def test_training_and_as_called_exclude_each_other(typed: Callable[..., Any]) -> None:
    result = typed("diff", "cli_models:plain", "cli_models:plain", "--training", "--as-called")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--training and --as-called exclude each other" in result.stderr


def test_as_called_shows_what_predict_hides(typed: Callable[..., Any]) -> None:
    sides = ("cli_models:leaking", "cli_models:plain_normalized")
    assert typed("diff", *sides).exit_code == 0
    result = typed("diff", *sides, "--as-called")
    assert result.exit_code == 1
    assert "both models were called as model(x), with no training argument handed on." in result.stdout
