"""Known-good predictions: which change restores them, and what is said where none does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from makers import fault, layer_report, report
from test_audit import edited

import tracer
from tracer.errors import InputError, ModelError, SpecError
from tracer.records import Status, Trial, Verdict
from tracer.report import render_audit
from tracer.workflows.auditing import expected
from tracer.workflows.auditing.losses import compared, otherwise

_X = np.random.RandomState(0).uniform(0.0, 255.0, (16, 4)).astype("float32")


def model() -> Any:
    """It normalizes in a nested model, which `.h5` loses (a live defect), and has a layer that training changes."""
    keras.utils.set_random_seed(1)
    norm = layers.Normalization(name="norm")
    norm.adapt(_X)
    inside, outside = keras.Input((4,)), keras.Input((4,), name="x")
    inner = keras.Model(inside, norm(inside), name="inner")
    y = layers.BatchNormalization(name="bn")(layers.Dense(5, name="dense")(inner(outside)))
    return keras.Model(outside, layers.Dense(2, name="out")(y))


@pytest.fixture(scope="module")
def built() -> Any:
    return model()


@pytest.fixture(scope="module")
def saved(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("expected") / "m.keras"
    built.save(path)
    return path


def without_statistics(built: Any) -> Any:
    """As the model of keras#20147 was trained: it has the statistics, and doesn't compute with them."""
    other = keras.models.clone_model(built)
    other.set_weights(built.get_weights())
    norm = other.get_layer("inner").get_layer("norm")
    norm.mean, norm.variance = keras.ops.zeros_like(norm.mean), keras.ops.ones_like(norm.variance)
    return other


def as_in_training(built: Any) -> Any:
    """A second one, since training changes it."""
    other = model()
    other.set_weights(built.get_weights())
    return other


_NOTED: Any = {
    "divided by 255": lambda m: m(_X / 255),
    "multiplied by 255": lambda m: m(_X * 255),
    "from 0 … 255 to -1 … 1": lambda m: m(_X / 127.5 - 1),
    "from -1 … 1 to 0 … 255": lambda m: m((_X + 1) * 127.5),
    "reversed (RGB, BGR)": lambda m: m(_X[:, ::-1]),
    "training=True": lambda m: as_in_training(m)(_X, training=True),
    "without the statistics of its Normalization (keras#20147)": lambda m: without_statistics(m)(_X),
}


def gives(found: Any) -> list[str]:
    return [trial.change for trial in found.trials if trial.gives]


@pytest.mark.parametrize(
    "change", [change if "keras#20147" in change else pytest.param(change, marks=pytest.mark.slow) for change in _NOTED]
)
def test_the_change_that_gives_them_back_is_named(built: Any, saved: Path, change: str) -> None:
    noted = np.asarray(keras.ops.convert_to_numpy(_NOTED[change](built)))
    found = tracer.audit(saved, inputs=_X, expected=noted)
    [named] = gives(found)
    assert change in named
    [finding] = found.findings
    assert (finding.kind, finding.place) == ("not-as-expected", "(outputs)")
    assert f"they come back {named}" in finding.detail and not found.ok


def test_a_file_whose_state_is_stale_gives_them_after_finalize_state(built: Any, tmp_path: Path) -> None:
    built.save(tmp_path / "m.h5")
    np.savez(tmp_path / "in.npz", x=_X)
    np.savez(tmp_path / "out.npz", out=keras.ops.convert_to_numpy(built(_X)))
    found = tracer.audit(tmp_path / "m.h5", inputs=str(tmp_path / "in.npz"), expected=str(tmp_path / "out.npz"))
    assert gives(found) == ["after finalize_state() of every layer that derives state"]
    assert {finding.kind for finding in found.findings} == {"stale-state", "not-as-expected"}
    text = render_audit(found, width=200)
    assert "ok    tried" in text and "as it is loaded: relative L2 error" in text


def test_where_the_file_gives_them_nothing_else_is_tried(built: Any, saved: Path) -> None:
    found = tracer.audit(saved, inputs=_X, expected=[keras.ops.convert_to_numpy(built(_X))])
    assert found.ok and [(trial.change, trial.gives) for trial in found.trials] == [("as it is loaded", True)]
    assert json.loads(json.dumps(found.to_dict()))["trials"][0]["gives"] is True


@pytest.mark.slow
def test_where_no_change_gives_them_that_is_said(saved: Path) -> None:
    found = tracer.audit(saved, inputs=_X, expected=np.random.RandomState(3).normal(size=(16, 2)))
    assert gives(found) == [] and len(found.trials) == 9
    assert found.findings[0].detail.endswith("no change that was tried gives them back")
    found = tracer.audit(saved, inputs=_X, expected=np.ones((16, 3)))
    assert "other shapes than the expected (16, 3)" in found.findings[0].detail


