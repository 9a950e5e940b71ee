"""`tracer.testing` on real models; the fresh process of a round trip is shared."""

from __future__ import annotations

import unittest
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.testing import assert_roundtrip, assert_same_activations

_X = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")


def pair() -> tuple[Any, Any]:
    """A model, and a copy whose layer `second` has an error of about 1e-4."""
    inputs = keras.Input((4,))
    y = layers.Dense(8, activation="tanh", name="first")(inputs)
    y = layers.Dense(8, activation="tanh", name="second")(y)
    model = keras.Model(inputs, layers.Dense(2, name="head")(y))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, bias = copy.get_layer("second").get_weights()
    copy.get_layer("second").set_weights([kernel * (1 + 1e-4), bias])
    return model, copy


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return pair()


def test_the_same_model_passes_and_returns_the_report(models: tuple[Any, Any]) -> None:
    found = assert_same_activations(models[0], models[0], _X)
    assert (str(found.status), found.compared) == ("pass", 3)


def test_a_difference_names_the_layer_and_why(models: tuple[Any, Any]) -> None:
    with pytest.raises(AssertionError, match=r"fault: second .*cause weights") as raised:
        assert_same_activations(*models, _X)
    assert isinstance(raised.value, tracer.DivergenceError)
    assert "kernel" in str(raised.value)


def test_a_layer_can_be_left_out(models: tuple[Any, Any]) -> None:
    found = tracer.testing.assert_same_activations(*models, _X, ignore="second")
    assert any(note.startswith("left out, and not the same: second (weights)") for note in found.notes)


def test_a_tolerance_for_all_and_one_for_a_layer(models: tuple[Any, Any]) -> None:
    assert_same_activations(*models, _X, tolerances=1e-3)
    with pytest.raises(AssertionError, match="head: relative error"):
        assert_same_activations(*models, _X, tolerances={"second": 1e-3})


def test_nothing_left_is_no_success(models: tuple[Any, Any]) -> None:
    with pytest.raises(AssertionError, match="nothing is left to compare"):
        assert_same_activations(models[0], models[0], _X, ignore=["Dense"])


class InUnittest(unittest.TestCase):
    """Run by unittest below; pytest collects it as well."""

    def test_it(self) -> None:
        model, copy = pair()
        with self.assertRaises(self.failureException):  # noqa: PT027 - as its users write it
            assert_same_activations(model, copy, _X, prove=False)


def test_unittest_counts_it_as_a_failure_and_not_as_an_error() -> None:
    class Wrong(unittest.TestCase):
        def runTest(self) -> None:  # noqa: N802 - unittest's name
            assert_same_activations(*pair(), _X, prove=False)

    result = unittest.TestResult()
    Wrong().run(result)
    assert (len(result.failures), result.errors) == (1, [])


@pytest.mark.slow
def test_a_roundtrip_that_loses_something_names_the_layer() -> None:
    norm = layers.Normalization(name="norm")
    norm.adapt(_X * 3 + 1)
    inside = keras.Input((4,))
    inner = keras.Model(inside, norm(inside), name="inner")
    outside = keras.Input((4,))
    model = keras.Model(outside, layers.Dense(2, name="out")(inner(outside)))
    with pytest.raises(AssertionError, match=r"inner/norm .*unsaved-state"):
        assert_roundtrip(model, _X, format="h5", prove=False)


@pytest.mark.slow
def test_a_roundtrip_that_loses_nothing_passes(models: tuple[Any, Any]) -> None:
    assert assert_roundtrip(models[0], _X).matches
