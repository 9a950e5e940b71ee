"""What can be said against a model alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.layer.naming import Tree
from tracer.engine.model.health import implausible, stale, unadapted, untrained

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
    assert finding.remedy == "after loading, call `model.get_layer('inner').get_layer('norm').finalize_state()`."


def test_words_that_are_derived_anew_are_the_same_words() -> None:
    words = layers.StringLookup(vocabulary=["one", "two"], name="words")
    numbers = layers.IntegerLookup(vocabulary=[7, 8], name="numbers")
    i, j = keras.Input((1,), dtype="string"), keras.Input((1,), dtype="int64")
    model = keras.Model([i, j], [words(i), numbers(j)])
    assert list(stale(Tree(model))) == [] == list(unadapted(Tree(model)))


def test_a_layer_with_nothing_to_derive_from_is_not_stale() -> None:
    """Its `finalize_state` raises: inverse document frequencies come with the vocabulary."""
    counts = layers.TextVectorization(output_mode="tf_idf", name="counts")
    counts.adapt(np.array(["one two", "two"]))
    again = keras.Sequential([keras.Input((1,), dtype="string"), type(counts).from_config(counts.get_config())])
    assert list(stale(Tree(again))) == []
    assert [finding.place for finding in unadapted(Tree(again))] == ["counts"]


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
    told = "1 of 1 BatchNormalization layers hold what they are made with (moving_mean 0, moving_variance 1)"
    assert [sentence[: len(told)] for sentence in untrained(Tree(model))] == [told]
    layer = model.get_layer("bn")
    gamma, beta, mean, variance = layer.get_weights()
    layer.set_weights([gamma, beta, mean + 0.1, variance])
    assert list(untrained(Tree(model))) == []
    layer.set_weights([gamma * 2, beta, mean, variance])  # its scale may be trained, its statistics aren't
    assert len(list(untrained(Tree(model)))) == 1


def test_layers_that_alone_of_their_kind_look_untrained_are_named() -> None:
    model = keras.Sequential([keras.Input((3,)), *(layers.Dense(3, name=name) for name in "abc")])
    assert list(untrained(Tree(model))) == [
        "3 of 3 Dense layers hold what they are made with (bias 0), as if they had never been trained: a, b, c."
    ]
    for name in "ac":
        model.get_layer(name).bias.assign([1.0, 0.0, 0.0])
    assert list(untrained(Tree(model))) == [
        "1 of 3 Dense layers hold what they are made with (bias 0), as if they had never been trained: b. "
        "The others don't."
    ]


def test_layers_without_such_variables_are_no_concern() -> None:
    bare = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False), layers.ReLU()])
    assert list(untrained(Tree(bare))) == []


@pytest.mark.parametrize(
    ("layer", "data"),
    [
        (lambda: layers.TextVectorization(name="look"), ["one two", "two"]),
        (lambda: layers.StringLookup(name="look"), ["one", "two"]),
        (lambda: layers.IntegerLookup(name="look"), [4, 5]),
        (lambda: layers.Discretization(num_bins=3, name="look"), [[1.0], [2.0], [3.0]]),
    ],
)
def test_a_layer_that_has_nothing_to_look_up(layer: Any, data: Any) -> None:
    def built() -> Any:
        made = layer()
        kind = "string" if isinstance(data[0], str) else "int64" if isinstance(data[0], int) else "float32"
        return made, keras.Sequential([keras.Input((1,), dtype=kind), made])

    made, model = built()
    [finding] = unadapted(Tree(model))
    assert (finding.kind, finding.place) == ("not-adapted", "look")
    made.adapt(np.array(data))
    assert list(unadapted(Tree(model))) == []
