"""Functions of TensorFlow as operations of keras.ops: arguments in their places, and what is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tracer.core.migration.op_table import OP_RULES
from tracer.core.migration.operations import operation_for
from tracer.core.migration.rules import UnsupportedError

_INDEX = "__operators__.getitem"
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
            {"pad_width": [[0, 0], [1, 1]], "mode": "constant"},
            (_X,),
        ),
        ("cast", {"dtype": "float16"}, "Cast", {"dtype": "float16"}, (_X,)),
        ("linalg.matmul", {"b": _Y, "transpose_b": False}, "Matmul", {}, (_X, _Y)),
        ("linalg.matmul", {"b": _Y, "transpose_b": True}, "Einsum", {"subscripts": "...ij,...kj->...ik"}, (_X, _Y)),
        (
            "matmul",
            {"b": _Y, "transpose_a": True, "transpose_b": True},
            "Einsum",
            {"subscripts": "...ji,...kj->...ik"},
            (_X, _Y),
        ),
        (
            "image.resize",
            {"size": [4, 6], "method": "nearest", "antialias": False},
            "Resize",
            {"size": [4, 6], "interpolation": "nearest", "antialias": False, "data_format": "channels_last"},
            (_X,),
        ),
        (
            "image.resize",
            {"size": [4, 6]},
            "Resize",
            {"size": [4, 6], "interpolation": "bilinear", "data_format": "channels_last"},
            (_X,),
        ),
        ("pad", {"paddings": [[1, 1]], "mode": "REFLECT"}, "Pad", {"pad_width": [[1, 1]], "mode": "reflect"}, (_X,)),
        ("math.top_k", {"k": 2, "sorted": True}, "TopK", {"k": 2, "sorted": True}, (_X,)),
        ("compat.v1.floor_div", {"y": 2.0}, "FloorDivide", {}, (_X, 2.0)),
        ("math.cumsum", {"axis": 1}, "Cumsum", {"axis": 1}, (_X,)),
        ("math.cumprod", {"exclusive": False}, "Cumprod", {"axis": 0}, (_X,)),
        ("norm", {"axis": -1, "keepdims": True}, "Norm", {"axis": -1, "keepdims": True}, (_X,)),
        ("norm", {"ord": "euclidean", "axis": 1}, "Norm", {"axis": 1}, (_X,)),
        ("reverse", {"axis": [1]}, "Flip", {"axis": [1]}, (_X,)),
        ("roll", {"shift": 2, "axis": 1}, "Roll", {"shift": 2, "axis": 1}, (_X,)),
        ("repeat", {"repeats": 3, "axis": 1}, "Repeat", {"repeats": 3, "axis": 1}, (_X,)),
        ("unstack", {"axis": 1}, "Unstack", {"axis": 1}, (_X,)),
        ("unstack", {}, "Unstack", {"axis": 0}, (_X,)),
        ("broadcast_to", {"shape": [3, 2]}, "BroadcastTo", {"shape": [3, 2]}, (_X,)),
        ("stop_gradient", {}, "StopGradient", {}, (_X,)),
        ("math.divide_no_nan", {"y": _Y}, "DivideNoNan", {}, (_X, _Y)),
    ],
)
def test_a_function_becomes_an_operation(
    function: str, keywords: dict[str, Any], class_name: str, config: dict[str, Any], args: tuple[Any, ...]
) -> None:
    found = operation_for(function, _X, keywords)
    assert (found.class_name, found.config, found.args) == (class_name, config, args)


_ALL, _BACK = ({"start": None, "stop": None, "step": step} for step in (None, -1))
_REST = {"class_name": "__ellipsis__"}


@pytest.mark.parametrize(
    ("spec", "axes"),
    [
        ([_ALL, _BACK], [1]),
        ([_BACK, {**_ALL, "step": 1}, _BACK], [0, 2]),
        (_BACK, [0]),
        ([_REST, _BACK], [-1]),
        ([_BACK, _REST, _BACK, _ALL], [0, -2]),
    ],
)
def test_axes_that_are_turned_round_are_flipped(spec: Any, axes: list[int]) -> None:
    found = operation_for("__operators__.getitem", _X, {"slice_spec": spec})
    assert (found.class_name, found.config, found.args) == ("Flip", {"axis": axes}, (_X,))


@pytest.mark.parametrize(
    "spec",
    [[_ALL], [_REST], [_BACK, 0], [None, _BACK], [_BACK, {**_ALL, "stop": 3}], [{**_BACK, "start": 2}], [2]],
)
def test_what_takes_less_than_everything_stays_an_index(spec: Any) -> None:
    assert operation_for("__operators__.getitem", _X, {"slice_spec": spec}).class_name == "GetItem"


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


def test_a_box_is_an_index() -> None:
    found = operation_for("slice", _X, {"begin": [0, 1], "size": [-1, 2]})
    ends = [part["config"] for part in found.args[1]]
    assert ends == [{"start": 0, "stop": None, "step": None}, {"start": 1, "stop": 3, "step": None}]


@pytest.mark.parametrize(
    ("function", "keywords", "says"),
    [
        ("signal.fft", {}, "`tf.signal.fft` has no rule"),
        ("math.argmax", {"axis": 1}, "return int64, those of `keras.ops` int32"),
        ("linalg.matmul", {"b": _Y, "adjoint_a": True}, "adjoint_a=True has no equivalent"),
        ("matmul", {"b": _Y, "transpose_b": True, "b_is_sparse": True}, "b_is_sparse=True has no equivalent"),
        ("image.resize", {"size": [4, 4], "method": "area"}, "method='area' is not carried over"),
        ("image.resize", {"size": [4, 4], "preserve_aspect_ratio": True}, "preserve_aspect_ratio=True has no equiv"),
        ("math.cumsum", {"exclusive": True}, "exclusive or reverse running sums"),
        ("math.cumprod", {"reverse": True}, "exclusive or reverse running sums"),
        ("norm", {"ord": 1, "axis": 1}, "with ord=1 is not carried over"),
        ("norm", {}, "over several axes is not carried over"),
        ("norm", {"axis": [0, 1]}, "over several axes is not carried over"),
        ("nn.silu", {"beta": 2.0}, "beta=2.0 has no equivalent"),
        ("pad", {"paddings": [], "constant_values": 1.0}, "other values than zeros"),
        ("slice", {"begin": [0, 1], "size": [["x", 0, 0], 1]}, "ends that are tensors"),
        ("slice", {"begin": ["x", 0, 0], "size": [1, 1]}, "ends that are tensors"),
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


def test_no_function_has_two_rules_for_one_call() -> None:
    functions = Counter(function for rule in OP_RULES for function in rule.functions)
    assert {function for function, count in functions.items() if count > 1} == {"linalg.matmul", "matmul", _INDEX}
    for spec in ([_ALL, _BACK], [_ALL], [0, _BACK], None):
        assert sum(rule.when({"slice_spec": spec}) for rule in OP_RULES if _INDEX in rule.functions) == 1
    for keywords in ({}, {"transpose_a": True}, {"transpose_b": True}, {"transpose_b": False}):
        assert sum(rule.when(keywords) for rule in OP_RULES if "matmul" in rule.functions) == 1


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
        ("math.l2_normalize", {"axis": 0}, [3e-8, 4e-8], [0.03, 0.04]),  # shorter than the square root of its epsilon
        ("math.l2_normalize", {"axis": 0, "epsilon": 25.0}, [1.5, 2.0], [0.3, 0.4]),
        ("clip_by_value", {"clip_value_min": 0.0, "clip_value_max": 1.0}, [2.0, -1.0], [1.0, 0.0]),
        ("split", {"num_or_size_splits": [1, 1]}, [5.0, 6.0], [[5.0], [6.0]]),
        ("tile", {"multiples": [2]}, [1.0, 2.0], [1.0, 2.0, 1.0, 2.0]),
        ("math.cumsum", {}, [[1.0], [2.0]], [[1.0], [3.0]]),
        ("pad", {"paddings": [[1, 1]], "mode": "REFLECT"}, [1.0, 2.0, 3.0], [2.0, 1.0, 2.0, 3.0, 2.0]),
        ("pad", {"paddings": [[1, 1]], "mode": "SYMMETRIC"}, [1.0, 2.0], [1.0, 1.0, 2.0, 2.0]),
        ("math.cumprod", {"axis": 1}, [[2.0, 3.0]], [[2.0, 6.0]]),
        ("norm", {"axis": 0}, [3.0, 4.0], 5.0),
        ("reverse", {"axis": [0]}, [1.0, 2.0], [2.0, 1.0]),
        ("roll", {"shift": 1, "axis": 0}, [1.0, 2.0, 3.0], [3.0, 1.0, 2.0]),
        ("repeat", {"repeats": 2, "axis": 0}, [1.0, 2.0], [1.0, 1.0, 2.0, 2.0]),
        ("unstack", {}, [[1.0], [2.0]], [[1.0], [2.0]]),
        ("math.divide_no_nan", {"y": 0.0}, [1.0, 2.0], [0.0, 0.0]),
        ("math.log_sigmoid", {}, [0.0], [-0.6931472]),
        ("math.atan", {}, [1.0], [0.7853982]),
        ("identity", {}, [1.0], [1.0]),
        ("broadcast_to", {"shape": [2, 2]}, [1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]),
    ],
)
def test_the_operation_computes_what_tensorflow_does(
    function: str, keywords: dict[str, Any], x: list[float], expected: Any
) -> None:
    import importlib

    found = operation_for(function, np.array(x, "float32"), keywords)
    operation = getattr(importlib.import_module(f"keras.src.ops.{found.module}"), found.class_name)(**found.config)
    np.testing.assert_allclose(np.array(operation(*found.args)), expected, rtol=1e-6)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_a_product_of_transposed_matrices(transpose_a: bool, transpose_b: bool, batch: tuple[int, ...]) -> None:
    import importlib

    random = np.random.RandomState(0)
    a, b = (random.normal(size=(*batch, *shape)).astype("float32") for shape in ((3, 4), (4, 5)))
    expected = a @ b
    first, second = (x.swapaxes(-1, -2) if flag else x for x, flag in ((a, transpose_a), (b, transpose_b)))
    found = operation_for("matmul", first, {"b": second, "transpose_a": transpose_a, "transpose_b": transpose_b})
    operation = getattr(importlib.import_module(f"keras.src.ops.{found.module}"), found.class_name)(**found.config)
    np.testing.assert_allclose(np.array(operation(*found.args)), expected, rtol=1e-5)
