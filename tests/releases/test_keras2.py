"""Models of a real Keras 2: traced, migrated, proved; and translation faults that the proof must find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras2_files import CLOSE, error_elsewhere, error_of, plainly, worst, written_by
from sampling import some_of

import tracer
from tracer.core.migration.compiling import Compiling, translate_compiling
from tracer.core.migration.translate import Translation, translate
from tracer.core.source import Patch, PatchAction
from tracer.envs import environments
from tracer.errors import ModelError, TracerError, TrustError
from tracer.workflows.migrating import losses, migrate

pytestmark = pytest.mark.releases


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that Keras 2.15.0 wrote."""
    return written_by("keras2_models.py", tmp_path_factory)


_NAMES = (
    *("operations", "recurrent", "convolutional", "nested", "dead", "coded", "category"),
    *("attended", "padded", "masked", "filmed"),
)
# Each of them in one of the two formats in CI, in both at night.
_FORMATS = (("h5", "keras"), ("keras", "h5"))
_FILES = [f"{name}.{suffix}" for number, name in enumerate(_NAMES) for suffix in _FORMATS[number % 2]]


@pytest.mark.parametrize("file", some_of(_FILES, every=2))
def test_a_file_is_migrated_and_proved(file: str, written: Path, tmp_path: Path) -> None:
    target, name = tmp_path / "new.keras", Path(file).stem
    report = tracer.migrate(written / file, target, str(written / f"{name}.npz"), name == "coded")
    assert report.matches, report
    assert report.environments["reference"]["keras"] == "2.15.0"
    assert report.environments["candidate"]["keras"] == keras.__version__
    assert f"{target} was written." in report.notes
    assert worst(target, written, name) <= CLOSE
    # Two Keras were started and two models loaded: what it took is all of that, and not the comparison alone.
    assert report.timings["total"] - report.timings["compare"] > 1.0
    assert any("Compared with seeded weights too" in note for note in report.notes) == (name == "dead")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.keras"]


