"""Models that aren't the same on inputs that don't show it: found, told in the first line, and nobody else accused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from unseen_pairs import DIFFERENT, ROWS, Pair, change, clone, dead, embedding

import tracer
from tracer import Report
from tracer.core.matrix.cells import Cell, CellTemplate, answer
from tracer.report.text import render
from tracer.workflows.regression import record_live


@pytest.mark.parametrize("kind", DIFFERENT)
def test_other_weights_are_found_though_the_outputs_agree(kind: str) -> None:
    build, layer = DIFFERENT[kind]
    report = tracer.diff(*build())
    [fault] = report.hidden
    assert (fault.layer, str(fault.cause), str(fault.side)) == (layer, "weights", "candidate")
    assert (report.status, report.matches, report.faults) == ("diverged", False, ())
    assert {str(row.verdict) for row in report.layers} <= {"identical", "close"}
    assert fault.evidence[0].kind == "weight"


def test_the_first_line_and_the_exception_say_that_these_inputs_dont_show_it() -> None:
    report = tracer.diff(*embedding())
    first, _, rest = render(report).partition("\n")
    assert first == "DIVERGED: the outputs agree on these inputs, but the weights of 1 layer differ: emb"
    assert "weight embeddings: 320 of 400 elements differ by more than rounding" in rest
    with pytest.raises(tracer.DivergenceError, match=r"emb \(Embedding\), cause weights, these inputs don't show it"):
        report.raise_for_divergence()


def test_it_survives_json_and_is_what_a_matrix_shows() -> None:
    report = tracer.diff(*embedding())
    assert Report.from_dict(report.to_dict()).hidden == report.hidden
    cell = Cell(model="m", release="3.15.1", backend="tensorflow", question=CellTemplate(baseline="m@3.15.1"))
    told = answer(cell, report, 1.0)
    assert [(fault["layer"], fault["cause"]) for fault in told.faults] == [("emb", "weights")]


def test_what_is_blamed_isnt_told_twice_and_what_isnt_comes_after_it() -> None:
    def build() -> Any:
        x = inputs = keras.Input((4,))
        x = layers.Dense(4, name="seen")(x)
        return keras.Model(inputs, layers.Dense(2, name="unseen")(layers.Rescaling(0.0)(x)))

    model = build()
    other = clone(model)
    for name in ("seen", "unseen"):
        change(other.get_layer(name), 0, lambda w: w + 1)
    report = tracer.diff(model, other, ROWS)
    assert [fault.layer for fault in report.faults] == ["seen"]
    assert [fault.layer for fault in report.hidden] == ["unseen"]
    assert "the weights of 1 more layer differ: unseen" in render(report).partition("\n")[0]


def test_the_cell_of_a_blamed_recurrent_layer_isnt_told_twice() -> None:
    model = keras.Sequential([keras.Input((3, 4)), layers.LSTM(3, name="lstm"), layers.Dense(2)])
    other = clone(model)
    change(other.get_layer("lstm"), 0, lambda w: w + 1)
    report = tracer.diff(model, other, np.ones((2, 3, 4), "float32"))
    assert [fault.layer for fault in report.faults] == ["lstm"]
    assert report.hidden == ()


# --- settings: told, and a failure only where that was asked for


def dropouts(rate: float = 0.1) -> Pair:
    def build(rate: float) -> Any:
        inputs = keras.Input((4,))
        return keras.Model(inputs, layers.Dense(2, name="out")(layers.Dropout(rate, name="drop")(inputs)))

    model, other = build(0.5), build(rate)
    other.set_weights(model.get_weights())
    return model, other, ROWS


def test_a_setting_without_effect_is_told_and_passes() -> None:
    report = tracer.diff(*dropouts())
    [fault] = report.hidden
    assert (fault.layer, str(fault.cause)) == ("drop", "config")
    assert [(e.name, e.reference, e.candidate) for e in fault.evidence] == [("rate", "0.5", "0.1")]
    assert (report.status, report.matches) == ("pass", True)
    assert "drop (Dropout)" in render(report)


def test_strict_makes_it_a_failure() -> None:
    report = tracer.diff(*dropouts(), strict=True)
    assert (report.status, report.matches) == ("diverged", False)
    first = render(report).partition("\n")[0]
    assert first == "DIVERGED: the outputs agree on these inputs, but 1 layer is set otherwise: drop"
    assert tracer.diff(*dropouts(0.5), strict=True).matches


def test_another_policy_is_one_and_rounded_weights_are_none() -> None:
    model, _ = dead(lambda: layers.Dense(4, name="layer"))
    half, _ = dead(lambda: layers.Dense(4, name="layer", dtype="float16"))
    half.set_weights(model.get_weights())
    report = tracer.diff(model, half, ROWS)
    told = {fault.layer: str(fault.cause) for fault in report.hidden}
    assert told.get("layer", "dtype-policy") == "dtype-policy"
    assert "layer" in told or any(fault.layer == "layer" for fault in report.faults)


def test_statistics_of_a_normalization_are_state() -> None:
    def build() -> Any:
        inputs = keras.Input((4,))
        norm = layers.Normalization(name="norm")
        norm.adapt(np.arange(40.0, dtype="float32").reshape(10, 4))
        return keras.Model(inputs, layers.Rescaling(0.0)(norm(inputs)))

    model, other = build(), build()
    change(other.get_layer("norm"), 0, lambda w: w + 1)
    report = tracer.diff(model, other, ROWS)
    assert [(fault.layer, str(fault.cause)) for fault in report.hidden] == [("norm", "unsaved-state")]
    assert report.status == "inconclusive"  # its outputs are the same whatever goes in


# --- nothing to tell


def test_rounding_is_no_difference() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    change(other.get_layer("layer"), 0, lambda w: w + np.float32(1e-8))
    change(other.get_layer("out"), 0, lambda w: w * np.float32(1 + 1e-7))
    report = tracer.diff(model, other, ROWS)
    assert (report.hidden, report.status) == ((), "inconclusive")  # a dead signal, and nothing else to tell


def test_a_merged_adapter_is_the_same_kernel() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    layer = model.get_layer("layer")
    layer.enable_lora(2)
    for variable in layer.weights[-2:]:
        variable.assign(np.random.RandomState(0).normal(size=variable.shape))
    other.get_layer("layer").set_weights([keras.ops.convert_to_numpy(value) for value in (layer.kernel, layer.bias)])
    report = tracer.diff(model, other, ROWS)
    assert not [fault for fault in report.hidden if fault.cause == "weights"]


def test_a_run_that_changes_its_model_is_compared_as_it_rests() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)])
    other = clone(model)
    report = tracer.diff(model, other, np.arange(8, dtype="float32").reshape(2, 4), training=True)
    assert report.hidden == ()


def test_what_training_keeps_for_itself_is_no_weight() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    model.compile("adam", "mse", metrics=["mae"])
    model.evaluate(ROWS, np.ones((2, 2)), verbose=0)
    assert tracer.diff(model, other, ROWS).hidden == ()


# --- through a worker


@pytest.fixture(scope="module")
def reloaded() -> dict[str, Report]:
    """A model with an int8 layer, an adapter and statistics, reloaded in a fresh process."""
    x = inputs = keras.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(4, name="int8")(x))
    model = keras.Model(inputs, layers.Dense(2, name="lora")(layers.Dropout(0.5)(x)))
    model.get_layer("int8").quantize("int8")
    model.get_layer("lora").enable_lora(2)
    return {format: tracer.roundtrip(model, ROWS, format=format) for format in ("keras",)}


def test_an_innocent_round_trip_says_nothing(reloaded: dict[str, Report]) -> None:
    assert [(report.status, report.hidden) for report in reloaded.values()] == [("pass", ())]


def test_weights_that_dont_come_back_are_found_through_a_worker() -> None:
    model = Forgetful.model()
    report = tracer.roundtrip(model, ROWS, custom_objects=[__name__])
    [fault] = report.hidden
    assert (fault.layer, str(fault.cause), report.status) == ("forgetful", "weights", "diverged")
    assert "1 of 3 elements" in fault.evidence[0].detail
    assert (fault.evidence[0].reference, fault.evidence[0].candidate) == ("5", "1")


@keras.saving.register_keras_serializable("tests.unseen")
class Forgetful(layers.Layer):
    """Writes one number of its weight otherwise than it holds it, and doesn't use it."""

    def build(self, _shape: Any) -> None:
        self.table = self.add_weight(shape=(3,), initializer="ones", name="table")

    def call(self, x: Any) -> Any:
        return x

    def save_own_variables(self, store: Any) -> None:
        store["0"] = np.ones(3, "float32")

    @staticmethod
    def model() -> Any:
        model = keras.Sequential([keras.Input((4,)), Forgetful(name="forgetful"), layers.Dense(2)])
        model.layers[0].table.assign([1.0, 5.0, 1.0])
        return model


# --- goldens


def test_a_golden_tells_of_other_weights_too(tmp_path: Path) -> None:
    model, other, ids = embedding()
    path = tmp_path / "golden.safetensors"
    record_live(model, ids, path)
    assert tracer.check(model, path).hidden == ()
    report = tracer.check(other, path)
    assert [(fault.layer, str(fault.cause)) for fault in report.hidden] == [("emb", "weights")]
    assert (report.status, report.faults) == ("diverged", ())


def test_a_golden_tells_of_other_settings_and_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    model, other, rows = dropouts()
    path = tmp_path / "golden.safetensors"
    record_live(model, rows, path)
    report = tracer.check(other, path)
    assert [(fault.layer, str(fault.cause)) for fault in report.hidden] == [("drop", "config")]
    assert report.matches
    assert tracer.check(other, path, strict=True).status == "diverged"
