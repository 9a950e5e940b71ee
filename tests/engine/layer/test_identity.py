"""`tracer.engine.layer.identity`: by what a golden tells other weights from other settings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from tracer.core.golden.fingerprint import Identity
from tracer.engine.layer.identity import identities
from tracer.engine.layer.naming import Tree


def model(*, dtype: str = "float32", scale: float = 1.0, **options: Any) -> Any:
    x = keras.Input((3,), name="x", dtype=dtype)
    y = layers.Dense(3, name="body", dtype=dtype, **options)(x)
    y = layers.BatchNormalization(name="norm", dtype=dtype)(layers.ReLU(name="relu", dtype=dtype)(y))
    made = keras.Model(x, layers.Dense(2, name="head", dtype=dtype)(y), name="m")
    random = np.random.RandomState(0)
    made.set_weights([scale * random.uniform(0.5, 1.5, w.shape).astype("float32") for w in made.get_weights()])
    return made


def told(made: Any, **names: str) -> dict[str, Identity]:
    return identities(Tree(made), names)


def test_equal_models_are_equal_whatever_they_compute_in() -> None:
    """The truth of a golden is float64; what is checked against it is float32, with the same seeded weights."""
    assert told(model()) == told(model()) == told(model(dtype="float64"))


def test_weights_and_settings_are_two_answers() -> None:
    reference = told(model())
    scaled, other = told(model(scale=1.01)), told(model(activation="tanh"))
    assert {path for path in reference if reference[path].weights != scaled[path].weights} == {"body", "norm", "head"}
    assert all(reference[path].settings == scaled[path].settings for path in reference)
    assert {path for path in reference if reference[path] != other[path]} == {"body"}
    assert reference["body"].weights == other["body"].weights
    assert other["body"].settings["activation"] == "tanh"


def test_a_variable_more_and_variables_in_another_order_are_other_weights() -> None:
    class Holds(layers.Layer):
        def __init__(self, *values: float, **options: Any) -> None:
            super().__init__(**options)
            self.kept = [self.add_weight(shape=(1,), initializer=keras.initializers.Constant(v)) for v in values]

        def call(self, x: Any) -> Any:
            return x

    def digest(*values: float) -> str:
        return told(keras.Sequential([keras.Input((1,)), Holds(*values, name="h")]))["h"].weights

    assert digest(1.0, 2.0) == digest(1.0, 2.0)
    assert len({digest(1.0, 2.0), digest(2.0, 1.0), digest(1.0), digest(1.0, 2.0, 3.0)}) == 4


def test_counters_and_seeds_are_no_weights() -> None:
    made = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, seed=1, name="drop")])
    before = told(made)["drop"]
    made.layers[0].seed_generator.state.assign(np.array([5, 6], "uint32"))
    assert told(made)["drop"] == before and before.weights == ""


def test_names_initializers_and_what_is_no_setting_are_left_out() -> None:
    settings = told(model(kernel_initializer="ones", kernel_regularizer="l2"))["body"].settings
    assert settings["units"] == 3 and settings["use_bias"] is True
    assert {"name", "dtype", "trainable", "kernel_initializer", "kernel_regularizer"}.isdisjoint(settings)
    assert told(model())["norm"].settings["epsilon"] == 1e-3


def test_paths_are_the_other_sides_and_the_model_itself_has_none() -> None:
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="d")], name="inner")
    x = keras.Input((3,))
    outer = keras.Model(x, inner(x), name="outer")
    assert list(told(outer)) == ["inner/d"]  # all that a graph is are its layers
    assert list(told(outer, **{"inner": "encoder", "inner/d": "dense"})) == ["encoder/dense"]


def test_a_configuration_that_fails_leaves_the_weights() -> None:
    class Failing(layers.Dense):
        def get_config(self) -> dict[str, Any]:
            raise SystemExit("not here")

    made = keras.Sequential([keras.Input((3,)), Failing(2, name="f")])
    found = told(made)["f"]
    assert found.settings == {} and found.weights
