"""What can be said against a model alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from tracer.engine.layer.naming import Tree
from tracer.engine.model.health import implausible, stale, untrained

_X = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")


def adapted() -> Any:
    norm = layers.Normalization(name="norm")
    norm.adapt(_X)
    inside = keras.Input((4,))
    inner = keras.Model(inside, norm(inside), name="inner")
    outside = keras.Input((4,))
    return keras.Model(outside, layers.BatchNormalization(name="bn")(inner(outside)))


def test_a_model_that_was_never_saved_is_not_stale() -> None:
    assert list(stale(Tree(adapted()))) == []


def test_state_that_the_weights_contradict_is_stale_and_both_are_told() -> None:
    model = adapted()
    norm = model.get_layer("inner").get_layer("norm")
    norm.mean = norm.mean * 0
    [finding] = stale(Tree(model))
    assert (finding.kind, finding.place) == ("stale-state", "inner/norm")
    assert finding.detail.startswith("stale after loading: mean is [0, 0, 0, …], its weights say [")
    assert "variance" not in finding.detail
    assert finding.remedy == "after loading, call model.get_layer('inner').get_layer('norm').finalize_state()."


def test_a_variance_below_zero_is_implausible_and_a_mean_is_not() -> None:
    model = adapted()
    layer = model.get_layer("bn")
    gamma, beta, mean, variance = layer.get_weights()
    layer.set_weights([gamma, beta, mean - 1, variance])
    assert list(implausible(Tree(model))) == []
    variance[1] = -0.5
    layer.set_weights([gamma, beta, mean, variance])
    [finding] = implausible(Tree(model))
    assert finding.place == "bn/moving_variance" and finding.detail.startswith("1 of 4 values are negative")


def test_a_batch_normalization_that_looks_untrained() -> None:
    model = adapted()
    assert untrained(Tree(model)) == (["bn"], 1)
    layer = model.get_layer("bn")
    gamma, beta, mean, variance = layer.get_weights()
    layer.set_weights([gamma, beta, mean + 0.1, variance])
    assert untrained(Tree(model)) == ([], 1)
    layer.set_weights([gamma * 2, beta, mean, variance])  # its scale may be trained, its statistics aren't
    assert untrained(Tree(model)) == (["bn"], 1)
    assert untrained(Tree(keras.Sequential([keras.Input((2,)), layers.Dense(1)]))) == ([], 0)
