"""`tracer.core.migration.masks.parts`: masks as numbers and back, in layers that Keras has."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.migration.masks.parts import CARRIER, carrier, functional, input_of, mask_as_numbers, operation, tensor

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking")
_MASK = np.array([[True, False, True], [False, False, False]])


def masked(*, with_mask: bool = True) -> Any:
    x = keras.ops.ones((2, 3, 4))
    if with_mask:
        keras.src.backend.set_keras_mask(x, keras.ops.convert_to_tensor(_MASK))
    return x


def test_a_mask_as_numbers_is_true_everywhere_where_there_is_none() -> None:
    layers = [input_of("x", None), *mask_as_numbers("x", 7)]
    model = keras.Model.from_config(functional("m", layers, ["x", 0, 0], ["kept_7", 0, 0])["config"])
    np.testing.assert_array_equal(model(masked()), _MASK)
    np.testing.assert_array_equal(model(masked(with_mask=False)), np.ones((2, 3), bool))


@pytest.mark.parametrize("rank", [3, 4])
def test_numbers_become_the_mask_of_what_is_returned(rank: int) -> None:
    sizes = [None] * (rank - 2)
    layers = [input_of("x", *sizes), operation("Greater", "kept", tensor("x"), 0.5), carrier("x", "kept", rank=rank)]
    model = keras.Model.from_config(functional("m", layers, ["x", 0, 0], [CARRIER, 1, 0])["config"])
    x = np.random.RandomState(0).uniform(size=(2, 3, 4, 5)[:rank]).astype("float32")
    found = model(keras.ops.convert_to_tensor(x))
    np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(keras.src.backend.get_keras_mask(found), x > 0.5)
