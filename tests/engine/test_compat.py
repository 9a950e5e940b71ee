"""`tracer.engine.compat`: what differs between releases and backends, asked of the ones that are installed."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from tracer.engine import compat

NUMBERS = np.array([1.0, 2.0, 3.0], "float32")


# --- what an exception says


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("too few"), "ValueError: too few"),
        (ValueError("\x1b[1mtoo few\x1b[0m\n\nArguments received: x"), "ValueError: too few"),
        (
            ValueError("Exception encountered when calling Dense.call().\n\n\x1b[1mno room\x1b[0m\n\nArguments: x"),
            "ValueError: no room",
        ),
        (TypeError("can't be made.\n\nconfig={'a': 1}.\n\nException encountered: wrong\nkind"), "TypeError: wrong"),
        (KeyError(), "KeyError"),
        (ValueError("  \n "), "ValueError"),
        (SilentError(), "SilentError"),
        (ValueError("x" * 999), f"ValueError: {'x' * 400}…"),
        (
            ValueError("Example error message for object <A>:\n\nexpected 3\n\nList:"),
            "ValueError: Example error message for object <A>: expected 3",
        ),
        (
            TypeError("Could not locate class 'A'. Full object config: {'module': 1}"),
            "TypeError: Could not locate class 'A'.",
        ),
        (
            ValueError("{{function_node __wrapped__Add_device_/job:a}} Table not initialized. [Op:Add] name: x"),
            "ValueError: Table not initialized.",
        ),
        (TypeError("Could not parse <function f at 0x7f51aa00>"), "TypeError: Could not parse <function f>"),
    ],
    ids=range(12),
)
def test_a_reason_is_one_line_without_what_keras_puts_around_it(error: Exception, said: str) -> None:
    assert compat.reason(error) == said


# --- settings of a thread


def in_a_thread(work: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_settings_are_carried_into_another_thread() -> None:
    before = keras.config.dtype_policy().name
    keras.config.set_dtype_policy("mixed_float16")
    try:
        settings = compat.dialect().keras_settings()

        def work() -> str:
            compat.dialect().apply_settings(settings)
            return str(layers.Dense(2).compute_dtype)

        assert in_a_thread(work) == "float16"
    finally:
        keras.config.set_dtype_policy(before)


def test_custom_objects_come_on_top_of_those_of_the_scope_outside() -> None:
    class Mine(layers.Layer):
        pass

    class Yours(layers.Layer):
        pass

    def known(name: str) -> Any:
        return keras.saving.get_registered_object(name)

    with keras.saving.custom_object_scope({"Mine": Mine}), compat.dialect().custom_objects_scope({"Yours": Yours}):
        assert (known("Mine"), known("Yours")) == (Mine, Yours)
    assert known("Mine") is None and known("Yours") is None


def test_names_are_numbered_from_the_start_and_then_go_on() -> None:
    first = layers.Dense(2).name
    with compat.dialect().fresh_names():
        assert [layers.Dense(2).name, layers.Dense(2).name] == ["dense", "dense_1"]
    second = layers.Dense(2).name
    assert (first, second) == ("dense", "dense_1")


def test_training_of_the_call_that_is_on_can_be_read_and_set() -> None:
    seen: list[object] = []

    class Outer(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = layers.Dropout(0.5)

        def call(self, x: Any) -> Any:
            seen.append(compat.dialect().context_training())
            compat.dialect().set_context_training(True)
            seen.append(compat.dialect().context_training())
            compat.dialect().set_context_training(False)
            return self.inner(x)

    assert compat.dialect().context_training() is None
    compat.dialect().set_context_training(True)  # nobody is being called: nothing happens
    assert compat.dialect().context_training() is None
    out = Outer()(ops.ones((1, 100)), training=None)
    assert seen[-1] is True and np.all(np.asarray(out) == 1.0)


# --- tensors


def test_what_is_a_tensor_and_what_only_stands_for_one() -> None:
    symbol, live = keras.Input((2,)), ops.convert_to_tensor(NUMBERS)
    assert compat.is_tensor(live) and not compat.is_symbolic(live)
    assert compat.is_symbolic(symbol) and not compat.is_tensor(symbol)
    for other in (NUMBERS, [1.0], None, "text", keras.Variable(NUMBERS)):
        assert not compat.is_symbolic(other)
    assert not compat.is_tensor(NUMBERS)


def test_a_tensor_that_is_traced_has_no_numbers() -> None:
    seen: list[bool] = []

    class Asks(layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append(compat.is_symbolic(x))
            return x

    model = keras.Sequential([keras.Input((2,)), Asks()])
    seen.clear()
    model.predict(np.ones((1, 2), "float32"), verbose=0)
    assert seen and all(seen)
    seen.clear()
    model(np.ones((1, 2), "float32"))
    assert seen == [False]


def test_a_mask_travels_with_a_tensor_and_not_with_its_alias() -> None:
    tensor, mask = ops.convert_to_tensor(NUMBERS), ops.convert_to_tensor([True, False, True])
    assert compat.dialect().get_mask(tensor) is None
    compat.dialect().set_mask(tensor, mask)
    assert np.asarray(compat.dialect().get_mask(tensor)).tolist() == [True, False, True]
    alias = compat.alias(tensor)
    assert compat.dialect().get_mask(alias) is None
    assert np.array_equal(np.asarray(alias), NUMBERS)


def test_sparse_tensors_are_seen_read_and_made() -> None:
    dense = np.array([[0.0, 1.0], [2.0, 0.0]], "float32")
    sparse = compat.to_tensor(dense, sparse=True)
    assert compat.is_sparse(sparse) and not compat.is_sparse(ops.convert_to_tensor(dense))
    assert compat.is_tensor(sparse)
    assert np.array_equal(compat.to_numpy(sparse), dense)
    assert compat.alias(sparse) is sparse


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "bool"])
def test_a_tensor_keeps_the_dtype_and_the_numbers_of_its_array(dtype: str) -> None:
    array = np.array([0, 1, 1]).astype(dtype)
    again = compat.to_numpy(compat.to_tensor(array))
    assert again.dtype == array.dtype and np.array_equal(again, array)


def test_half_of_the_other_kind_goes_to_an_array_and_back_as_it_is() -> None:
    tensor = ops.cast(ops.convert_to_tensor(NUMBERS), "bfloat16")
    array = compat.to_numpy(tensor)
    assert array.dtype.name == "bfloat16" and array.dtype.itemsize == 2
    assert keras.backend.standardize_dtype(compat.to_tensor(array).dtype) == "bfloat16"
    named = compat.as_dtype(array.view(np.uint16), "bfloat16")
    assert named.dtype == array.dtype and named.tobytes() == array.tobytes()
    assert compat.as_dtype(NUMBERS, "float32") is NUMBERS


def test_a_frozen_value_is_safe_from_what_is_assigned_later() -> None:
    variable = keras.Variable(NUMBERS)
    frozen = compat.freeze(variable)
    variable.assign(NUMBERS * 0)
    variable.assign_add(NUMBERS * 7)
    assert np.array_equal(compat.to_numpy(frozen), NUMBERS)


def test_every_variable_is_of_the_class_of_variables() -> None:
    dense = layers.Dense(2)
    dense.build((None, 2))
    assert all(isinstance(variable, compat.dialect().variable_class()) for variable in dense.variables)
    assert not isinstance(NUMBERS, compat.dialect().variable_class())


def test_an_environment_names_what_a_result_depends_on() -> None:
    told = compat.environment()
    backend = keras.backend.backend()
    assert told["keras"] == keras.__version__ and told["backend"] == backend and told["numpy"] == np.__version__
    assert set(told) == {"keras", "backend", backend, "numpy", "python", "platform"}
    assert all(told.values())


# --- what is set on a layer


def test_what_the_backend_keeps_in_a_layer_is_not_set_on_it() -> None:
    layer = layers.Dense(2, name="head")
    layer._self_attention_rate = 0.3
    assert {"_self_attention_rate", "units"} <= compat.attributes_of(layer).keys()
    assert not compat.attributes_of(layer).keys() & compat.TRACKING


class OfTorch:
    """As every layer is on torch: a module, in which Keras lists the variables."""

    def __init__(self, **own: object) -> None:
        self._modules = {"_torch_params": [NUMBERS], **own}


def test_modules_of_torch_are_those_of_the_user() -> None:
    assert compat.attributes_of(OfTorch(linear="a module")) == {"_modules": {"linear": "a module"}}
    assert compat.attributes_of(OfTorch()) == {}
