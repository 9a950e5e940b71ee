"""An optimizer's variables in a file that loading doesn't restore: files that Keras wrote, and records."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers, optimizers

import tracer
from tracer.files import contents
from tracer.files.contents import Contents
from tracer.workflows.auditing.optimizer import lost_optimizer, optimizer_notes

_X = np.random.RandomState(0).normal(size=(16, 4)).astype("float32")
_KERAS_OWN = frozenset({"optimizer", "loss", "metrics", "run_eagerly"})


@keras.saving.register_keras_serializable("audited_optimizers")
class Knows(keras.Model):  # type: ignore[misc]
    """A model that writes how it is compiled in words of its own."""

    def get_compile_config(self) -> dict[str, Any]:
        """See there."""
        return {"rate": 0.25}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """See there."""
        self.compile(optimizers.Adam(config["rate"]), keras.losses.MeanSquaredError())


def network(optimizer: Any, steps: int = 2, of: Any = keras.Model) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    model = of(x, layers.Dense(1, name="out")(layers.Dense(3, name="hidden")(x)))
    if optimizer is not None:
        model.compile(optimizer, keras.losses.MeanSquaredError(), run_eagerly=True)
        for _ in range(steps):
            model.train_on_batch(_X, _X[:, :1])
    return model


def saved(model: Any, file: Path, **options: Any) -> Path:
    model.save(file, **options)
    return file


def contents_of(compiled: frozenset[str] = _KERAS_OWN, *keys: str, writer: str = "3.15.1") -> Contents:
    paths = tuple(f"optimizer/vars/{key}" for key in keys)
    return Contents(
        format="keras", writer=writer, arrays={}, left_out=len(paths), config={}, suspicious={}, optimizer=paths,
        compiled=compiled,
    )  # fmt: skip


_INNOCENT: dict[str, Callable[[], Any]] = {
    "uncompiled": lambda: network(None),
    "no slots": lambda: network(optimizers.SGD(0.01)),
    "momentum": lambda: network(optimizers.SGD(0.01, momentum=0.9)),
    "Adam": lambda: network(optimizers.Adam()),
    "schedule": lambda: network(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))),
    "loss scale": lambda: network(optimizers.LossScaleOptimizer(optimizers.Adam())),
    "EMA": lambda: network(optimizers.Adam(use_ema=True, ema_overwrite_frequency=2)),
    "never trained": lambda: network(optimizers.Adam(), steps=0),
    "of its own words": lambda: network(optimizers.Adam(0.25), of=Knows),
}


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", _INNOCENT)
def test_no_innocent_file_is_accused(tmp_path: Path, name: str, suffix: str, include: bool) -> None:
    path = saved(_INNOCENT[name](), tmp_path / f"m{suffix}", include_optimizer=include)
    assert list(lost_optimizer(contents.read(path))) == []


@pytest.mark.parametrize("of", [optimizers.SGD, optimizers.Adam])
def test_a_file_that_lost_the_name_of_its_optimizer_is_found(tmp_path: Path, of: type) -> None:
    """Live in Keras 3.15: saving as `.h5` removes the optimizer from the compile settings that `.keras` writes."""
    model = network(of(0.1))
    assert tracer.audit(saved(model, tmp_path / "before.keras")).ok
    saved(model, tmp_path / "m.h5")
    found = tracer.audit(saved(model, tmp_path / "after.keras"))
    [finding] = found.findings
    assert (finding.kind, finding.place) == ("optimizer-not-restored", "optimizer/vars")
    assert f"the {len(model.optimizer.variables)} variables" in finding.detail
    assert "known as keras#23475" in finding.detail
    assert finding.remedy.startswith("If the model was saved as .h5 before")
    assert type(keras.models.load_model(tmp_path / "after.keras").optimizer) is optimizers.RMSprop
    assert "keras#23475" not in dict(found.exposure)  # it isn't what the file may have met: it has


def test_every_variable_that_was_taken_out_is_found(tmp_path: Path) -> None:
    path = saved(network(optimizers.Adam()), tmp_path / "m.keras")
    for keys, places in (("4", ["optimizer/vars/4"]), ("0123456789", ["optimizer/vars"])):
        damaged = tmp_path / f"{len(keys)}.keras"
        _without(path, damaged, keys)
        findings = tracer.audit(damaged).findings
        assert [(each.kind, each.place) for each in findings] == [("optimizer-not-restored", place) for place in places]
        assert all("fresh optimizer" in each.detail for each in findings)


def _without(file: Path, target: Path, keys: str) -> None:
    """A copy of an archive without some of its optimizer's variables."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "model.weights.h5":
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as weights:
                    for key in keys:
                        del weights["optimizer/vars"][key]
                data = buffer.getvalue()
            new.writestr(name, data)


def test_a_release_that_is_not_known_to_do_so_is_not_named() -> None:
    [finding] = lost_optimizer(contents_of(_KERAS_OWN - {"optimizer"}, "0", "1", writer=""))
    assert "known as" not in finding.detail and finding.remedy == ""


def test_keras_2_writes_nothing_of_an_optimizer_that_has_made_no_step() -> None:
    assert list(lost_optimizer(contents_of(writer="2.15.0"))) == []
    assert [each.place for each in lost_optimizer(contents_of(writer="3.0.0"))] == ["optimizer/vars"]


def test_an_optimizer_that_saves_itself_in_a_way_of_its_own_has_no_gaps() -> None:
    assert list(lost_optimizer(contents_of(_KERAS_OWN, "velocity", "3"))) == []


def test_variables_of_an_optimizer_without_any_word_on_compiling_are_told() -> None:
    unsaid = contents_of(frozenset(), "0", "1")
    assert list(lost_optimizer(unsaid)) == []
    assert [note.partition(" variables")[0] for note in optimizer_notes(unsaid)] == ["the file has 2"]
    assert list(optimizer_notes(contents_of(_KERAS_OWN, "0", "1"))) == []
