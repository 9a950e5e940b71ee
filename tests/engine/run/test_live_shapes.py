"""Models that are named, built or nested as nobody expects: nested as deep as Keras runs, built only by running."""

from __future__ import annotations

import random
import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.engine.run.live import LiveSource
from tracer.errors import ModelError

X = np.ones((2, 3), "float32")
GLOROT = keras.initializers.GlorotUniform


def blamed(reference: Any, candidate: Any, **options: Any) -> list[str]:
    report = tracer.diff(reference, candidate, X, **options)
    assert not report.unmatched["reference"] and not report.unmatched["candidate"]
    return [fault.layer for fault in report.faults]


# --- nested


class Wraps(layers.Layer):
    def __init__(self, inner: Any, **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x)


def nested(depth: int, kind: str, factor: float = 1.0) -> Any:
    leaf = layers.Dense(3, name="leaf", kernel_initializer=GLOROT(seed=1))
    made: Any = leaf
    for level in range(depth):
        i, name = keras.Input((3,)), f"level_{level}"
        if kind == "wrapper":
            made = Wraps(made, name=name)
        else:
            made = (
                keras.Sequential([i, made], name=name) if kind == "sequential" else keras.Model(i, made(i), name=name)
            )
    i = keras.Input((3,))
    model = keras.Model(i, made(i))
    leaf.kernel.assign(leaf.kernel * factor)
    return model


@pytest.mark.parametrize("kind", ["graph", "sequential", "wrapper"])
@pytest.mark.parametrize("depth", [80, pytest.param(60, marks=pytest.mark.slow)])
def test_what_keras_runs_is_traced_however_deep_it_is_nested(kind: str, depth: int) -> None:
    limit = sys.getrecursionlimit()
    model = nested(depth, kind)
    model(X)  # Keras itself does
    (path,) = blamed(model, nested(depth, kind, 2.0))
    assert path.count("/") == depth and path.endswith("level_0/leaf")
    assert not blamed(model, nested(depth, kind))
    assert sys.getrecursionlimit() == limit


class Endless(layers.Layer):
    def call(self, x: Any) -> Any:
        return self.call(x) if hasattr(x, "numpy") else x


def test_what_is_deeper_than_python_allows_is_said_to_be() -> None:
    i = keras.Input((3,))
    model = keras.Model(i, Endless(name="endless")(i))
    with pytest.raises(ModelError, match=r"RecursionError.*\(raised in endless\).*sys\.setrecursionlimit"):
        tracer.diff(model, model, X)


# --- named


class Sub(keras.Model):
    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.a = layers.Dense(3, name="a", kernel_initializer=GLOROT(seed=1))
        self.b = layers.Dense(2, name="b", kernel_initializer=GLOROT(seed=2))
        self.factor = factor

    def call(self, x: Any) -> Any:
        return self.b(self.a(x)) * self.factor


def built(**options: Any) -> Sub:
    model = Sub(**options)
    model(X)
    return model


@pytest.mark.parametrize("names", [(None, None), ("p", "q"), ("a", "a"), ("a", "q"), ("p", "b"), ("sub_7", "sub")])
def test_what_a_model_is_called_makes_no_difference(names: tuple[str | None, str | None]) -> None:
    reference, candidate = (built(**({"name": name} if name else {})) for name in names)
    assert blamed(reference, candidate) == []
    candidate.b.kernel.assign(candidate.b.kernel * 2.0)
    assert blamed(reference, candidate) == ["b"]
    candidate.b.kernel.assign(reference.b.kernel)
    candidate.factor = 2.0
    root = {None: "sub", "sub_7": "sub", "a": "(model)"}.get(names[0], names[0])
    assert blamed(reference, candidate) == [root]


@pytest.mark.parametrize("kind", ["graph", "sequential"])
@pytest.mark.parametrize("names", [("p", "q"), ("inner", "q"), ("p", "dense")])
def test_what_a_graph_is_called_makes_no_difference(kind: str, names: tuple[str, str]) -> None:
    def build(name: str, factor: float) -> Any:
        i = keras.Input((3,))
        dense = layers.Dense(3, name="dense", kernel_initializer=GLOROT(seed=1))
        inner = keras.Model(i, dense(i), name="inner")
        dense.kernel.assign(dense.kernel * factor)
        outer = keras.Input((3,))
        return (
            keras.Model(outer, inner(outer), name=name) if kind == "graph" else keras.Sequential([i, inner], name=name)
        )

    assert blamed(build(names[0], 1.0), build(names[1], 1.0)) == []
    assert blamed(build(names[0], 1.0), build(names[1], 2.0)) == ["inner/dense"]


# --- built by running


class Late(keras.Model):
    """Makes its layers when it is built, and keeps statistics."""

    def build(self, shape: Any) -> None:
        del shape
        self.d = layers.Dense(3, kernel_initializer=GLOROT(seed=1))
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.5, seed=3)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.drop(self.norm(self.d(x), training=training), training=training)


@pytest.mark.parametrize("kind", [Sub, Late])
@pytest.mark.parametrize("training", [False, True])
def test_a_model_that_has_never_run_is_built_before_it_is_paired(kind: Any, training: bool) -> None:
    if kind is Sub and training:
        pytest.skip("takes no training argument")
    assert blamed(kind(), kind(), training=training) == []


def test_being_built_leaves_every_variable_as_it_was_made_and_draws_nothing() -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    late = Late()
    source = LiveSource(late, "late")
    assert source.prepare(X, training=True)
    assert [child.name for child in source.outline.children] == ["dense", "batch_normalization", "dropout"]
    assert random.random() == expected
    source.begin(X, training=True)
    source.rest()
    np.testing.assert_array_equal(late.norm.moving_mean, np.zeros(3))
    np.testing.assert_array_equal(late.norm.moving_variance, np.ones(3))
    np.testing.assert_array_equal(late.drop.seed_generator.state, [3, 0])
    assert not source.prepare(X, training=True)


def test_a_difference_in_a_model_that_has_never_run_is_found_in_its_layer() -> None:
    class Other(Late):
        def build(self, shape: Any) -> None:
            super().build(shape)
            self.d.kernel_initializer = GLOROT(seed=2)

    Other.__name__ = "Late"
    assert blamed(Late(), Other()) == ["dense"]


class Anew(keras.Model):
    def call(self, x: Any) -> Any:
        return layers.ReLU()(layers.Dense(2)(x))


class AnewWithout(keras.Model):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.d = layers.Dense(2, kernel_initializer=GLOROT(seed=1))

    def call(self, x: Any) -> Any:
        return layers.ReLU()(self.d(x))


def test_a_model_that_makes_its_weights_at_every_run_is_told_so() -> None:
    with pytest.raises(ModelError, match=r"dense: made anew, with new weights, at every run"):
        tracer.diff(Anew(), Anew(), X)
    assert blamed(AnewWithout(), AnewWithout()) == []  # what has no weights is the same every time
