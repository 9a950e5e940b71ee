"""The optimizer of a model in memory against real files, loaded in this process: innocents, and files with a plant."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers, optimizers

from tracer.engine import host
from tracer.errors import ModelError
from tracer.files.optimizer import read_optimizer
from tracer.records import Cause, Report, Status
from tracer.workflows.verifying.files import lay_out, suffix_of
from tracer.workflows.verifying.optimizer import hold_optimizer

_X = np.random.RandomState(0).normal(size=(16, 4)).astype("float32")
_Y = _X.sum(axis=1, keepdims=True)
_PASSED = Report(status=Status.PASS, compared=3, coverage=1.0, first_divergence=None, faults=(), layers=())


@keras.saving.register_keras_serializable("tracer_tests")
class Counting(optimizers.SGD):
    """An optimizer of the user's, with a variable of its own."""

    def build(self, variables: Any) -> None:
        """See there."""
        if not self.built:
            super().build(variables)
            self.steps = self.add_variable((2,), name="steps")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """See there."""
        super().update_step(gradient, variable, learning_rate)
        self.steps.assign_add(keras.ops.ones((2,)))


class Own(keras.Model):  # type: ignore[misc]
    """A model with a `compile` of its own, which Keras doesn't call in loading."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dense = layers.Dense(1)

    def call(self, x: Any) -> Any:
        """See there."""
        return self.dense(x)

    def compile(self, rate: float = 0.1) -> None:
        """See there."""
        super().compile(optimizers.Adam(rate), keras.losses.MeanSquaredError())


def network(optimizer: Any, policy: str = "float32", steps: int = 2) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    y = layers.BatchNormalization(dtype=policy)(layers.Dense(3, name="hidden", dtype=policy)(x))
    model = keras.Model(x, layers.Dense(1, name="out", dtype=policy)(y))
    if optimizer is not None:
        model.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
        for _ in range(steps):
            model.train_on_batch(_X, _Y)
    return model


def saved(model: Any, file: Path, **options: Any) -> Path:
    if suffix_of(file) == ".weights.h5":
        model.save_weights(file)
    else:
        model.save(file, **options)
    return file


def held(model: Any, file: Path, folder: Path, memory: Any = None) -> tuple[Report, str]:
    """What is concluded of a file; the worker's part is done in this process."""
    folder.mkdir()
    format = lay_out(file, folder)
    source = host.from_model(model)
    if format == "weights":
        (folder / "config.json").write_text(model.to_json())
    training = None if format == "weights" else source.training_modules()
    loaded: Any = host.from_saved(str(folder), format, custom_objects=(__name__,), training=training)
    return hold_optimizer(_PASSED, memory or source.optimizer(), file, loaded)


def _damaged(file: Path, damage: Callable[[h5py.File], None]) -> None:
    """Change the weights of a file, inside its archive where it is one."""
    if not zipfile.is_zipfile(file):
        with h5py.File(file, "r+") as weights:
            damage(weights)
        return
    folder = file.with_suffix(".d")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    with h5py.File(folder / "model.weights.h5", "r+") as weights:
        damage(weights)
    shutil.make_archive(str(file), "zip", folder)
    Path(f"{file}.zip").replace(file)


_INNOCENT: dict[str, Callable[[], Any]] = {
    "Adam": lambda: network(optimizers.Adam()),
    "momentum": lambda: network(optimizers.SGD(0.01, momentum=0.9)),
    "no slots": lambda: network(optimizers.SGD(0.01)),
    "AdamW": lambda: network(optimizers.AdamW()),
    "loss scale": lambda: network(optimizers.LossScaleOptimizer(optimizers.Adam()), "mixed_float16"),
    "EMA": lambda: network(optimizers.Adam(use_ema=True, ema_overwrite_frequency=2)),
    "schedule": lambda: network(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))),
    "of the user's": lambda: network(Counting(0.01, momentum=0.9)),
    "never built": lambda: network(optimizers.Adam(), steps=0),
    "uncompiled": lambda: network(None),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("name", _INNOCENT)
def test_no_innocent_is_accused(tmp_path: Path, name: str, suffix: str) -> None:
    model = _INNOCENT[name]()
    report, _ = held(model, saved(model, tmp_path / f"m{suffix}"), tmp_path / "laid")
    assert report.matches and report.hidden == ()
    if suffix == ".keras":
        assert report.notes == ()


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_half_precision_is_stored_in_bytes_of_its_own(tmp_path: Path, suffix: str) -> None:
    model = network(optimizers.Adam(), "bfloat16")
    assert held(model, saved(model, tmp_path / f"m{suffix}"), tmp_path / "laid")[0].matches


def _first_velocity(weights: h5py.File) -> tuple[h5py.Group, str]:
    group = weights.get("optimizer/vars") or weights["optimizer_weights"]
    return group, "3" if "3" in group else "adam/hidden_kernel_velocity"


def _remove(weights: h5py.File) -> None:
    group, name = _first_velocity(weights)
    del group[name]


def _zero(weights: h5py.File) -> None:
    group, name = _first_velocity(weights)
    group[name][...] = 0


def _swap(weights: h5py.File) -> None:
    group, name = _first_velocity(weights)
    group[name][...] = group["2" if name == "3" else "adam/hidden_kernel_momentum"][...]


