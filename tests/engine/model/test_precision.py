"""`tracer.engine.model.precision`: the float64 model that is the truth of a float32 one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.model.precision import double, is_single, rebuilt, sharpen
from tracer.errors import ModelError


def model(**options: Any) -> Any:
    x = keras.Input((4,))
    y = layers.Rescaling(1 / 255, **options)(x)
    return keras.Model(x, layers.Dense(3, **options)(y))


def test_within_it_layers_are_double_and_afterwards_as_they_were() -> None:
    before = keras.backend.floatx(), keras.mixed_precision.dtype_policy().name
    with double():
        assert layers.Dense(1).compute_dtype == keras.backend.floatx() == "float64"
    assert (keras.backend.floatx(), keras.mixed_precision.dtype_policy().name) == before
    with pytest.raises(ZeroDivisionError), double():
        _ = 1 / 0
    assert (keras.backend.floatx(), keras.mixed_precision.dtype_policy().name) == before


def test_the_copy_has_the_weights_and_the_stale_state_of_the_model() -> None:
    x = keras.Input((4,))
    normalization = layers.Normalization()
    single = keras.Model(x, layers.Dense(3)(normalization(x)))
    normalization.adapt(np.arange(8.0).reshape(2, 4))
    normalization.mean = normalization.mean + 1.0
    with double():
        truth = rebuilt(single)
        values = np.linspace(0, 1, 8).reshape(2, 4)
        assert np.asarray(truth(values)).dtype == np.float64
        np.testing.assert_allclose(np.asarray(truth(values)), np.asarray(single(values.astype("float32"))), rtol=1e-5)
    assert is_single(single) and not is_single(truth)


def test_a_model_that_can_not_be_made_from_its_configuration_is_told_so() -> None:
    class Own(keras.Model):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("no configuration")

    with double(), pytest.raises(ModelError, match=r"can't be rebuilt in float64: NotImplementedError: no config"):
        rebuilt(Own())


def test_plain_numbers_are_double_before_a_backend_sees_them() -> None:
    made = sharpen(model())
    rescaling = made.layers[1]
    assert type(rescaling.scale) is np.float64
    several = sharpen(keras.Sequential([keras.Input((3,)), layers.Rescaling([1 / 255, 0.1, 0.2])]))
    assert several.layers[0].scale.dtype == np.float64


@pytest.mark.parametrize(("dtype", "single"), [("float32", True), ("float64", False), ("mixed_float16", False)])
def test_only_a_model_of_single_precision_has_such_a_truth(dtype: str, single: bool) -> None:
    assert is_single(model(dtype=dtype)) == single
