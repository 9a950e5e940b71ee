"""`tracer.engine.layer.values`: what attributes hold is read by value, and what can't be is named."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.source import Function
from tracer.engine.layer.values import ElsewhereError, UnreadableError, brief, code_of, find_function, read


@dataclass
class Scaler:
    mean: float
    steps: tuple[int, ...] = (1, 2)


class Plain:
    def __init__(self, factor: float) -> None:
        self.factor = factor


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor


def scaled(factor: float) -> Any:
    return lambda x: x * factor


def power(x: float, by: float) -> float:
    return x**by


PAIRS = {
    "object": lambda v: Plain(v),
    "slots": lambda v: Slotted(v),
    "dataclass": lambda v: Scaler(v),
    "partial": lambda v: functools.partial(power, by=v),
    "closure": lambda v: scaled(v),
    "long list": lambda v: [*range(500), v],
    "long dict": lambda v: {**{str(i): i for i in range(500)}, "last": v},
    "bytes": lambda v: bytes([int(v)] * 100),
    "objects in a list": lambda v: [Plain(v), Scaler(1.0)],
    "keras variable": lambda v: keras.Variable(v),
    "set": lambda v: {v, 7.0},
    "array of objects": lambda v: np.array([v, None], dtype=object),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_equal_values_are_read_alike_and_others_are_not(kind: str) -> None:
    one, same, other = (brief(read(PAIRS[kind](v))) for v in (2.0, 2.0, 3.0))
    assert one == same
    assert one != other


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="what only TensorFlow has")
def test_what_tensorflow_keeps_is_read_by_value() -> None:
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.v = tf.Variable(value)

    def table(value: float) -> Any:
        keys = tf.lookup.KeyValueTensorInitializer(tf.constant(["b", "a"]), tf.constant([value, 1.0]))
        return tf.lookup.StaticHashTable(keys, -1.0)

    assert read(tf.Variable(0.25)) == np.float32(0.25)
    for make in (Module, table):
        one, same, other = (brief(read(make(v))) for v in (2.0, 2.0, 3.0))
        assert one == same != other, make
    graph = tf.function(scaled(2.0))
    assert brief(read(graph)) == brief(read(scaled(2.0))) != brief(read(scaled(3.0)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="what only TensorFlow has")
def test_a_table_that_nothing_was_put_in_yet_cant_be_read() -> None:
    import tensorflow as tf

    keys = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    with tf.init_scope():
        table = tf.lookup.StaticHashTable(keys, -1)
    assert isinstance(read(table), dict)
    layer = keras.layers.TextVectorization()
    with pytest.raises(UnreadableError, match="HashTable"):
        read(layer._lookup_layer.lookup_table)


def test_what_cant_be_read_says_what_it_is() -> None:
    with pytest.raises(UnreadableError, match="lock"):
        read(threading.Lock())
    with pytest.raises(UnreadableError):
        read(list(range(1 << 18)))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnreadableError, match="list"):
        read(endless)


@pytest.mark.parametrize("value", [keras.layers.Dense(2), keras.initializers.Zeros(), [keras.layers.ReLU()]])
def test_layers_and_objects_of_keras_are_compared_elsewhere(value: Any) -> None:
    with pytest.raises(ElsewhereError):
        read(value)


def test_two_functions_of_one_name_are_told_apart_by_what_they_compute() -> None:
    tanh, exact = read(keras.ops.gelu), read(keras.activations.gelu)
    assert isinstance(tanh, Function) and isinstance(exact, Function)
    assert (tanh.name, exact.name) == ("keras.ops.gelu", "keras.activations.gelu")
    assert not tanh.is_like(exact)


def test_functions_that_compute_the_same_are_alike_whatever_they_are_called() -> None:
    here, there = read(keras.ops.relu), read(keras.activations.relu)
    assert isinstance(here, Function) and isinstance(there, Function)
    assert here != there and here.is_like(there)


def test_somebodys_function_is_never_called() -> None:
    def explode(x: Any) -> Any:
        raise SystemExit(x)

    found = read(explode)
    assert isinstance(found, Function) and found.computes == () and found.code


def test_code_is_told_by_what_it_does_and_not_by_where_it_is() -> None:
    first = code_of(lambda x: x + 1)
    second = code_of(lambda x: x + 1)
    assert first == second != code_of(lambda x: x + 2)
    assert code_of(keras.ops.relu) == ""


def test_a_function_is_found_by_the_name_it_was_told_by() -> None:
    assert find_function("keras.ops.gelu") is keras.ops.gelu
    assert find_function("no.such.module.function") is None


def test_activations_that_differ_only_far_from_zero_are_not_alike() -> None:
    relu, relu6, tanh = (read(getattr(keras.activations, name)) for name in ("relu", "relu6", "hard_tanh"))
    assert isinstance(relu, Function) and isinstance(relu6, Function) and isinstance(tanh, Function)
    assert relu.computes and not relu.is_like(relu6) and not relu.is_like(tanh)


@pytest.mark.parametrize(
    "value", [print, keras.random.normal, keras.random.dropout, np.random.normal, keras.utils.pad_sequences]
)
def test_what_does_more_than_compute_is_never_called(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(value)
    assert isinstance(found, Function) and found.computes == () and found.name
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="prints with TensorFlow")
def test_what_a_backend_prints_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    import tensorflow as tf

    found = read(tf.print)
    assert isinstance(found, Function) and found.computes == ()
    out, err = capfd.readouterr()
    assert "-1000" not in out + err and "[[" not in out + err