def _empty(weights: h5py.File) -> None:
    del weights["optimizer" if "optimizer" in weights else "optimizer_weights"]


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_remove, "hidden_kernel_velocity is lost: the file doesn't have it"),
        (_zero, "it starts anew from zero"),
        (_swap, "the values there are those of adam/hidden_kernel_momentum"),
        (_empty, "none of its 14 variables is in the file"),
    ],
)
def test_a_file_that_lost_state_is_a_failure_that_names_the_variable(
    tmp_path: Path, damage: Callable[[h5py.File], None], words: str, suffix: str
) -> None:
    model = network(optimizers.Adam(name="adam"))
    file = saved(model, tmp_path / f"m{suffix}")
    _damaged(file, damage)
    report, _ = held(model, file, tmp_path / "laid")
    if suffix == ".weights.h5" and damage is _empty:
        assert report.matches and report.notes == (
            "the file holds no state of the optimizer: weights alone were saved.",
        )
        return
    (fault,) = report.hidden
    assert (fault.layer, fault.cause, report.status) == ("(optimizer)", Cause.OPTIMIZER_STATE, Status.DIVERGED)
    assert len(fault.evidence) == 1 and words in fault.evidence[0].detail


def test_a_step_that_the_file_does_not_have_is_found(tmp_path: Path) -> None:
    model = network(optimizers.SGD(0.01))
    file = saved(model, tmp_path / "m.keras")
    model.train_on_batch(_X, _Y)
    model.optimizer.learning_rate = 0.5
    (fault,) = held(model, file, tmp_path / "laid")[0].hidden
    assert [each.name.rpartition("/")[2] for each in fault.evidence] == ["iteration", "learning_rate"]
    assert "2" in fault.evidence[0].candidate and "3" in fault.evidence[0].reference


def test_an_optimizer_that_saving_as_h5_took_away_is_missed(tmp_path: Path) -> None:
    """Live in Keras 3.15: saving as `.h5` removes the optimizer from the compile settings that `.keras` writes."""
    model = network(optimizers.Adam())
    saved(model, tmp_path / "first.h5")
    report, _ = held(model, saved(model, tmp_path / "m.keras"), tmp_path / "laid")
    (fault,) = report.hidden
    assert (fault.evidence[0].reference, fault.evidence[0].candidate) == ("Adam", "RMSprop")
    assert fault.remedy is not None and fault.remedy.startswith("If the model was saved as .h5 before")
    assert (fault.known_issue, fault.fixed_in) == ("keras#23475", None)
    model.compile(optimizers.Adam(), keras.losses.MeanSquaredError(), run_eagerly=True)
    model.train_on_batch(_X, _Y)
    assert held(model, saved(model, tmp_path / "m.keras"), tmp_path / "again")[0].matches


def test_what_this_keras_does_not_restore_of_a_right_file_is_a_caution(tmp_path: Path) -> None:
    model = network(optimizers.Adam())
    report, caution = held(model, saved(model, tmp_path / "m.h5"), tmp_path / "laid")
    assert report.matches and "`load_model` of this Keras doesn't restore it from .h5" in caution


def test_a_file_that_was_saved_without_its_optimizer_says_so(tmp_path: Path) -> None:
    model = network(optimizers.Adam())
    report, caution = held(model, saved(model, tmp_path / "m.h5", include_optimizer=False), tmp_path / "laid")
    assert report.matches and not caution
    assert report.notes == ("the state of the optimizer was not compared: the file was saved without its optimizer.",)


def test_a_model_with_a_compile_of_its_own_is_not_accused(tmp_path: Path) -> None:
    model = Own()
    model.compile()
    model.fit(_X, _Y, verbose=0)
    report, _ = held(model, saved(model, tmp_path / "m.keras"), tmp_path / "laid")
    assert report.matches and "no optimizer, as of a `compile()` of its own" in report.notes[0]


def test_a_loss_that_cannot_be_loaded_is_told_and_the_state_is_held_against_the_file(tmp_path: Path) -> None:
    model = network(None)
    model.compile("adam", lambda a, b: keras.ops.mean((a - b) ** 2), run_eagerly=True)
    model.train_on_batch(_X, _Y)
    file = saved(model, tmp_path / "m.keras")
    report, _ = held(model, file, tmp_path / "laid")
    assert report.matches and "Keras doesn't load the file with its optimizer: " in report.notes[0]
    _damaged(file, _zero)
    assert not held(model, file, tmp_path / "again")[0].matches


# --- reading


def test_a_long_list_of_names_is_read_in_its_order(tmp_path: Path) -> None:
    """Keras cuts a list into several attributes, since HDF5 has room for 64 kB in one."""
    file = tmp_path / "m.h5"
    names = [f"v{i:04}".encode() for i in range(6)]
    with h5py.File(file, "w") as made:
        made.attrs["model_config"] = "{}"
        made.attrs["training_config"] = '{"optimizer_config": {}}'
        group = made.create_group("optimizer_weights")
        group.attrs["weight_names0"], group.attrs["weight_names1"] = names[:4], names[4:]
        for i, name in enumerate(names):
            group.create_dataset(name.decode(), data=np.float32(i))
    stored = read_optimizer(file)
    assert [slot.value for slot in stored.slots.values()] == ["0.0", "1.0", "2.0", "3.0", "4.0", "5.0"]
    assert stored.is_compiled and stored.is_named


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_damaged_file_is_an_error_with_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "m.keras":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json", "{")
    else:
        file.write_bytes(b"\x89HDF\r\n\x1a\nno")
    with pytest.raises(ModelError, match=name):
        read_optimizer(file)
