"""Half precision: what comes from float16 layers is no more precise than they are, and a fault among them is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import tracer
from tracer.core.numbers.tolerance import tolerance_for

layers = keras.layers
X = np.random.RandomState(0).normal(size=(4, 16)).astype("float32")


class Times(layers.Layer):
    """Multiplies, in its own precision."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return x * keras.ops.cast(self.factor, x.dtype)


def mixed(body: float = 1.0, head: float = 1.0, extra: Callable[[Any], Any] = lambda x: x) -> Any:
    """Float16 layers, and a float32 head, as Keras recommends."""
    keras.utils.set_random_seed(1)
    i = keras.Input((16,), name="x")
    x = layers.Dense(32, activation="tanh", dtype="mixed_float16", name="body")(i)
    x = extra(Times(body, dtype="mixed_float16", name="times")(x))
    x = Times(head, dtype="float32", name="cooked")(x)
    return keras.Model(i, layers.Dense(5, dtype="float32", name="head")(x), name="m")


# Less than two eps of float16: what another order of sums does to one layer.
ROUNDING = 1.0 + 2.0**-10


def test_rounding_of_float16_layers_is_no_fault_of_a_float32_head() -> None:
    report = tracer.diff(mixed(), mixed(ROUNDING), X)
    assert (report.status, report.faults) == ("pass-within-tolerance", ())
    assert {layer.layer: layer.tolerance for layer in report.layers}["head"] == 1e-2


def test_a_cast_that_one_side_has_is_not_blamed_for_rounding() -> None:
    report = tracer.diff(mixed(), mixed(ROUNDING, extra=lambda x: keras.ops.cast(x, "float32")), X)
    assert (report.status, report.faults) == ("pass-within-tolerance", ())


@pytest.mark.parametrize("head", [1.0 + 1e-4, 1.0 + 1e-5])
def test_a_float32_layer_behind_float16_ones_is_held_against_its_own_bound(head: float) -> None:
    report = tracer.diff(mixed(), mixed(ROUNDING, head), X)
    assert [fault.layer for fault in report.faults] == ["cooked"]
    assert report.status == "diverged"


def test_a_float32_model_keeps_its_bound() -> None:
    def plain(factor: float) -> Any:
        keras.utils.set_random_seed(1)
        i = keras.Input((16,), name="x")
        return keras.Model(i, layers.Dense(5, name="head")(Times(factor, name="times")(i)))

    report = tracer.diff(plain(1.0), plain(1.0 + 1e-5), X)
    assert [fault.layer for fault in report.faults] == ["times"]
    assert {layer.tolerance for layer in report.layers} == {2e-6}


@pytest.mark.parametrize("factor", [1.008, 1.004])
def test_an_error_of_less_than_a_hundredth_reaches_the_output_and_is_not_masked(factor: float) -> None:
    report = tracer.diff(mixed(), mixed(factor), X)
    [fault] = report.faults
    assert (fault.layer, fault.masked) == ("times", False)
    assert fault.proof is not None and 1e-3 < fault.proof.output_error < 1e-2


class Fails(layers.Layer):
    """Raises when it is told to."""

    fails = False

    def call(self, x: Any) -> Any:
        if self.fails:
            raise ValueError("no such table")
        return x * 1.0


def failing(*, fails: bool) -> Any:
    keras.utils.set_random_seed(1)
    i = keras.Input((16,), name="x")
    layer = Fails(name="table")
    model = keras.Model(i, layers.Dense(5, name="head")(layer(i)))
    layer.fails = fails
    return model


def test_a_layer_that_raises_on_one_side_is_at_fault_and_never_masked() -> None:
    """Helped along with the reference's outputs, the candidate's own are bit for bit right."""
    report = tracer.diff(failing(fails=False), failing(fails=True), X)
    [fault] = report.faults
    assert (fault.layer, fault.side, fault.masked) == ("table", "candidate", False)
    assert {layer.layer: layer.verdict for layer in report.layers}["table"] == "introduced"
    assert any("can't run here" in e.detail and "no such table" in e.detail for e in fault.evidence)
    assert report.status == "diverged"


def test_a_loss_of_precision_on_one_side_widens_no_bound_behind_it() -> None:
    """Else a layer that came back in float16 would excuse what it does to the outputs."""
    x = np.random.RandomState(0).normal(size=(4, 6)).astype("float32")

    def model(dtype: str) -> keras.Model:
        inputs = keras.Input((6,), name="x")
        hidden = keras.layers.Dense(8, dtype=dtype, name="body")(inputs)
        return keras.Model(inputs, keras.layers.Dense(3, dtype="float32", name="head")(hidden), name="m")

    reference, candidate = model("float32"), model("float16")
    candidate.set_weights(reference.get_weights())
    report = tracer.diff(reference, candidate, x)
    assert [fault.layer for fault in report.faults] == ["body"]
    assert {layer.layer: layer.tolerance for layer in report.layers}["head"] == tolerance_for("float32")


@pytest.mark.parametrize("inside", ["float16", "bfloat16"])
def test_the_dtype_of_a_layer_that_a_wrapper_runs_step_by_step_is_the_cause(inside: str) -> None:
    """Its wrapper returns float32 all the same, and its weights have been rounded, which follows from the dtype."""

    def steps(dtype: str) -> Any:
        keras.utils.set_random_seed(1)
        each = layers.Dense(6, activation="tanh", dtype=dtype, name="each")
        i = keras.Input((5, 16), name="x")
        x = layers.Dense(6, name="body")(i)
        return keras.Model(i, layers.TimeDistributed(each, name="steps")(x), name="m")

    plain, other = steps("float32"), steps(inside)
    other.set_weights(plain.get_weights())
    [fault] = tracer.diff(plain, other, np.random.RandomState(0).normal(size=(2, 5, 16)).astype("float32")).faults
    assert (fault.layer, fault.cause, fault.side) == ("steps/each", "dtype-policy", "candidate")
    assert {e.name for e in fault.evidence if e.kind == "policy"} >= {"layer.dtype_policy", "layer.compute_dtype"}
    assert fault.proof is not None and fault.proof.holds
