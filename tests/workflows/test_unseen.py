"""Models that aren't the same on inputs that don't show it: found, told in the first line, and nobody else accused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import Report
from tracer.core.matrix import Cell, Kind, answer
from tracer.report.text import render
from tracer.workflows.regression import record_live

_Pair = tuple[Any, Any, Any]
_ROWS = np.ones((2, 4), "float32")


def clone(model: Any) -> Any:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def change(layer: Any, variable: int, edit: Callable[[Any], Any]) -> None:
    """Writes other values into one variable of a layer."""
    held = layer.weights[variable]
    held.assign(edit(keras.ops.convert_to_numpy(held)))


def one_element(value: Any, by: float = 1e-3) -> Any:
    value = np.array(value)
    value.reshape(-1)[-1] += by
    return value


def embedding() -> _Pair:
    ids = keras.Input((4,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(50, 8, name="emb")(ids))
    model = keras.Model(ids, layers.Dense(3, name="head")(x))
    other = clone(model)
    change(other.get_layer("emb"), 0, lambda w: np.concatenate([w[:10], w[10:] + 1]))
    return model, other, np.array([[0, 1, 2, 3]], "int32")


def dead(build: Callable[[], Any]) -> tuple[Any, Any]:
    """A model whose input is multiplied by zero on the way to `build()`, and a clone of it."""
    inputs = keras.Input((4,))
    x = build()(layers.Rescaling(0.0, name="nothing")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    return model, clone(model)


def behind_dead_units() -> _Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer", activation="relu"))
    change(other.get_layer("layer"), 0, lambda w: w * 7)
    return model, other, _ROWS


def one_changed() -> _Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    change(other.get_layer("layer"), 0, one_element)
    return model, other, _ROWS


def nested() -> _Pair:
    def block() -> Any:
        inside = keras.Input((4,))
        return keras.Model(inside, layers.Dense(4, name="dense")(inside), name="layer")

    model, other = dead(block)
    change(other.get_layer("layer").get_layer("dense"), 0, one_element)
    return model, other, _ROWS


def shared() -> _Pair:
    x = inputs = keras.Input((4,))
    layer = layers.Dense(4, name="layer")
    x = layer(layer(layers.Rescaling(0.0)(x)))
    model = keras.Model(inputs, x)
    other = clone(model)
    change(other.get_layer("layer"), 0, one_element)
    return model, other, _ROWS


class Branching(keras.Model):
    """Calls one layer of two, and has a variable of its own."""

    def __init__(self) -> None:
        super().__init__(name="branching")
        self.used = layers.Dense(2, name="used")
        self.spare = layers.Dense(2, name="spare")
        self.spare.build((None, 4))
        self.own = self.add_weight(shape=(3,), initializer="ones", name="own")

    def call(self, x: Any) -> Any:
        return self.used(x)


def subclassed(edit: Callable[[Any], None]) -> _Pair:
    model, other = Branching(), Branching()
    for one in (model, other):
        one(_ROWS)
    other.set_weights(model.get_weights())
    edit(other)
    return model, other, _ROWS


def never_called() -> _Pair:
    return subclassed(lambda model: change(model.spare, 0, one_element))


def of_the_model_itself() -> _Pair:
    return subclassed(lambda model: model.own.assign(2 * np.ones(3)))


class Tied(layers.Layer):
    """Holds the kernel of another layer as its own."""

    def __init__(self, other: Any, **named: Any) -> None:
        super().__init__(**named)
        self.kernel = other.kernel

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, self.kernel)

    def get_config(self) -> dict[str, Any]:
        raise KeyError("broken, as a user's own code may be")


def tied() -> _Pair:
    def build() -> Any:
        inputs = keras.Input((4,))
        layer = layers.Dense(4, name="layer")
        x = layer(layers.Rescaling(0.0)(inputs))
        return keras.Model(inputs, Tied(layer, name="tied")(x))

    model, other = build(), build()
    other.set_weights(model.get_weights())
    change(other.get_layer("layer"), 0, one_element)
    return model, other, _ROWS


def moving_statistics() -> _Pair:
    model, other = dead(lambda: layers.BatchNormalization(name="layer", scale=False))
    change(other.get_layer("layer"), 2, lambda w: w * 1.01)
    return model, other, _ROWS


def with_an_adapter() -> _Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    for one in (model, other):
        one.get_layer("layer").enable_lora(2)
    for number in (2, 3):
        change(other.get_layer("layer"), number, lambda w: w + 1)
    return model, other, _ROWS


def quantized() -> _Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    for one in (model, other):
        one.get_layer("layer").quantize("int8")
    names = [variable.name for variable in other.get_layer("layer").weights]
    change(other.get_layer("layer"), names.index("kernel"), lambda w: w // 2)
    return model, other, _ROWS


def in_half_precision() -> _Pair:
    model, other = dead(lambda: layers.Dense(4, name="layer", dtype="float16"))
    change(other.get_layer("layer"), 0, lambda w: one_element(w, 1e-2))
    return model, other, _ROWS


_DIFFERENT = {
    "embedding rows": (embedding, "emb"),
    "dead units": (behind_dead_units, "layer"),
    "one element": (one_changed, "layer"),
    "nested": (nested, "layer/dense"),
    "shared": (shared, "layer"),
    "tied": (tied, "layer"),
    "never called": (never_called, "spare"),
    "of the model itself": (of_the_model_itself, "branching"),
    "moving statistics": (moving_statistics, "layer"),
    "adapter": (with_an_adapter, "layer"),
    "quantized": (quantized, "layer"),
    "float16": (in_half_precision, "layer"),
}


@pytest.mark.parametrize("kind", _DIFFERENT)
def test_other_weights_are_found_though_the_outputs_agree(kind: str) -> None:
    build, layer = _DIFFERENT[kind]
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
    cell = Cell(kind=Kind.DIFF, model="m", release="3.15.1", backend="tensorflow", baseline="m@3.15.1")
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
    report = tracer.diff(model, other, _ROWS)
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


def dropouts(rate: float = 0.1) -> _Pair:
    def build(rate: float) -> Any:
        inputs = keras.Input((4,))
        return keras.Model(inputs, layers.Dense(2, name="out")(layers.Dropout(rate, name="drop")(inputs)))

    model, other = build(0.5), build(rate)
    other.set_weights(model.get_weights())
    return model, other, _ROWS


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
    report = tracer.diff(model, half, _ROWS)
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
    report = tracer.diff(model, other, _ROWS)
    assert [(fault.layer, str(fault.cause)) for fault in report.hidden] == [("norm", "unsaved-state")]
    assert report.matches


# --- nothing to tell


def test_rounding_is_no_difference() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    change(other.get_layer("layer"), 0, lambda w: w + np.float32(1e-8))
    change(other.get_layer("out"), 0, lambda w: w * np.float32(1 + 1e-7))
    report = tracer.diff(model, other, _ROWS)
    assert (report.hidden, report.matches) == ((), True)


def test_a_merged_adapter_is_the_same_kernel() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    layer = model.get_layer("layer")
    layer.enable_lora(2)
    for variable in layer.weights[-2:]:
        variable.assign(np.random.RandomState(0).normal(size=variable.shape))
    other.get_layer("layer").set_weights([keras.ops.convert_to_numpy(value) for value in (layer.kernel, layer.bias)])
    report = tracer.diff(model, other, _ROWS)
    assert not [fault for fault in report.hidden if fault.cause == "weights"]


def test_a_run_that_changes_its_model_is_compared_as_it_rests() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)])
    other = clone(model)
    report = tracer.diff(model, other, np.arange(8, dtype="float32").reshape(2, 4), training=True)
    assert report.hidden == ()


def test_what_training_keeps_for_itself_is_no_weight() -> None:
    model, other = dead(lambda: layers.Dense(4, name="layer"))
    model.compile("adam", "mse", metrics=["mae"])
    model.evaluate(_ROWS, np.ones((2, 2)), verbose=0)
    assert tracer.diff(model, other, _ROWS).hidden == ()


# --- through a worker


@pytest.fixture(scope="module")
def reloaded() -> dict[str, Report]:
    """A model with an int8 layer, an adapter and statistics, reloaded in a fresh process."""
    x = inputs = keras.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(4, name="int8")(x))
    model = keras.Model(inputs, layers.Dense(2, name="lora")(layers.Dropout(0.5)(x)))
    model.get_layer("int8").quantize("int8")
    model.get_layer("lora").enable_lora(2)
    return {format: tracer.roundtrip(model, _ROWS, format=format) for format in ("keras",)}


def test_an_innocent_round_trip_says_nothing(reloaded: dict[str, Report]) -> None:
    assert [(report.status, report.hidden) for report in reloaded.values()] == [("pass", ())]


def test_weights_that_dont_come_back_are_found_through_a_worker() -> None:
    model = Forgetful.model()
    report = tracer.roundtrip(model, _ROWS, custom_objects=[__name__])
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
