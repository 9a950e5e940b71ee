"""`tracer.engine.run.growing`: a model that is built by running it is built before it is compared, and nothing else."""

from __future__ import annotations

import random
import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.layer.naming import Tree
from tracer.engine.run.growing import check_kept, grow, is_unbuilt
from tracer.errors import ModelError

X = np.ones((2, 3), "float32")


class Late(keras.Model):
    """Its layers get their weights when it is run."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(**options)
        self.parts = list(parts)

    def call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x


class Counting(layers.Layer):
    """Changes with every run, and the world with it."""

    def build(self, _shape: Any) -> None:
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x: Any) -> Any:
        random.random()
        np.random.rand()
        if hasattr(x, "numpy"):
            self.count.assign_add(1.0)
        return x + self.count


class Leaving(layers.Layer):
    def call(self, _x: Any) -> Any:
        sys.exit("not here")


def test_a_model_is_unbuilt_while_one_of_its_layers_is() -> None:
    model = Late(layers.Dense(2), name="late")
    assert is_unbuilt(Tree(model))
    model(X)
    assert not is_unbuilt(Tree(model))
    assert not is_unbuilt(Tree(keras.Sequential([keras.Input((3,)), layers.Dense(2)])))


def test_it_is_built_and_every_variable_is_as_it_was_made() -> None:
    counting = Counting(name="c")
    model = Late(layers.Dense(3, kernel_initializer="ones", name="d"), counting, name="late")
    grow(Tree(model), lambda: model(X))
    assert not is_unbuilt(Tree(model))
    assert float(keras.ops.convert_to_numpy(counting.count)) == 0.0
    assert np.all(keras.ops.convert_to_numpy(model.parts[0].kernel) == 1.0)


def test_variables_that_were_there_before_are_put_back_too() -> None:
    counting = Counting(name="c")
    counting.build((None, 3))
    counting.count.assign(7.0)
    model = Late(counting, layers.Dense(3), name="late")
    grow(Tree(model), lambda: model(X))
    assert float(keras.ops.convert_to_numpy(counting.count)) == 7.0


def test_what_is_drawn_meanwhile_is_drawn_again() -> None:
    model = Late(Counting(name="c"), name="late")
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.rand()
    random.seed(3)
    np.random.seed(3)
    grow(Tree(model), lambda: model(X))
    assert (random.random(), np.random.rand()) == expected


@pytest.mark.parametrize("part", [Leaving(name="l"), layers.Dense(2, name="d")], ids=["exits", "refuses"])
def test_a_model_that_fails_is_silent_here_and_keeps_what_it_had(part: Any) -> None:
    """It fails in the comparison too, where the layer is named."""
    counting = Counting(name="c")
    model = Late(counting, part, name="late")
    bad = X if isinstance(part, Leaving) else np.ones((2, 3, 0), "float32")[..., 0:0, :]
    grow(Tree(model), lambda: model(bad))
    assert float(keras.ops.convert_to_numpy(counting.count)) == 0.0


def test_layers_are_not_observed_any_longer() -> None:
    before = layers.Layer.__call__
    model = Late(Leaving(name="l"), name="late")
    grow(Tree(model), lambda: model(X))
    assert layers.Layer.__call__ is before


def test_a_model_that_keeps_none_of_what_it_makes_is_refused_by_name() -> None:
    kept, gone = layers.Dense(2), layers.Dense(2)
    model = Late(kept, name="late")
    model(X)
    check_kept(model, [("late", model), ("kept", kept)])
    check_kept(model, [])
    with pytest.raises(ModelError, match=r"^a/gone, b, c: made anew, with new weights, at every run"):
        check_kept(model, [("kept", kept), ("a/gone", gone), ("b", gone), ("c", gone), ("d", gone)])
