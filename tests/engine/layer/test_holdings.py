"""`tracer.engine.layer.holdings`: the variables of every layer, and a digest of how it is set."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.layer.holdings import Holdings, own_variables, traits
from tracer.engine.layer.naming import Tree


def holdings(model: Any, **names: str) -> Holdings:
    found = Holdings(Tree(model), names)
    found.told()
    return found


def sequential(*parts: Any) -> Any:
    return keras.Sequential([keras.Input((3,), name="x"), *parts], name="m")


def digest(layer: Any) -> str:
    layer.build((None, 3))
    return traits(layer, own_variables(layer))


def test_every_layer_is_told_by_its_path_on_the_other_side() -> None:
    model = sequential(layers.Dense(2, name="d"), layers.BatchNormalization(name="bn"))
    told = Holdings(Tree(model), {"d": "dense"}).told()
    assert list(told) == ["", "dense", "bn"]
    dense, norm = told["dense"], told["bn"]
    assert (dense.name, dense.class_name, dense.names) == ("d", "Dense", ("kernel", "bias"))
    assert (dense.shapes, dense.dtypes) == (((3, 2), (2,)), ("float32", "float32"))
    assert norm.names == ("gamma", "beta", "moving_mean", "moving_variance")
    assert told[""].names == ()


def test_a_variable_that_a_layer_before_it_holds_is_marked() -> None:
    class Tied(layers.Layer):
        def __init__(self, table: Any, **options: Any) -> None:
            super().__init__(**options)
            self.table = table

        def call(self, x: Any) -> Any:
            return x

    dense = layers.Dense(3, name="d")
    dense.build((None, 3))
    told = Holdings(Tree(sequential(dense, Tied(dense.kernel, name="tied"))), {}).told()
    assert (told["d"].again, told["tied"].again) == ((), ("kernel",))


def test_a_variable_that_a_wrapper_holds_too_is_the_wrapped_layers() -> None:
    wrapped = layers.SpectralNormalization(layers.Dense(2, name="inner"), name="norm")
    told = Holdings(Tree(sequential(wrapped)), {}).told()
    assert "kernel" in told["norm"].names and told["norm"].again == ("kernel",)
    assert told["norm/inner"].again == ()


def test_elements_are_read_flat_by_their_place() -> None:
    model = sequential(layers.Dense(2, name="d"))
    model.layers[0].set_weights([np.arange(6, dtype="float32").reshape(3, 2), np.array([7.0, 8.0], "float32")])
    kernel, bias = holdings(model).values([("d", 0, 2, 5), ("d", 1, 0, 2)])
    assert kernel.tolist() == [2.0, 3.0, 4.0] and bias.tolist() == [7.0, 8.0]


def test_seeds_are_no_weights() -> None:
    dropout = layers.Dropout(0.5, seed=3)
    dropout.build((None, 3))
    assert own_variables(dropout) == {}


def test_a_kernel_is_told_with_its_adapters_product() -> None:
    dense = layers.Dense(2, name="d")
    dense.build((None, 3))
    dense.enable_lora(1)
    dense.lora_kernel_a.assign(np.ones((3, 1), "float32"))
    dense.lora_kernel_b.assign(np.full((1, 2), 2.0, "float32"))
    told = own_variables(dense)
    assert set(told) == {"kernel", "bias"}
    assert np.allclose(np.asarray(told["kernel"]), np.asarray(dense.kernel))


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: layers.Dense(2), lambda: layers.Dense(2, activation="tanh")),
        (lambda: layers.Dense(2), lambda: layers.Dense(2, dtype="mixed_float16")),
        (lambda: layers.BatchNormalization(), lambda: layers.BatchNormalization(epsilon=1e-4)),
        (lambda: layers.Dropout(0.5), lambda: layers.Dropout(0.4)),
        (lambda: layers.LayerNormalization(axis=-1), lambda: layers.LayerNormalization(axis=1)),
        (lambda: layers.StringLookup(vocabulary=["a", "b"]), lambda: layers.StringLookup(vocabulary=["b", "a"])),
    ],
    ids=["activation", "policy", "epsilon", "rate", "axis", "vocabulary"],
)
def test_how_a_layer_is_set_is_in_its_traits(make: Any, other: Any) -> None:
    assert digest(make()) == digest(make())
    assert digest(make()) != digest(other())


def test_what_a_layer_was_made_from_and_its_weights_are_not() -> None:
    plain = digest(layers.Dense(2))
    assert digest(layers.Dense(2, kernel_initializer="ones", name="another")) == plain
    assert digest(layers.Dropout(0.5, seed=1)) == digest(layers.Dropout(0.5, seed=2))


def test_state_that_is_neither_weight_nor_setting_is() -> None:
    left, right = layers.Normalization(), layers.Normalization()
    for layer in (left, right):
        layer.build((None, 3))
    assert traits(left, own_variables(left)) == traits(right, own_variables(right))
    right.mean = right.mean + 1.0
    assert traits(left, own_variables(left)) != traits(right, own_variables(right))


def test_a_graph_says_nothing_of_itself_but_its_policy() -> None:
    def graph(width: int) -> Any:
        return sequential(layers.Dense(width))

    assert traits(graph(2), {}) == traits(graph(5), {})
    assert holdings(graph(2)).settings([""], rebuilt=False)[""].config == {}


def test_settings_of_the_layer_as_it_is_and_as_it_is_made_anew() -> None:
    class Forgets(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.gain = 1.0

        def call(self, x: Any) -> Any:
            return x * self.gain

    class Fails(layers.Layer):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError

    layer = Forgets(name="f")
    layer.gain = 3.0
    found = holdings(sequential(layer, Fails(name="g")))
    before, after = (found.settings(["f", "g"], rebuilt=rebuilt) for rebuilt in (False, True))
    assert (before["f"].state["gain"], after["f"].state["gain"]) == (3.0, 1.0)
    assert "g" in before and "g" not in after


def test_making_a_layer_anew_draws_nothing_from_the_users_random_numbers() -> None:
    """A layer that is random draws its seed from them when it is made."""
    found = holdings(sequential(layers.Dropout(0.5, name="d")))
    chance = random.getstate()
    layers.Dropout(0.5)
    assert random.getstate() != chance
    random.setstate(chance)
    assert "d" in found.settings(["d"], rebuilt=True)
    assert random.getstate() == chance
