"""`tracer.core.migration.masks`: which layers get a stand-in, and what one consists of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.migration.masks.joining import with_masks_of_keras_2
from tracer.core.migration.masks.parts import MASK_CHANGERS
from tracer.core.migration.masks.stand_ins import joined_model, unmasked_model


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 3, 2], "keras_history": [name, 0, 0]}}


def layer(class_name: str, name: str, *of: str, **config: Any) -> dict[str, Any]:
    given: Any = [tensor(one) for one in of] if len(of) > 1 else tensor(*of)
    calls = [{"args": [given], "kwargs": {}}]
    made = {"module": "keras.layers", "class_name": class_name, "config": {"name": name, **config}}
    return {**made, "registered_name": None, "name": name, "inbound_nodes": calls}


def names(model: dict[str, Any]) -> set[str]:
    return {each["name"] for each in model["config"]["layers"]}


def test_a_merging_layer_is_kept_in_its_stand_in_between_inputs_without_masks() -> None:
    made = joined_model(layer("Add", "add", "a", "b"))
    assert made["class_name"] == "Functional" and made["config"]["name"] == "add"
    assert "add" in names(made) and names(made) & MASK_CHANGERS
    model = keras.Model.from_config(made["config"])
    values = np.arange(12, dtype="float32").reshape(2, 3, 2)
    np.testing.assert_array_equal(model([values, values]), 2 * values)


def test_a_layer_that_drops_its_mask_computes_the_same() -> None:
    made = unmasked_model(layer("Rescaling", "scale", "a", scale=2.0, offset=1.0))
    assert made["config"]["name"] == "scale" and "scale" in names(made)
    values = np.ones((2, 3, 2), "float32")
    np.testing.assert_array_equal(keras.Model.from_config(made["config"])(values), 2 * values + 1)


@pytest.mark.parametrize("class_name", ["Dense", "Functional", "Sequential"])
def test_where_no_mask_is_made_nothing_is_changed(class_name: str) -> None:
    config: dict[str, Any] = {"class_name": class_name, "config": {"name": "m", "layers": []}}
    if class_name == "Functional":
        config["config"].update(input_layers=[], output_layers=[])
    assert with_masks_of_keras_2(config) == (config, 0)
