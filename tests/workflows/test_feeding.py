"""What both sides are fed, through whole comparisons: all of it, told in the report, suspected where it doesn't fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.matrix.cells import Cell, CellTemplate
from tracer.errors import InputError, ModelError, SpecError
from tracer.report import render, render_table
from tracer.workflows import roundtrip_formats
from tracer.workflows.fixing import fix
from tracer.workflows.releases.cells import run_cell
from tracer.workflows.releases.matrix import cells_of
from tracer.workflows.releases.reproducing import command_of


def gated(weight: float) -> Any:
    """Only a positive sum of the inputs gets through the ReLU to the last layer, whose weight is given."""
    x = keras.Input((4,), name="x")
    hidden = layers.Dense(3, activation="relu", kernel_initializer="ones", use_bias=False, name="gate")(x)
    out = layers.Dense(2, kernel_initializer=keras.initializers.Constant(weight), name="out")(hidden)
    return keras.Model(x, layers.Concatenate(name="both")([out, layers.Dense(2, kernel_initializer="ones")(x)]))


@pytest.fixture
def rows() -> Any:
    """41 rows of which the tenth alone opens the gate."""
    found = -np.random.RandomState(0).uniform(0.5, 1.5, (41, 4))
    found[9] *= -1
    return found


# ---- nothing that is given is dropped


def test_a_fault_that_one_row_of_a_file_shows_is_found(rows: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", anything=rows)
    for inputs in (str(tmp_path / "rows.npz"), tmp_path / "rows.npz", rows, {"x": rows}):
        report = tracer.diff(gated(1.0), gated(1.1), inputs)
        assert (report.status, report.faults[0].layer, report.inputs.samples) == ("diverged", "out", 41)
    told = tracer.diff(gated(1.0), gated(1.1), str(tmp_path / "rows.npz"), batch=41).to_dict()["inputs"]
    assert told == {
        "origin": "file", "source": str(tmp_path / "rows.npz"), "samples": 41, "shapes": {"x": [41, 4]},
        "dtypes": {"x": "float32"}, "conversions": ["x was cast from float64 to float32."],
    }  # fmt: skip


def test_a_batch_beside_inputs_has_to_be_theirs(rows: Any, tmp_path: Path) -> None:
    model = gated(1.0)
    with pytest.raises(InputError, match=r"the inputs: 41 samples given, and --batch \(batch=\) asks for 2\."):
        tracer.diff(model, model, rows, batch=2)
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(InputError, match=r"rows\.npy: 41 samples given"):
        tracer.roundtrip(model, tmp_path / "rows.npy", batch=40, same_process=True)
    model.save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="41 samples given"):
        fix(str(tmp_path / "m.keras"), str(tmp_path / "f.keras"), as_loaded=True, inputs=rows, batch=2)


def test_a_batch_that_the_model_can_not_have_is_refused() -> None:
    x = keras.Input(batch_shape=(3, 4))
    model = keras.Model(x, layers.Dense(2)(x))
    assert tracer.diff(model, model).inputs.samples == 3
    with pytest.raises(InputError, match="the model takes 3 samples at once"):
        tracer.diff(model, model, batch=2)


def test_a_cell_takes_all_rows(rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a diff between releases: both sides here, in one."""
    np.savez(tmp_path / "rows.npz", x=rows)
    gated(1.0).save(tmp_path / "a.keras")
    gated(1.1).save(tmp_path / "b.keras")
    monkeypatch.setattr(Cell, "spec", property(lambda cell: cell.model))
    cell = Cell(
        model=str(tmp_path / "b.keras"), release=keras.__version__, backend=keras.backend.backend(),
        question=CellTemplate(baseline=str(tmp_path / "a.keras"), inputs=str(tmp_path / "rows.npz")),
    )  # fmt: skip
    answer = run_cell(cell.to_dict())
    assert (answer["outcome"], answer["inputs"]["samples"]) == ("diverged", 41)
    answer = run_cell({**cell.to_dict(), "batch": 2})
    assert answer["outcome"] == "failed" and "41 samples given" in answer["message"]


def test_a_command_that_reproduces_a_cell_asks_for_the_same() -> None:
    question = CellTemplate(inputs="rows.npz", training=None, batch=41, baseline="3.4.1")
    cell = next(cells_of("tracer.zoo:tiny_nested", "3.6.0", "tensorflow", question))
    asked = cell.question
    assert (asked.inputs, asked.batch, asked.training) == ("rows.npz", 41, None)
    command = command_of(cell)
    assert "--as-called --inputs rows.npz --batch 41" in command and "--training" not in command
    plain = next(cells_of("tracer.zoo:tiny_nested", "3.6.0", "tensorflow", CellTemplate(training=True)))
    command = command_of(plain)
    assert command.endswith("--format keras --training")


@pytest.mark.parametrize("asked", [{"command": "pytest -q"}, {"golden": "shipped"}])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"inputs": "x.npz"}, "--inputs"),
        ({"batch": 2}, "--batch"),
        ({"seed": 1}, "--seed"),
        ({"training": None}, "as-"),
    ],
)
def test_options_that_a_golden_or_a_command_would_ignore_are_refused(asked: Any, given: Any, says: str) -> None:
    with pytest.raises(SpecError, match=f"leave out .*{says}"):
        next(cells_of("EfficientNetB0", "3.6.0", "tensorflow", CellTemplate(**asked, **given)))


# ---- it is told


