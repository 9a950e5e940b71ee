"""`tracer.engine.layer.optimizer`: what the optimizer of a live model holds, as it would be saved."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from tracer.engine.layer.optimizer import modules_of, state_of


def compiled(optimizer: Any, loss: Any = "mse") -> Any:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="d")])
    model.compile(optimizer, loss)
    return model


def test_an_optimizer_that_made_no_step_or_is_not_there_has_nothing_to_lose() -> None:
    bare = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    assert state_of(bare).state is None and state_of(bare).reason == ""
    assert state_of(compiled("adam")).state is None


def test_every_variable_is_told_by_its_place_and_its_name() -> None:
    model = compiled(keras.optimizers.Adam())
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    state = state_of(model).state
    assert state is not None and (state.class_name, state.is_plain) == ("Adam", True)
    assert list(state.slots) == [str(i) for i in range(len(model.optimizer.variables))]
    assert [slot.name for slot in state.slots.values()] == [v.path for v in model.optimizer.variables]
    kernel = next(slot for slot in state.slots.values() if "kernel" in slot.name and "velocity" not in slot.name)
    assert (kernel.shape, kernel.dtype) == ((2, 1), "float32")
    before = state.slots
    model.train_on_batch(np.ones((2, 2)), np.zeros((2, 1)))
    after = state_of(model).state
    assert after is not None and after.slots != before


def test_an_optimizer_that_does_not_say_what_it_saves_is_told_with_its_reason() -> None:
    class Silent(keras.optimizers.SGD):
        def save_own_variables(self, _store: Any) -> None:
            raise RuntimeError("not now")

    model = compiled(Silent())
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    told = state_of(model)
    assert told.state is None
    assert told.reason.startswith("Silent doesn't say what it saves: ") and "not now" in told.reason


def test_what_training_needs_from_elsewhere_is_named_by_its_module() -> None:
    def loss(y: Any, z: Any) -> Any:
        return y - z

    assert modules_of(compiled("adam")) == ()
    assert modules_of(keras.Sequential([layers.Dense(1)])) == ()
    assert modules_of(compiled("adam", loss)) == (__name__,)

    class Own(keras.optimizers.SGD):
        pass

    assert modules_of(compiled(Own())) == (__name__,)
