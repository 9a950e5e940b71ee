"""A translated configuration as a live model, and what is said where this Keras doesn't take it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.drive import running
from tracer.core.source import Run
from tracer.engine.host import from_model
from tracer.engine.model.saving import rebuild
from tracer.errors import ModelError

_HARD = [layers.Rescaling(0.2, 0.5, name="slope"), layers.ReLU(max_value=1.0, name="clip")]


def sequential(**settings: Any) -> dict[str, Any]:
    """A model of one `Dense`."""
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2, **settings}}
    start = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 3]}}
    parts = [{**part, "registered_name": None} for part in (start, dense)]
    config = {"name": "s", "layers": parts}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def test_the_configuration_of_a_model_makes_it_anew() -> None:
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2, activation="tanh", name="d")])
    found = rebuild(from_model(model).configuration())
    assert from_model(found).configuration() == from_model(model).configuration()


def test_an_argument_that_is_not_known_is_named_with_its_layer() -> None:
    with pytest.raises(ModelError, match=r"can't build the translated model: d \(Dense\): .*colour.* no rule yet"):
        rebuild(sequential(colour="red"))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="the file holds a Dense, which is no model"):
        rebuild({"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None})


def test_code_is_refused_where_it_is_not_trusted() -> None:
    lambdas = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x * 2)])
    config = from_model(lambdas).configuration()
    with pytest.raises(ModelError, match="can't build the translated model"):
        rebuild(config)
    assert float(rebuild(config, trust=True)(np.ones((1, 3)))[0, 0]) == 2.0


def test_a_layer_that_cannot_tell_its_configuration() -> None:
    class Silent(layers.Layer):
        def get_config(self) -> dict[str, Any]:
            raise RuntimeError("not told")

        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ModelError, match="its configuration can't be read: RuntimeError: not told"):
        from_model(keras.Sequential([keras.Input((3,)), Silent()])).configuration()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_model_that_stands_for_a_function_is_part_of_its_layer(wrapped: bool) -> None:
    """No call sites of its own: a function has none either."""
    dense = layers.Dense(2, activation=keras.Sequential(_HARD, name="hard"), name="d")
    layer = layers.TimeDistributed(dense, name="steps") if wrapped else dense
    host = from_model(keras.Sequential([keras.Input((4, 3)), layer]))
    with running(host, Run(inputs=np.ones((1, 4, 3), "float32"))) as calls:
        paths = {call.path for call in calls}
    assert paths in ({"d"}, {"steps"}, {"steps", "steps/d"})


def test_a_model_with_weights_is_a_layer_also_as_an_activation() -> None:
    inner = keras.Sequential([keras.Input((2,)), layers.PReLU(name="slopes")], name="inner")
    host = from_model(keras.Sequential([keras.Input((3,)), layers.Dense(2, activation=inner, name="d")]))
    with running(host, Run(inputs=np.ones((1, 3), "float32"))) as calls:
        assert [call.path for call in calls] == ["d/inner/slopes", "d"]


def test_seeded_weights_replace_all() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_initializer="zeros", name="d")])
    from_model(model).seed(0)
    assert np.abs(model.get_weights()[0]).min() > 0
