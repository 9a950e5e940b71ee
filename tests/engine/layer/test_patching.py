"""`tracer.engine.layer.patching`: a layer that is changed for one call is afterwards what it was, whatever happened."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.source import Patch
from tracer.engine.layer.facts import named_variables
from tracer.engine.layer.patching import apply, mended


def dense() -> Any:
    layer = layers.Dense(3, name="dense")
    layer.build((None, 2))
    return layer


def normalization() -> Any:
    layer = layers.Normalization(axis=-1, name="norm")
    layer.build((None, 2))
    layer.set_weights([np.array([1.0, 2.0], "float32"), np.array([4.0, 9.0], "float32"), np.array(5, "int32")])
    return layer


def kernel(layer: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(named_variables(layer)["kernel"])


def test_weights_and_attributes_are_changed_for_good() -> None:
    layer = layers.Dropout(0.5)
    apply(layer, Patch(action="set_attribute", attributes={"rate": 0.25}))
    assert layer.rate == 0.25
    changed = dense()
    apply(changed, Patch(action="copy_weights", weights={"kernel": np.ones((2, 3), "float32")}))
    assert np.all(kernel(changed) == 1.0)


def test_an_attribute_that_is_a_variable_is_assigned_not_replaced() -> None:
    layer = dense()
    variable = layer.bias
    apply(layer, Patch(action="set_attribute", attributes={"bias": np.ones(3, "float32")}))
    assert layer.bias is variable
    assert np.all(keras.ops.convert_to_numpy(variable) == 1.0)


def test_an_attribute_keeps_the_kind_that_it_has() -> None:
    layer = dense()
    layer.shape_list, layer.table = (1, 2), keras.ops.convert_to_tensor([0.0, 0.0])
    apply(layer, Patch(action="set_attribute", attributes={"shape_list": [3, 4], "table": np.ones(2, "float32")}))
    assert layer.shape_list == (3, 4)
    assert keras.ops.is_tensor(layer.table)


def test_state_is_derived_from_the_new_weights() -> None:
    layer = normalization()
    apply(layer, Patch(action="finalize_state", weights={"mean": np.array([7.0, 8.0], "float32")}, finalize=True))
    assert keras.ops.convert_to_numpy(layer.mean).reshape(-1).tolist() == [7.0, 8.0]


def test_for_the_time_of_a_call_only() -> None:
    layer, norm = dense(), normalization()
    before, mean = kernel(layer), keras.ops.convert_to_numpy(norm.mean)
    with mended(layer, Patch(action="copy_weights", weights={"kernel": before + 1}, attributes={"extra": 3})):
        assert np.all(kernel(layer) == before + 1)
        assert layer.extra == 3
    assert np.array_equal(kernel(layer), before)
    assert not hasattr(layer, "extra")
    with mended(norm, Patch(action="finalize_state", finalize=True)):
        assert not np.array_equal(keras.ops.convert_to_numpy(norm.mean), mean)
    assert np.array_equal(keras.ops.convert_to_numpy(norm.mean), mean)


@pytest.mark.parametrize("weights", [{"kernel": np.ones((9, 9), "float32")}, {"nothing": np.ones(2)}])
def test_a_change_that_fails_half_way_leaves_nothing(weights: Any) -> None:
    layer = dense()
    before = kernel(layer)
    first = {"bias": np.ones(3, "float32")}
    with (
        pytest.raises((ValueError, KeyError)),
        mended(layer, Patch(action="copy_weights", weights={**first, **weights})),
    ):
        pass
    assert np.array_equal(kernel(layer), before)
    assert np.all(keras.ops.convert_to_numpy(layer.bias) == 0.0)
