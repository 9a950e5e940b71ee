"""Functions of TensorFlow as operations of keras.ops: arguments in their places, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracer.core.migration.op_table import OP_RULES
from tracer.core.migration.operations import operation_for
from tracer.core.migration.rules import UnsupportedError

_X, _Y, _Z = "first", "second", "third"


@pytest.mark.parametrize(
    ("function", "keywords", "class_name", "config", "args"),
    [
        ("math.multiply", {"y": 2.0, "name": None}, "Multiply", {}, (_X, 2.0)),
        ("__operators__.add", {"y": _Y}, "Add", {}, (_X, _Y)),
        ("math.truediv", {"y": 3.0}, "TrueDivide", {}, (_X, 3.0)),
        ("math.negative", {"name": None}, "Negative", {}, (_X,)),
        ("math.reduce_mean", {"axis": [1], "keepdims": True}, "Mean", {"axis": [1], "keepdims": True}, (_X,)),
        ("math.reduce_sum", {}, "Sum", {}, (_X,)),
        ("concat", {"axis": -1}, "Concatenate", {"axis": -1}, (_X,)),
        ("stack", {}, "Stack", {"axis": 0}, (_X,)),
        ("where", {"x": _Y, "y": _Z}, "Where", {}, (_X, _Y, _Z)),
        ("reshape", {"shape": [-1, 24]}, "Reshape", {"newshape": [-1, 24]}, (_X,)),
        ("compat.v1.transpose", {"perm": [0, 2, 1], "conjugate": False}, "Transpose", {"axes": [0, 2, 1]}, (_X,)),
        ("compat.v1.squeeze", {"axis": [1]}, "Squeeze", {"axis": 1}, (_X,)),
        ("squeeze", {"axis": [1, 2]}, "Squeeze", {"axis": [1, 2]}, (_X,)),
        ("nn.gelu", {}, "Gelu", {"approximate": False}, (_X,)),  # Keras' own default is the approximation
        ("nn.gelu", {"approximate": True}, "Gelu", {"approximate": True}, (_X,)),
        ("nn.leaky_relu", {}, "LeakyRelu", {"negative_slope": 0.2}, (_X,)),
        ("nn.leaky_relu", {"alpha": 0.3}, "LeakyRelu", {"negative_slope": 0.3}, (_X,)),
        ("nn.silu", {"beta": 1.0}, "Silu", {}, (_X,)),
        ("nn.softmax", {}, "Softmax", {"axis": -1}, (_X,)),
        ("math.argmax", {"output_type": "int32"}, "Argmax", {"axis": 0}, (_X,)),
        (
            "math.add",
            {"y": [1.0, 2.0]},
            "Add",
            {},
            (_X, {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}),
        ),
        ("split", {"num_or_size_splits": 2, "axis": 1}, "Split", {"indices_or_sections": 2, "axis": 1}, (_X,)),
        ("split", {"num_or_size_splits": [1, 2, 3]}, "Split", {"indices_or_sections": [1, 3], "axis": 0}, (_X,)),
        ("clip_by_value", {"clip_value_min": 0, "clip_value_max": 1}, "Clip", {"x_min": 0, "x_max": 1}, (_X,)),
        ("compat.v1.gather", {"indices": [0], "axis": 1, "batch_dims": 0}, "Take", {"axis": 1}, (_X, [0])),
        ("compat.v1.gather", {"indices": [0], "axis": None}, "Take", {"axis": 0}, (_X, [0])),
        (
            "compat.v1.pad",
            {"paddings": [[0, 0], [1, 1]], "mode": "CONSTANT", "constant_values": 0},
            "Pad",
            {"pad_width": [[0, 0], [1, 1]]},
            (_X,),
        ),
        ("cast", {"dtype": "float16"}, "Cast", {"dtype": "float16"}, (_X,)),
        ("linalg.matmul", {"b": _Y, "transpose_b": False}, "Matmul", {}, (_X, _Y)),
    ],
)
def test_a_function_becomes_an_operation(
    function: str, keywords: dict[str, Any], class_name: str, config: dict[str, Any], args: tuple[Any, ...]
) -> None:
    found = operation_for(function, _X, keywords)
    assert (found.class_name, found.config, found.args) == (class_name, config, args)


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (
            [{"start": None, "stop": None, "step": None}, {"start": 1, "stop": 3, "step": None}],
            [
                {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}},
                {"class_name": "__slice__", "config": {"start": 1, "stop": 3, "step": None}},
            ],
        ),
        ([None, 0, -1], [None, 0, -1]),
        ([{"class_name": "__ellipsis__"}, 1], [{"class_name": "__ellipsis__", "config": {}}, 1]),
        (2, [2]),
    ],
)
def test_indexing(spec: object, key: list[object]) -> None:
    found = operation_for("__operators__.getitem", _X, {"slice_spec": spec})
    assert (found.class_name, found.args) == ("GetItem", (_X, key))


@pytest.mark.parametrize(
    ("function", "keywords", "says"),
    [
        ("signal.fft", {}, "`tf.signal.fft` has no rule"),
        ("math.argmax", {"axis": 1}, "return int64, those of `keras.ops` int32"),
        ("linalg.matmul", {"b": _Y, "transpose_b": True}, "transpose_b=True has no equivalent"),
        ("nn.silu", {"beta": 2.0}, "beta=2.0 has no equivalent"),
        ("compat.v1.pad", {"paddings": [], "mode": "REFLECT"}, "another mode or value than zeros"),
        ("pad", {"paddings": [], "constant_values": 1.0}, "another mode or value than zeros"),
        ("gather", {"indices": [0], "batch_dims": 1}, "with batch_dims has no equivalent"),
        ("split", {"num_or_size_splits": [1, -1]}, "a size of -1"),
        ("where", {}, "without x, y is not carried over"),
        ("__operators__.getitem", {"slice_spec": [{"start": ["x", 0, 0], "stop": None, "step": None}]}, "are tensors"),
        ("__operators__.getitem", {"slice_spec": [["x", 0, 0]]}, "indexing by a tensor"),
    ],
)
def test_what_has_no_operation_is_refused(function: str, keywords: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        operation_for(function, _X, keywords)


def test_no_function_has_two_rules() -> None:
    functions = [function for rule in OP_RULES for function in rule.functions]
    assert sorted(functions) == sorted(set(functions))


@pytest.mark.parametrize("rule", OP_RULES, ids=lambda rule: rule.functions[0])
def test_every_operation_exists_and_takes_its_settings(rule: Any) -> None:
    """Built by the Keras at hand, under the name that its call site had in Keras 2."""
    import importlib
    import inspect

    operation = getattr(importlib.import_module(f"keras.src.ops.{rule.module}"), rule.operation)
    takes = inspect.signature(operation.__init__).parameters
    assert set(rule.settings.values()) <= set(takes), takes
    call = inspect.signature(operation.call).parameters
    assert len(call) - 1 >= len(rule.tensors) or any(p.kind is p.VAR_POSITIONAL for p in call.values())


@pytest.mark.parametrize(
    ("function", "keywords", "x", "expected"),
    [
        ("math.subtract", {"y": 1.0}, [3.0, 1.0], [2.0, 0.0]),
        ("math.floormod", {"y": 2.0}, [3.0, -1.0], [1.0, 1.0]),
        ("math.rsqrt", {}, [4.0, 0.25], [0.5, 2.0]),
        ("nn.relu6", {}, [7.0, -1.0], [6.0, 0.0]),
        ("math.reduce_variance", {"axis": 0}, [1.0, 3.0], 1.0),
        ("math.l2_normalize", {"axis": 0}, [3.0, 4.0], [0.6, 0.8]),
        ("clip_by_value", {"clip_value_min": 0.0, "clip_value_max": 1.0}, [2.0, -1.0], [1.0, 0.0]),
        ("split", {"num_or_size_splits": [1, 1]}, [5.0, 6.0], [[5.0], [6.0]]),
        ("tile", {"multiples": [2]}, [1.0, 2.0], [1.0, 2.0, 1.0, 2.0]),
    ],
)
def test_the_operation_computes_what_tensorflow_does(
    function: str, keywords: dict[str, Any], x: list[float], expected: Any
) -> None:
    import importlib

    found = operation_for(function, np.array(x, "float32"), keywords)
    operation = getattr(importlib.import_module(f"keras.src.ops.{found.module}"), found.class_name)(**found.config)
    np.testing.assert_allclose(np.array(operation(*found.args)), expected, rtol=1e-6)