def test_every_format_says_what_was_fed(rows: Any) -> None:
    reports = roundtrip_formats(gated(1.0), ["keras", "savedmodel"], rows, same_process=True)
    for name in ("keras", "savedmodel"):
        report = reports[name]
        assert isinstance(report, tracer.Report) and report.inputs is not None
        assert (report.inputs.origin, report.inputs.samples) == ("given", 41)
        line = "  inputs      given as arrays: 41 samples, x (41, 4) float32."
        assert line in render(report) and line in render_table(reports)


def test_seeded_inputs_are_told() -> None:
    told = tracer.diff(gated(1.0), gated(1.0), seed=3, batch=5).inputs
    assert (told.origin, told.source, told.samples, told.conversions) == ("seeded", "seed 3", 5, ())


def test_tensors_of_the_backend_are_inputs(rows: Any) -> None:
    tensor = keras.ops.convert_to_tensor(rows.astype("float32"))
    report = tracer.diff(gated(1.0), gated(1.1), [tensor])
    assert (report.status, report.inputs.samples) == ("diverged", 41)


def test_a_check_says_what_was_fed(rows: Any, tmp_path: Path) -> None:
    from tracer.workflows.regression import record_live

    model, values = gated(1.0), rows.astype("float32")
    record_live(model, values, tmp_path / "g.safetensors")
    kept, given = (tracer.check(model, tmp_path / "g.safetensors", inputs).inputs for inputs in (None, values))
    assert (kept.origin, kept.source, kept.samples) == ("file", str(tmp_path / "g.safetensors"), 41)
    assert (given.origin, given.samples) == ("given", 41)


# ---- lengths


class Positions(layers.Layer):
    """A table of positions that is cut to the sequence, or fits it alone."""

    def __init__(self, steps: int, exact: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps, self.exact = steps, exact

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(self.steps, shape[-1]), name="table")

    def call(self, x: Any) -> Any:
        return x if x.shape[1] is None else x + (self.table if self.exact else self.table[: x.shape[1]])

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


class Named(Positions):
    """One that says how long sequences may be, as KerasHub's do."""

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(steps, **kwargs)
        self.sequence_length = steps


class Tutorial(layers.Layer):
    """Tokens and positions as tutorials have them: the length is in the embedding alone."""

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token_emb, self.pos_emb = layers.Embedding(30, 4), layers.Embedding(steps, 4)

    def call(self, x: Any) -> Any:
        return self.token_emb(x) + self.pos_emb(keras.ops.arange(keras.ops.shape(x)[-1]))


def open_sequence(layer: Any, features: bool = True) -> Any:
    ids = keras.Input((None,), dtype="int32", name="ids")
    y = layer(layers.Embedding(30, 4)(ids) if features else ids)
    return keras.Model(ids, layers.Dense(2)(y))


@pytest.mark.parametrize(
    ("make", "length", "says"),
    [
        (lambda: open_sequence(Positions(12)), 12, "the model fails on the usual length"),
        (lambda: open_sequence(Positions(12, exact=True)), 12, "the model fails on the usual length"),
        (lambda: open_sequence(Named(12, name="pos")), 12, "layer 'pos' is made for so many steps"),
        (lambda: open_sequence(Named(100, exact=True, name="pos")), 100, "layer 'pos' is made for so many steps"),
        (lambda: open_sequence(Named(100)), 16, ""),
        (lambda: open_sequence(Tutorial(12), features=False), 12, "is made for so many steps"),
        (lambda: open_sequence(layers.LSTM(3)), 16, ""),
    ],
    ids=["cut", "exact", "named", "named-exact", "long", "tutorial", "none"],
)
def test_seeded_sequences_are_as_long_as_the_model_allows(make: Any, length: int, says: str) -> None:
    model = make()
    report = tracer.diff(model, model)
    assert report.matches and report.inputs.shapes["ids"] == (2, length)
    assert len(report.inputs.conversions) == bool(says) and says in "".join(report.inputs.conversions)


def test_trying_lengths_leaves_no_trace() -> None:
    drop = layers.Dropout(0.5, seed=1)
    model = open_sequence(Positions(12))
    model = keras.Model(model.input, layers.BatchNormalization()(drop(model.output), training=True))
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    tracer.diff(model, model)
    after = [keras.ops.convert_to_numpy(v) for v in model.variables]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


# ---- a reference that fails


def test_where_both_sides_fail_the_inputs_are_suspected() -> None:
    reference, candidate = open_sequence(Positions(12)), open_sequence(Positions(12))
    with pytest.raises(ModelError) as caught:
        tracer.diff(reference, candidate, np.ones((2, 16), "int32"))
    said = str(caught.value)
    assert "The reference itself fails on these inputs, so this says nothing about" in said
    # One that fails too isn't acquitted by it; which releases ran is said, since they may be the reason.
    assert ", which fails on them too: Functional" in said
    assert f"The reference ran with Keras {keras.__version__}, the candidate with {keras.__version__}." in said
    assert "they are given: ids (2, 16) int32. Give others with --inputs FILE.npz (inputs=)." in said


def test_where_the_reference_alone_fails_they_are_too() -> None:
    with pytest.raises(ModelError, match="The reference itself fails on these inputs") as caught:
        tracer.diff(open_sequence(Positions(12)), open_sequence(Positions(20)), np.ones((2, 16), "int32"))
    assert "fails on them too" not in str(caught.value)


def test_where_the_candidate_alone_fails_its_layer_is_blamed() -> None:
    sides = open_sequence(Positions(20, name="pos")), open_sequence(Positions(12, name="pos"))
    report = tracer.diff(*sides, np.ones((2, 16), "int32"))
    assert report.status == "diverged" and "pos" in [fault.layer for fault in report.faults]
