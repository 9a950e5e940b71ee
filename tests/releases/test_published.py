"""The published cases, on the releases that have them and on those that don't, in isolated environments (minutes)."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tracer.envs.environments import prepare

pytestmark = pytest.mark.releases

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 1500
_BAD, _GOOD = "3.4.1", "3.6.0"


def _environment(folder: Path | None = None) -> dict[str, str]:
    uv = Path(sys.executable).parent
    paths = [str(_ROOT), *([str(folder)] if folder else [])]
    found = {**os.environ, "PATH": f"{uv}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(paths)}
    return {**found, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def cli(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m tracer …`, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "tracer", *arguments],
        cwd=folder or _ROOT, env=_environment(folder), capture_output=True, text=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip


@functools.cache
def reported(*arguments: str) -> tuple[int, Any, str]:
    """Exit code, JSON and standard error of one command."""
    done = cli(*arguments, "--json", "-")
    assert done.stdout, f"exit {done.returncode}: {done.stderr}"
    return done.returncode, json.loads(done.stdout), done.stderr


def verdicts(report: Any) -> dict[str, str]:
    return {layer["layer"]: layer["verdict"] for layer in report["layers"]}


# --- keras#20147 and keras#20460


@pytest.mark.parametrize("model", ["pretrained_classifier", "pretrained_unet"])
def test_on_the_bad_release_normalization_is_the_only_fault(model: str) -> None:
    code, report, errors = reported("roundtrip", f"tracer.zoo:{model}@{_BAD}", "--format", "keras")
    assert code == 1, errors
    [fault] = report["faults"]
    assert (fault["layer"], fault["class_name"]) == ("normalization", "Normalization")
    assert (fault["side"], fault["cause"]) == ("reference", "unsaved-state")
    assert (fault["known_issue"], fault["fixed_in"]) == ("keras#20147", "3.6.0")
    differing = {name: verdict for name, verdict in verdicts(report).items() if verdict not in ("identical", "close")}
    assert differing.pop("normalization") == "introduced"
    assert set(differing.values()) == {"inherited"}
    assert report["first_divergence"] == "normalization"


@pytest.mark.parametrize("model", ["pretrained_classifier", "pretrained_unet"])
def test_the_blame_is_proved_and_explained(model: str) -> None:
    _, report, _ = reported("roundtrip", f"tracer.zoo:{model}@{_BAD}", "--format", "keras")
    [fault] = report["faults"]
    evidence = {e["name"]: (e["reference"], e["candidate"]) for e in fault["evidence"] if e["kind"] == "state"}
    assert evidence.keys() == {"mean", "variance"}
    assert evidence["mean"] == ("[0, 0, 0]", "[0.485, 0.456, 0.406]")
    assert evidence["variance"][0] == "[1, 1, 1]"
    proof = fault["proof"]
    assert proof["holds"]
    assert proof["healed"] < 1e-5 < proof["output_error"]
    assert proof["broken"] == pytest.approx(proof["output_error"], rel=0.05)
    assert "verified" in fault["remedy"]


@pytest.mark.parametrize("model", ["pretrained_classifier", "pretrained_unet"])
def test_on_the_fixed_release_nothing_is_found(model: str) -> None:
    code, report, errors = reported("roundtrip", f"tracer.zoo:{model}@{_GOOD}", "--format", "keras")
    assert code == 0, errors
    assert report["matches"] is True
    assert report["faults"] == []
    assert report["environments"]["reference"]["keras"] == _GOOD
    assert report["environments"]["candidate"]["keras"] == _GOOD


def test_the_worker_really_ran_the_release_that_was_asked_for() -> None:
    _, report, _ = reported("roundtrip", f"tracer.zoo:pretrained_classifier@{_BAD}", "--format", "keras")
    assert report["environments"]["reference"]["keras"] == _BAD
    assert report["environments"]["reference"]["tensorflow"] == "2.17.1"


# --- the newest Keras


def test_nested_h5_is_wrong_on_the_newest_release() -> None:
    code, report, errors = reported("roundtrip", "tracer.zoo:pretrained_classifier_nested@latest", "--format", "h5")
    assert code == 1, errors
    [fault] = report["faults"]
    assert fault["layer"] == "efficientnetb0/normalization"
    assert (fault["side"], fault["cause"]) == ("candidate", "unsaved-state")
    assert fault["fixed_in"] is None
    assert set(verdicts(report).values()) <= {"identical", "close", "inherited", "introduced"}


def test_nested_keras_is_right_on_the_newest_release() -> None:
    code, report, errors = reported("roundtrip", "tracer.zoo:pretrained_classifier_nested@latest", "--format", "keras")
    assert code == 0, errors
    assert report["faults"] == []


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetV2B0", "MobileNetV2"])
def test_models_without_the_defect_pass_in_every_format(name: str) -> None:
    done = cli("roundtrip", name, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errors"] == {}
    assert {format: len(report["faults"]) for format, report in found["reports"].items()} == dict.fromkeys(
        ("keras", "h5", "weights", "config"), 0
    )


# --- a file whose loaded model does what the trained one did

_SAVE = """
import sys
import numpy as np
from tracer import zoo
model = zoo.pretrained_classifier()
model.save(sys.argv[1])
np.save(sys.argv[2], np.asarray(model.predict(np.load(sys.argv[3]), verbose=0)))
"""
_PREDICT = """
import sys
import numpy as np
import keras
model = keras.models.load_model(sys.argv[1], compile=False)
np.save(sys.argv[2], np.asarray(model.predict(np.load(sys.argv[3]), verbose=0)))
"""


def run_in(release: str, script: str, *arguments: object) -> None:
    """A script in the environment that the tracer itself would make."""
    start = prepare(release, None)
    done = subprocess.run(
        [*start.command, "-c", script, *map(str, arguments)],
        env={**_environment(), **start.variables}, capture_output=True, text=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was trained and saved on the bad release, and the fixed file."""
    import numpy as np

    folder = tmp_path_factory.mktemp("fixed")
    np.save(folder / "x.npy", np.random.RandomState(0).uniform(0, 255, (2, 96, 96, 3)).astype("float32"))
    run_in(_BAD, _SAVE, folder / "m.keras", folder / "trained.npy", folder / "x.npy")
    before = (folder / "m.keras").read_bytes()
    done = cli("fix", f"m.keras@{_BAD}", "--as-trained", "-o", "fixed.keras", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "changed normalization: persist_state: mean = [0, 0, 0]" in done.stdout
    assert (folder / "m.keras").read_bytes() == before
    return folder


@pytest.mark.parametrize("release", [_BAD, "latest"])
def test_the_fixed_file_predicts_what_the_trained_model_predicted(release: str, fixed: Path) -> None:
    import numpy as np

    run_in(release, _PREDICT, fixed / "fixed.keras", fixed / f"fixed-{release}.npy", fixed / "x.npy")
    run_in(release, _PREDICT, fixed / "m.keras", fixed / f"m-{release}.npy", fixed / "x.npy")
    trained = np.load(fixed / "trained.npy")
    np.testing.assert_allclose(np.load(fixed / f"fixed-{release}.npy"), trained, rtol=1e-4, atol=1e-5)
    assert np.abs(np.load(fixed / f"m-{release}.npy") - trained).max() > 1e-2  # the file as it was does not


def test_diff_of_the_trained_model_and_the_fixed_file_passes(fixed: Path) -> None:
    done = cli("diff", f"tracer.zoo:pretrained_classifier@{_BAD}", "fixed.keras", "--json", "-", folder=fixed)
    assert done.returncode == 0, done.stdout or done.stderr
    assert json.loads(done.stdout)["matches"] is True


def test_diff_of_the_trained_model_and_the_file_as_it_was_does_not(fixed: Path) -> None:
    done = cli("diff", f"tracer.zoo:pretrained_classifier@{_BAD}", "m.keras", "--json", "-", folder=fixed)
    assert done.returncode == 1, done.stderr
    assert [fault["layer"] for fault in json.loads(done.stdout)["faults"]] == ["normalization"]


# --- a flag that leaks


def test_a_training_flag_that_resizing_leaks_is_seen_where_the_model_is_called_as_people_call_it() -> None:
    sides = [f"boundary_models:resized@{release}" for release in ("3.5.0", "3.15.1")]
    folder = Path(__file__).parent
    called, handed = (cli("diff", *sides, *flags, "--json", "-", folder=folder) for flags in (["--as-called"], []))
    assert (called.returncode, handed.returncode) == (1, 0), called.stderr
    [fault] = json.loads(called.stdout)["faults"]
    assert (fault["layer"], fault["cause"]) == ("resize", "call-context")
