"""Recurrent layers of a real Keras 2: no chance makes their errors, and nobody is to blame for these."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras2_files import error_of, written_by

import tracer
from tracer.core.numbers.tolerance import tolerance_for
from tracer.records import Cause
from tracer.workflows.goldens.checking import check
from tracer.workflows.goldens.recording import Setting, record

pytestmark = pytest.mark.releases


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model that Keras 2.15.0 wrote."""
    return written_by("keras2_recurrent.py", tmp_path_factory)


@pytest.fixture(scope="module")
def migrated(written: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tracer.Report]:
    """The file in Keras 3, and what is said of it."""
    target = tmp_path_factory.mktemp("migrated") / "new.keras"
    return target, tracer.migrate(written / "recurrent.h5", target, str(written / "recurrent.npz"))


def test_no_stack_of_cells_is_blamed_for_rounding(written: Path, migrated: tuple[Path, tracer.Report]) -> None:
    target, report = migrated
    assert report.matches, report
    largest = max(layer.local_error or 0.0 for layer in report.layers)
    assert largest > tolerance_for("float32") / 2, "this doesn't ask much"
    assert error_of(target, written / "recurrent.npz", written / "recurrent_y.npz") <= 2 * largest


def test_stacks_with_another_weight_or_setting_are_blamed_and_nobody_else(
    written: Path, migrated: tuple[Path, tracer.Report], tmp_path: Path
) -> None:
    right, planted = keras.models.load_model(str(migrated[0])), tmp_path / "planted.keras"
    config = right.get_config()
    (layer,) = (layer for layer in config["layers"] if layer["name"] == "stack_8")
    layer["config"]["cell"]["config"]["cells"][0]["config"]["recurrent_activation"] = "hard_sigmoid"
    wrong = keras.Model.from_config(config)
    wrong.set_weights(right.get_weights())
    kernel = wrong.get_layer("stack_7").cell.cells[1].kernel
    kernel.assign(np.asarray(kernel) * (1 + 2e-5))
    table = wrong.get_layer("embedded").embeddings
    table.assign(np.concatenate([table[:-1], table[-1:] * 2]))
    wrong.save(planted)
    found = tracer.diff(f"{written / 'recurrent.h5'}@2.15.0", str(planted), str(written / "recurrent.npz"))
    blamed = {fault.layer: fault.cause for fault in found.faults}
    assert blamed == {"stack_7/stacked_rnn_cells/gru_cell": Cause.WEIGHTS, "stack_8": Cause.CONFIG}
    assert [(one.layer, one.cause) for one in found.hidden] == [("embedded", Cause.WEIGHTS)]


def test_a_golden_of_such_stacks_is_checked_in_keras_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    record("stacks:build", tmp_path, setting=Setting(reference=keras.__version__, witnesses=()))
    (golden,) = tmp_path.glob("*.safetensors")
    report = check("stacks:build@2.15.0", golden, strict=True)
    assert report.matches and not report.hidden, report
    assert max(layer.rel_error for layer in report.layers) > tolerance_for("float32") / 2, "this doesn't ask much"
