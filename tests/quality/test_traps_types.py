"""Traps of types: text, whole numbers, truth values, sparse tensors, half precision."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from plant_models import fill, numbers
from plants import blamed, causes, copy_of, recoded_instance, scaled, words

import tracer

pytestmark = pytest.mark.quality


def _text(vocabulary: list[str], **options: Any) -> Any:
    i = keras.Input((3,), dtype="string", name="words")
    ids = layers.StringLookup(vocabulary=vocabulary, name="lookup", **options)(i)
    x = layers.Flatten(name="flat")(layers.Embedding(6, 4, name="embedding")(ids))
    return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="m"))


_WORDS = np.array([["a", "b", "c"], ["c", "z", "a"]])


def test_equal_vocabularies_pass() -> None:
    report = tracer.diff(_text(["a", "b", "c"]), _text(["a", "b", "c"]), _WORDS)
    assert (report.status, report.faults) == ("pass", ())


def test_another_vocabulary_is_blamed_on_the_lookup() -> None:
    report = tracer.diff(_text(["a", "b", "c"]), _text(["b", "a", "c"]), _WORDS)
    assert blamed(report) == ("lookup",)
    assert report.faults[0].cause in ("config", "unsaved-state")
    assert "vocabulary" in words(report.faults[0])


@pytest.mark.parametrize("kind", [layers.StringLookup, layers.TextVectorization])
def test_another_adapted_vocabulary_is_unsaved_state_of_the_layer_and_is_shown(kind: Any) -> None:
    """It is kept in a table, neither weight nor configuration."""

    def build(texts: list[str]) -> Any:
        i = keras.Input((1,), dtype="string", name="words")
        layer = kind(name="adapted")
        layer.adapt(texts)
        return keras.Model(i, layer(i), name="m")

    x = np.array([["ant"], ["bee"], ["cow"]])
    assert tracer.diff(build(["ant", "bee", "bee"]), build(["ant", "bee", "bee"]), x).status == "pass"
    report = tracer.diff(build(["ant", "bee", "bee"]), build(["ant", "ant", "bee"]), x)
    assert causes(report) == [("adapted", "unsaved-state")]
    assert "vocabulary" in words(report.faults[0])


def test_inputs_without_samples_are_no_match() -> None:
    reference, candidate = _half("float32"), _half("float32")
    try:
        assert not tracer.diff(reference, candidate, numbers(0, 16)).matches
    except tracer.TracerError as error:
        assert "sample" in str(error)


def test_strings_that_come_out_are_compared() -> None:
    def build(vocabulary: list[str]) -> Any:
        i = keras.Input((3,), dtype="int64", name="ids")
        return keras.Model(i, layers.StringLookup(vocabulary=vocabulary, invert=True, name="lookup")(i), name="m")

    ids = np.array([[1, 2, 3]])
    assert tracer.diff(build(["a", "b", "c"]), build(["a", "b", "c"]), ids).status == "pass"
    assert blamed(tracer.diff(build(["a", "b", "c"]), build(["a", "x", "c"]), ids)) == ("lookup",)


def test_other_bins_are_blamed_on_the_discretization() -> None:
    def build(edges: list[float]) -> Any:
        i = keras.Input((4,), name="x")
        return keras.Model(i, layers.Discretization(bin_boundaries=edges, name="bins")(i), name="m")

    x = np.linspace(-2, 2, 12, dtype="float32").reshape(3, 4)
    assert causes(tracer.diff(build([-1.0, 0.0, 1.0]), build([-1.0, 0.3, 1.0]), x)) == [("bins", "config")]


@pytest.mark.parametrize("change", [{"num_bins": 7}, {"salt": 5}])
def test_another_hash_is_blamed_on_the_hashing(change: dict[str, Any]) -> None:
    def build(**options: Any) -> Any:
        i = keras.Input((3,), dtype="string", name="words")
        return keras.Model(i, layers.Hashing(**{"num_bins": 50, **options}, name="hash")(i), name="m")

    words_in = np.array([["ant", "bee", "cat"], ["dog", "eel", "fox"]])
    assert causes(tracer.diff(build(), build(**change), words_in)) == [("hash", "config")]


def test_truth_values_and_whole_numbers_allow_no_difference() -> None:
    def build(edge: float) -> Any:
        i = keras.Input((6,), name="x")
        x = layers.Dense(6, name="a")(i)
        return fill(keras.Model(i, {"big": x > edge, "best": ops.argmax(x, axis=-1)}, name="m"))

    assert tracer.diff(build(0.0), build(0.0), numbers(32, 6)).status == "pass"
    report = tracer.diff(build(0.0), build(0.05), numbers(32, 6))
    assert [fault.class_name for fault in report.faults] == ["Greater"]


def _encoded(sparse: bool) -> Any:
    i = keras.Input((3,), dtype="int32", name="ids")
    x = layers.CategoryEncoding(num_tokens=8, output_mode="multi_hot", sparse=sparse, name="encode")(i)
    return fill(keras.Model(i, layers.Dense(2, name="head")(x), name="m"))


def test_a_sparse_output_against_a_dense_one_is_a_configuration_fault() -> None:
    report = tracer.diff(_encoded(True), _encoded(False), np.array([[1, 2, 3], [0, 5, 7]], "int32"))
    assert causes(report) == [("encode", "config")]
    assert "sparse against dense" in words(report.faults[0])


def test_sparse_outputs_on_both_sides_pass_and_a_fault_behind_them_is_found() -> None:
    ids = np.array([[1, 2, 3], [0, 5, 7]], "int32")
    reference, candidate = _encoded(True), _encoded(True)
    assert tracer.diff(reference, candidate, ids).status == "pass"
    with scaled("head")(candidate):
        assert causes(tracer.diff(reference, candidate, ids)) == [("head", "weights")]


def _half(dtype: str) -> Any:
    i = keras.Input((16,), dtype=dtype, name="x")
    x = layers.Dense(16, activation="tanh", dtype=dtype, name="a")(i)
    x = layers.LayerNormalization(dtype=dtype, name="norm")(x)
    return fill(keras.Model(i, layers.Dense(4, dtype=dtype, name="b")(x), name="m"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_inputs_stay_half_when_a_layer_is_called_again(dtype: str) -> None:
    reference, candidate = _half(dtype), _half(dtype)
    x = ops.convert_to_numpy(ops.cast(numbers(8, 16), dtype))
    assert tracer.diff(reference, candidate, x).status == "pass"
    with scaled("a", 1.1)(candidate):
        report = tracer.diff(reference, candidate, x)
    assert causes(report) == [("a", "weights")]
    replayed = {layer.layer: layer.local_error for layer in report.layers}
    assert (replayed["norm"], replayed["b"]) == (0.0, 0.0)
    assert {layer.dtype for layer in report.layers} == {dtype}


def test_float64_models_are_held_to_float64() -> None:
    reference = _half("float64")
    candidate = copy_of(reference)
    with scaled("b", 1 + 1e-8)(candidate):
        report = tracer.diff(reference, candidate, numbers(8, 16).astype("float64"))
    assert causes(report) == [("b", "weights")]


def test_autocast_that_was_lost_is_a_dtype_policy_fault() -> None:
    def build(autocast: bool) -> Any:
        i = keras.Input((16,), dtype="float32", name="x")
        x = layers.Dense(16, dtype="mixed_float16", name="a")(i)
        y = layers.Softmax(dtype="mixed_float16", autocast=autocast, name="soft")(layers.Rescaling(1.0, name="wide")(x))
        return fill(keras.Model(i, layers.Dense(2, name="head")(y), name="m"))

    report = tracer.diff(build(False), build(True), numbers(8, 16))
    assert causes(report) == [("soft", "dtype-policy")]
    assert "autocast" in words(report.faults[0])


def test_several_outputs_of_one_layer_are_compared_one_by_one() -> None:
    def build() -> Any:
        i = keras.Input((5, 4), name="x")
        sequence, hidden, cell = layers.LSTM(6, return_sequences=True, return_state=True, name="lstm")(i)
        return fill(keras.Model(i, [sequence, layers.Concatenate(name="cat")([hidden, cell])], name="m"))

    reference, candidate = build(), build()
    with recoded_outputs(candidate):
        report = tracer.diff(reference, candidate, numbers(3, 5, 4))
    found = {layer.layer: str(layer.verdict) for layer in report.layers}
    assert found == {"lstm": "identical", "lstm:1": "identical", "lstm:2": "introduced", "cat": "inherited"}
    assert causes(report) == [("lstm", "implementation")]


def recoded_outputs(model: Any) -> Any:
    """Only the last output of the recurrent layer is wrong."""

    class Last(float):
        def __rmul__(self, outputs: Any) -> Any:
            return [*outputs[:-1], outputs[-1] * 1.01]

    return recoded_instance("lstm", Last(1.0))(model)
