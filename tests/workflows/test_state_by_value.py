"""State that no file carries is named, whatever it is kept in, and equal state blames nobody."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

import tracer

layers = keras.layers
X = np.random.RandomState(0).normal(size=(4, 6)).astype("float32")


@dataclass
class Scaler:
    factor: float


class Locked:
    """Holds its number where nobody can read it."""

    def __init__(self, factor: float) -> None:
        self._lock, self._get = threading.Lock(), iter([]).__class__
        self.__dict__["hidden"] = (lock for lock in ())
        _HIDDEN[id(self)] = factor


_HIDDEN: dict[int, float] = {}


def multiply(x: Any, by: float) -> Any:
    return x * by


class Keeper(layers.Layer):
    """Multiplies by what it keeps."""

    def __init__(self, kept: Any, factor: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kept = kept
        self.get = factor

    def call(self, x: Any) -> Any:
        return x * self.get(self.kept)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


def around(layer: Any) -> Any:
    keras.utils.set_random_seed(1)
    i = keras.Input((6,), name="x")
    return keras.Model(i, layers.Dense(3, name="head")(layer(layers.Dense(8, activation="tanh", name="body")(i))))


def variable(value: float) -> Any:
    import tensorflow as tf

    return tf.Variable(value)


KINDS: dict[str, tuple[Callable[[float], Any], Callable[[Any], Any]]] = {
    "dataclass": (Scaler, lambda kept: kept.factor),
    "long list": (lambda v: [0.0] * 100 + [v], lambda kept: kept[100]),
    "long dict": (lambda v: {**{f"k{i}": 0.0 for i in range(100)}, "last": v}, lambda kept: kept["last"]),
    "partial": (lambda v: functools.partial(multiply, by=v), lambda kept: kept(1.0)),
    "bytes": (lambda v: bytes([int(v * 4)]), lambda kept: kept[0] / 4.0),
}
if keras.backend.backend() == "tensorflow":
    KINDS["variable"] = variable, lambda kept: kept


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_layer_keeps_and_no_file_carries_is_the_cause(kind: str) -> None:
    make, get = KINDS[kind]
    report = tracer.diff(around(Keeper(make(1.0), get, name="k")), around(Keeper(make(0.25), get, name="k")), X)
    [fault] = report.faults
    assert (fault.layer, fault.side) == ("k", "candidate")
    assert fault.cause in ("unsaved-state", "config")
    assert "kept" in {evidence.name for evidence in fault.evidence}
    assert all(e.reference != e.candidate or e.detail for e in fault.evidence)
    assert fault.proof is not None and fault.proof.holds


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_alike_blames_nobody(kind: str) -> None:
    make, get = KINDS[kind]
    report = tracer.diff(around(Keeper(make(0.25), get, name="k")), around(Keeper(make(0.25), get, name="k")), X)
    assert (report.status, report.faults, report.hidden) == ("pass", (), ())


def test_what_cant_be_read_is_named_and_is_no_other_code() -> None:
    def keeper(value: float) -> Any:
        return around(Keeper(Locked(value), lambda kept: _HIDDEN[id(kept)], name="k"))

    [fault] = tracer.diff(keeper(1.0), keeper(0.5), X).faults
    assert (fault.layer, fault.cause) == ("k", "unsaved-state")
    [told] = [evidence for evidence in fault.evidence if evidence.name == "kept"]
    assert "can't be read" in told.detail


def test_what_lies_outside_the_layer_is_unknown_and_no_other_code() -> None:
    class Global(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * _HIDDEN.get(hash(self.dtype_policy.name) * 0 + id(self), 1.0)

    reference, candidate = Global(name="g"), Global(name="g")
    _HIDDEN[id(candidate)] = 2.0
    [fault] = tracer.diff(around(reference), around(candidate), X).faults
    assert (fault.layer, fault.cause, fault.side) == ("g", "unknown", "unknown")


def test_an_activation_of_the_same_name_is_named_and_set_again() -> None:
    keras.utils.set_random_seed(1)
    i = keras.Input((6,), name="x")
    x = layers.Dense(8, activation=keras.ops.gelu, name="ff")(i)
    report = tracer.roundtrip(keras.Model(i, layers.Dense(2, name="head")(x)), X, same_process=True)
    [fault] = report.faults
    assert (fault.layer, fault.cause, fault.side) == ("ff", "unsaved-state", "candidate")
    assert [(e.name, e.reference, e.candidate) for e in fault.evidence] == [
        ("activation", "keras.ops.gelu", "keras.activations.gelu")
    ]
    assert fault.remedy is not None and "activation = keras.ops.gelu" in fault.remedy and "verified" in fault.remedy


def test_what_loading_adds_to_a_layer_is_no_evidence() -> None:
    """`is_awq_calibrated` is there once weights were loaded."""
    keras.utils.set_random_seed(1)
    i = keras.Input((6,), name="x")
    model = keras.Model(i, layers.Dense(2, name="head")(i))
    reloaded = tracer.roundtrip(model, X, same_process=True)
    assert (reloaded.status, reloaded.hidden) == ("pass", ())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="vocabularies are TensorFlow's")
def test_a_vocabulary_that_was_lost_is_set_again() -> None:
    words = np.array([["the", "cat"], ["sat", "mat"]])

    def model(vocabulary: list[str]) -> Any:
        keras.utils.set_random_seed(1)
        i = keras.Input((2,), dtype="string", name="words")
        x = layers.Embedding(16, 4, name="emb")(layers.StringLookup(vocabulary=vocabulary, name="lookup")(i))
        return keras.Model(i, layers.Dense(2, name="head")(layers.Flatten(name="flat")(x)))

    report = tracer.diff(model(["the", "cat", "sat", "mat"]), model(["the", "sat", "cat", "mat"]), words)
    [fault] = report.faults
    assert (fault.layer, fault.side) == ("lookup", "candidate")
    assert fault.remedy is not None and "set_vocabulary(" in fault.remedy and "verified" in fault.remedy
