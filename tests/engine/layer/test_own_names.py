"""A user's attribute may be called much like a library's own bookkeeping, and is looked at all the same."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.engine.layer.facts import settings
from tracer.engine.layer.holdings import own_variables, traits
from tracer.engine.layer.naming import Tree

X = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")


class Attention(layers.Layer):
    """Takes a rate that its configuration doesn't have; it computes with it where `used`."""

    def __init__(self, self_attention_rate: float = 0.5, used: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._self_attention_rate = self_attention_rate
        self.used = used

    def call(self, x: Any) -> Any:
        return x * self._self_attention_rate if self.used else x


def _model(**settings: Any) -> Any:
    inputs = keras.Input((4,), name="x")
    return keras.Model(inputs, Attention(name="attention", **settings)(inputs))


@pytest.mark.parametrize("used", [True, False], ids=["shown", "hidden"])
def test_another_value_of_such_an_attribute_is_told(used: bool) -> None:
    report = tracer.diff(_model(used=used), _model(used=used, self_attention_rate=0.7), X)
    [fault] = report.faults if used else report.hidden
    assert fault.layer == "attention"
    told = {(e.name.lstrip("_"), e.reference, e.candidate) for e in fault.evidence}
    assert ("self_attention_rate", "0.5", "0.7") in told


@pytest.mark.parametrize("name", ["_tf_scale", "_keras_rate", "_self_rate"])
def test_no_beginning_of_a_name_hides_an_attribute(name: str) -> None:
    first, second = (layers.Dense(2) for _ in range(2))
    setattr(first, name, 1.0)
    setattr(second, name, 2.0)
    assert (settings(first).state[name], settings(second).state[name]) == (1.0, 2.0)
    assert traits(first, {}) != traits(second, {})


def test_layers_in_a_nested_list_of_that_name_are_found() -> None:
    holder = layers.Layer(name="holder")
    holder._self_attention_layers = [[layers.Dense(2, name="query")]]
    assert "query" in Tree(holder).children(holder)


def test_tensorflows_own_names_tell_nothing() -> None:
    first, second = layers.Dense(2), layers.Dense(2)
    for layer in (first, second):
        layer.build((1, 3))
    if keras.backend.backend() == "tensorflow":
        second._self_update_uid = 41
    assert traits(first, own_variables(first)) == traits(second, own_variables(second))
