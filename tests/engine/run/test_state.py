"""`tracer.engine.run.state`: every variable of a model is put back, and random layers can be given the same seeds."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from tracer.engine.layer.naming import Tree
from tracer.engine.run import state


class Hidden(layers.Layer):
    """Keeps variables where no list of Keras' shows them."""

    def build(self, _shape: Any) -> None:
        counter = keras.Variable(np.zeros(1, "float32"), trainable=False, name="counter")
        object.__setattr__(self, "counters", [counter])

    def call(self, x: Any) -> Any:
        return x


def model() -> Any:
    x = keras.Input((4,), name="x")
    y = Hidden(name="hidden")(layers.BatchNormalization(name="bn")(x))
    return keras.Model(x, layers.Dropout(0.5, seed=3, name="drop")(layers.Dense(2, name="head")(y)))


def values(tree: Tree) -> list[bytes]:
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in state.variables(tree)]


def test_every_variable_is_there_once_also_those_that_no_list_shows() -> None:
    made = model()
    found = state.variables(Tree(made))
    assert len({id(variable) for variable in found}) == len(found)
    counter = made.get_layer("hidden").counters[0]
    assert any(variable is counter for variable in found)
    assert {id(variable) for variable in made.variables} < {id(variable) for variable in found}


def test_a_snapshot_puts_back_whatever_has_changed() -> None:
    made = model()
    tree = Tree(made)
    before, taken = values(tree), state.snapshot(tree)
    for variable in state.variables(tree):
        variable.assign(keras.ops.convert_to_numpy(variable) + 1)
    assert all(a != b for a, b in zip(before, values(tree), strict=True))
    taken.restore()
    assert values(tree) == before


def test_a_part_of_a_snapshot_puts_back_the_variables_of_another_one_alone() -> None:
    made = model()
    tree = Tree(made)
    before, taken = values(tree), state.snapshot(tree)
    head = Tree(made.get_layer("head"))
    part = taken.of(state.snapshot(head))
    for variable in state.variables(tree):
        variable.assign(keras.ops.convert_to_numpy(variable) + 1)
    part.restore()
    same = [a == b for a, b in zip(before, values(tree), strict=True)]
    assert sum(same) == len(part.held) == len(made.get_layer("head").variables)


def test_a_snapshot_isnt_changed_by_what_comes_after_it() -> None:
    made = model()
    taken = state.snapshot(Tree(made))
    moving = made.get_layer("bn").moving_mean
    for number in range(1, 4):
        moving.assign(np.full(4, number, "float32"))
    taken.restore()
    assert np.all(keras.ops.convert_to_numpy(moving) == 0.0)


def test_a_call_may_change_what_isnt_trained() -> None:
    made = model()
    tree = Tree(made)
    normalization = made.get_layer("bn")
    names = {variable.name for variable in state.changeable(tree, normalization)}
    assert names == {"moving_mean", "moving_variance"}
    assert made.get_layer("hidden").counters[0] in state.changeable(tree, made.get_layer("hidden"))


def test_seeds_are_known_by_layer_path_in_the_other_sides_names() -> None:
    made, other = model(), model()
    tree, there = Tree(made), Tree(other)
    assert list(state.seeds(tree, {})) == ["drop@0"]
    assert list(state.seeds(tree, {"drop": "dropout"})) == ["dropout@0"]
    made.get_layer("drop").seed_generator.state.assign(np.array([11, 12], "uint32"))
    state.set_seeds(there, state.seeds(tree, {}), {})
    assert keras.ops.convert_to_numpy(other.get_layer("drop").seed_generator.state).tolist() == [11, 12]


def test_a_seed_without_a_partner_stays_as_it_is() -> None:
    made = model()
    tree = Tree(made)
    before = state.seeds(tree, {})["drop@0"].tolist()
    state.set_seeds(tree, {"elsewhere@0": np.array([1, 2], "uint32")}, {})
    assert state.seeds(tree, {})["drop@0"].tolist() == before


def test_a_generator_without_a_seed_draws_as_one_that_has_one_and_only_meanwhile() -> None:
    """What torch needs, seen in its environment by tests/releases/test_backends.py."""
    x = keras.Input((4,), name="x")
    made = keras.Model(x, layers.Dropout(0.5, name="unseeded")(layers.Dropout(0.5, seed=3, name="seeded")(x)))
    seeds = [made.get_layer(name).seed_generator for name in ("seeded", "unseeded")]
    with state.drawing_by_generators(Tree(made)):
        assert [generator._initial_seed for generator in seeds] == [3, 0]
    assert [generator._initial_seed for generator in seeds] == [3, None]