def test_an_index_that_only_an_h5_file_holds_is_carried_over(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.keras"
    told: list[str] = []
    report = tracer.migrate(
        written / "elided.h5", target, str(written / "elided.npz"), progress=lambda phase, *_: told.append(phase)
    )
    report.raise_for_divergence()
    assert worst(target, written, "elided") <= CLOSE
    assert list(dict.fromkeys(told)) == [
        "reading elided.h5 in Keras 2.15.0",
        "writing new.keras",
        "loading new.keras in a fresh process",
        "comparing",
    ]


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_what_a_model_was_compiled_with_is_carried_over_and_proved(suffix: str, written: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.keras"
    report = tracer.migrate(written / f"compiled.{suffix}", target, str(written / "compiled.npz"))
    assert report.matches, report
    (told,) = (note for note in report.notes if "the losses on this batch agree" in note)
    assert "SparseCategoricalCrossentropy, kullback_leibler_divergence" in told
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping variable loading")
        model = keras.models.load_model(target)
    assert model.compiled
    assert type(model.optimizer._learning_rate).__name__ == "ExponentialDecay"


def test_a_loss_that_cannot_be_computed_leaves_the_new_file_uncompiled(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.keras"
    report = tracer.migrate(written / "uncomputed.h5", target, str(written / "uncomputed.npz"))
    assert report.matches, report
    (told,) = (note for note in report.notes if note.startswith("The new file isn't compiled"))
    assert "(CategoricalCrossentropy): " in told and told.endswith(" Compile its model anew.")
    assert not keras.models.load_model(target).compiled
    assert worst(target, written, "uncomputed") <= CLOSE


def test_a_loss_with_another_setting_is_found_and_the_file_is_not_kept(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(config: dict[str, Any]) -> Compiling:
        found = translate_compiling(config)
        found.new["loss"]["out"]["config"]["from_logits"] = False
        return found

    monkeypatch.setattr(losses, "translate_compiling", faulty)
    report = tracer.migrate(written / "compiled.keras", tmp_path / "new.keras", str(written / "compiled.npz"))
    assert not report.matches
    assert "the losses differ" in report.reason
    assert "the losses differ" in str(report)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def layers_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every kind of layer, one file for each kind of input."""
    return written_by("keras2_layers.py", tmp_path_factory)


@pytest.mark.parametrize("kind", ["vectors", "sequences", "images", "volumes", "numbers", "words"])
def test_every_kind_of_layer_is_migrated_and_proved(kind: str, layers_written: Path, tmp_path: Path) -> None:
    target, inputs = tmp_path / "new.keras", layers_written / f"{kind}.npz"
    report = tracer.migrate(layers_written / f"{kind}.keras", target, str(inputs))
    assert report.matches, report
    assert error_of(target, inputs, layers_written / f"{kind}_y.npz") <= CLOSE


@pytest.mark.parametrize("name", ["convolutional", "nested", "category"])
def test_a_saved_model_is_migrated_like_a_file(name: str, written: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.keras"
    report = tracer.migrate(written / f"{name}_saved", target, str(written / f"{name}.npz"), trust=True)
    assert report.matches, report
    assert worst(target, written, name) <= CLOSE


def test_a_saved_model_is_a_program_and_not_run_unless_it_is_trusted(written: Path, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"saved_model.pb: a SavedModel is a program, and loading it runs.*--trust"):
        tracer.migrate(written / "convolutional_saved", tmp_path / "new.keras")
    assert list(tmp_path.iterdir()) == []


# torch's environment is of several gigabytes: by hand.
@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", some_of(["operations", "recurrent", "convolutional", "nested"], every=4))
def test_the_new_file_predicts_the_same_on_other_backends(
    name: str, backend: str, written: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new.keras"
    tracer.migrate(written / f"{name}.h5", target, str(written / f"{name}.npz")).raise_for_divergence()
    assert error_elsewhere(backend, target, written / f"{name}.npz", written / f"{name}_y.npz") <= CLOSE


def test_the_two_files_are_traced_against_each_other(written: Path, tmp_path: Path) -> None:
    source, target = written / "convolutional.h5", tmp_path / "new.keras"
    tracer.migrate(source, target, str(written / "convolutional.npz"))
    report = tracer.diff(f"{source}@2.15.0", str(target), str(written / "convolutional.npz"))
    assert report.matches
    assert [layer.layer for layer in report.layers][:3] == ["up", "leaky", "up_sampling2d"]


def test_a_matrix_has_a_column_for_keras_2(tmp_path: Path) -> None:
    """Held against a baseline in Keras 3."""
    asked = ["matrix", "MobileNetV2", "--keras", "2.15.0", "--baseline", keras.__version__, "--json", "-"]
    done = plainly(*asked, "--results", tmp_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert [cell["outcome"] for cell in cells] in (["pass"], ["pass-within-tolerance"])


def test_an_application_of_keras_2_has_the_same_seeded_weights(tmp_path: Path) -> None:
    done = plainly("diff", "MobileNetV2@2.15.0", "MobileNetV2", "--json", "-", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["matches"], found["faults"], found["hidden"], found["compared"]) == (True, [], [], 155)


def test_what_has_no_equivalent_is_named_with_its_place(written: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"local \(LocallyConnected1D\): `LocallyConnected1D` is gone"):
        tracer.migrate(written / "gone.h5", tmp_path / "new.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_code_in_a_file_is_not_run_unless_it_is_trusted(suffix: str, written: Path, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"layer 'twice': Python code .* of a Lambda layer.*--trust"):
        tracer.migrate(written / f"coded.{suffix}", tmp_path / "new.keras")


@pytest.fixture(scope="module")
def limits_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each kind that docs/keras2.md says isn't carried over."""
    return written_by("keras2_limits.py", tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", some_of(["masks", "classes", "bins", "lookup", "crop", "dilated", "directions"], every=3)
)
def test_what_would_compute_otherwise_is_not_kept_and_the_layer_is_named(
    name: str, limits_written: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new.keras"
    try:
        report = tracer.migrate(limits_written / f"{name}.keras", target, str(limits_written / f"{name}.npz"))
    except TracerError as refused:
        assert "limit" in str(refused)
    else:
        assert [fault.layer.split("/")[0] for fault in report.faults][:1] == ["limit"], report
    assert list(tmp_path.iterdir()) == []


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[..., Translation]:
    """A translation with a fault in it."""

    def faulty(config: dict[str, Any], *, trust: bool = False) -> Translation:
        found = translate(config, trust=trust)
        for layer in found.config["config"]["layers"]:
            change(layer)
        return found

    return faulty


def _drop_slope(layer: dict[str, Any]) -> None:
    layer["config"].pop("negative_slope", None)


def _keep_hard_sigmoid(layer: dict[str, Any]) -> None:
    if layer["config"]["name"] == "hard":
        layer["config"]["activation"] = "hard_sigmoid"


def _change_epsilon(layer: dict[str, Any]) -> None:
    if layer["config"]["name"] == "norm":
        layer["config"]["epsilon"] = 0.1


@pytest.mark.parametrize(
    ("change", "layer"), [(_drop_slope, "leaky"), (_keep_hard_sigmoid, "hard"), (_change_epsilon, "norm")]
)
def test_a_fault_of_the_translation_is_found_and_the_file_is_not_kept(
    change: Callable[[dict[str, Any]], None],
    layer: str,
    written: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "translate", _edited(change))
    report = tracer.migrate(written / "convolutional.h5", tmp_path / "new.keras", str(written / "convolutional.npz"))
    assert [fault.layer for fault in report.faults] == [layer]
    assert report.faults[0].known_issue == ("keras#19477" if layer == "hard" else None)
    assert layer != "hard" or report.faults[0].cause == "implementation"
    assert any("was not written" in note for note in report.notes)
    assert list(tmp_path.iterdir()) == []


def test_a_transposed_kernel_is_found(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry = migrate.carry_weights

    def faulty(original: Any, migrated: Any) -> None:
        carry(original, migrated)
        # An array of a layer's own shape, with rows and columns of the kernel exchanged.
        kernel = np.transpose(original.facts("up").weights["kernel"], (1, 0, 2, 3))
        migrated.mend("up", Patch(action=PatchAction.COPY_WEIGHTS, weights={"kernel": kernel}))

    monkeypatch.setattr(migrate, "carry_weights", faulty)
    report = tracer.migrate(written / "convolutional.h5", tmp_path / "new.keras", str(written / "convolutional.npz"))
    assert [fault.layer for fault in report.faults] == ["up"]


def test_the_command_says_it_in_its_exit_code(written: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tracer", "migrate", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    done = run(str(written / "dead.h5"), "-o", "new.keras")
    assert done.returncode == 0, done.stderr
    assert "new.keras was written" in done.stdout
    assert run(str(written / "dead.h5"), "-o", "new.keras").returncode == 2
    refused = run(str(written / "gone.h5"), "-o", "other.keras")
    assert refused.returncode == 2
    assert "local (LocallyConnected1D)" in refused.stderr


def test_a_golden_of_keras_3_is_checked_in_keras_2(tmp_path: Path) -> None:
    """Its layer names agree, and what is written in other words there is no difference."""
    command = [sys.executable, "-m", "tracer", "check", "EfficientNetB0", "--fixtures", "shipped", "--keras", "2.15.0"]
    done = subprocess.run(
        [*command, "--strict", "--json", "-"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["faults"], found["hidden"], found["coverage"]) == ([], [], 1.0)
    assert found["compared"] > 200


_BUILDER = """
from keras import layers, Sequential

def build():
    return Sequential([layers.Dense(3, activation="hard_sigmoid", input_shape=(4,), name="hard"), layers.Dense(2)])

def wider():
    return Sequential([layers.Dense(5, input_shape=(4,)), layers.Dense(2)])
"""


def test_weights_alone_are_migrated_with_what_builds_their_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("builder_of_weights.py").write_text(_BUILDER)
    start = environments.prepare("2.15.0", "tensorflow")
    code = "import builder_of_weights as b; b.build().save_weights('w.weights.h5')"
    subprocess.run([*start.command, "-c", code], env={**os.environ, **start.variables}, check=True, timeout=300)
    report = tracer.migrate("w.weights.h5", "new.keras", model="builder_of_weights:build")
    assert report.matches, report
    assert keras.models.load_model("new.keras").get_layer("hard").kernel.shape == (4, 3)
    with pytest.raises(ModelError, match=r"the weights in .*w.weights.h5' don't go into the model"):
        tracer.migrate("w.weights.h5", "other.keras", model="builder_of_weights:wider")
    assert not Path("other.keras").exists()