def test_what_is_missing_is_said_before_the_model_is_loaded(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(SpecError, match="give these with --inputs"):
        tracer.audit(saved, expected=_X)
    with pytest.raises(SpecError, match="runs nothing on --inputs"):
        tracer.audit(saved, inputs=_X)
    np.save(tmp_path / "outputs.npy", _X)
    with pytest.raises(InputError, match=r"outputs\.npz' do not exist.*outputs\.npy"):
        tracer.audit(saved, inputs=_X, expected=str(tmp_path / "outputs.npz"))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="can't be read"):
        tracer.audit(saved, inputs=_X, expected=tmp_path / "bad.npz")


def test_predictions_are_read_in_the_order_of_the_file_and_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", b=np.ones(2), a=np.zeros(3))
    assert [array.shape for array in expected.load_expected(tmp_path / "two.npz")] == [(2,), (3,)]
    np.save(tmp_path / "one.npy", np.ones(2))
    assert len(expected.load_expected(str(tmp_path / "one.npy"))) == 1
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="can't be read"):
        expected.load_expected(tmp_path / "objects.npy")


# --- other releases


@pytest.mark.parametrize(
    "value", [[], np.zeros((0, 2)), np.array([[1.0, np.nan]]), np.array([np.inf]), np.array(["a", "b"])], ids=str
)
def test_what_anything_gives_back_is_no_expectation(value: Any) -> None:
    with pytest.raises(InputError, match="have to be finite numbers"):
        expected.load_expected(value)


def test_text_is_no_prediction_of_numbers() -> None:
    assert expected._error([np.array(["a"])], [np.array([1.0])]) == math.inf


def opened(_stack: Any) -> Any:
    raise ModelError("that environment can't be made")


def test_the_writer_is_tried_last_and_only_where_it_is_another() -> None:
    names = [change.name for change in expected.changes(opened, opened, None, "3.15.1")]
    assert [change.name for change in expected.changes(opened, opened, opened, "3.4.1")] == [
        *names,
        "in Keras 3.4.1, which wrote it",
    ]


def test_a_change_that_can_not_be_tried_says_why_and_the_model_itself_has_to_run() -> None:
    with pytest.raises(ModelError, match="can't be made"):
        expected.try_changes(expected.changes(opened, opened, opened, "3.4.1"), _X, (_X,))

    def here(_stack: Any) -> Any:
        from tracer.engine import host

        return host.from_model(keras.Sequential([keras.Input((4,)), layers.Dense(2)]))

    *others, last = expected.try_changes(expected.changes(here, here, opened, "3.4.1"), _X, (np.ones((16, 2)),))
    assert last == Trial(
        change="in Keras 3.4.1, which wrote it", error=None, gives=False, note="that environment can't be made"
    )
    assert all(trial.error is not None and math.isfinite(trial.error) for trial in others)


def test_layers_that_compute_otherwise_than_in_the_writer_are_findings() -> None:
    same = report(layer_report("a", Verdict.IDENTICAL))
    assert list(otherwise(same)) == []
    assert compared(same, "3.4.1") == "in Keras 3.4.1, which wrote it, and here: pass, 1 layer outputs compared."
    found = report(
        layer_report("x", Verdict.INTRODUCED, 0.5), status=Status.DIVERGED, faults=(fault("x"),), hidden=(fault("h"),)
    )
    assert [(f.kind, f.place) for f in otherwise(found)] == [("computes-otherwise", "x"), ("computes-otherwise", "h")]
    lost = report(layer_report("b", Verdict.INHERITED, 0.5), status=Status.DIVERGED, first_divergence="b")
    assert [f.place for f in otherwise(lost)] == ["b"]


def test_the_very_keras_that_wrote_it_is_not_asked_again(saved: Path) -> None:
    found = tracer.audit(saved, against_writer=True)
    assert found.ok and any("this very Keras" in note for note in found.notes)


def test_of_a_file_that_can_not_be_loaded_it_is_said_that_nothing_was_run(saved: Path, tmp_path: Path) -> None:
    def spoil(arrays: Any) -> None:
        del arrays["layers/dense/vars/0"]

    found = tracer.audit(edited(saved, tmp_path, weights=spoil), inputs=_X, expected=_X, against_writer=True)
    assert found.findings[0].kind == "load-refused" and not found.trials
    assert any("nothing was run" in note for note in found.notes)
