"""The table of TensorFlow's functions: what each becomes in `keras.ops`."""

from __future__ import annotations

from typing import Final

from tracer.core.migration.op_rule import Bound, OpRule
from tracer.core.migration.rules import UnsupportedError


def _unary(operation: str, *functions: str, module: str = "numpy", parameter: str = "x") -> OpRule:
    return OpRule(
        functions=functions, parameters=(parameter,), tensors=(parameter,), operation=operation, module=module
    )


def _binary(operation: str, *functions: str) -> OpRule:
    return OpRule(functions=functions, parameters=("x", "y"), tensors=("x", "y"), operation=operation)


def _reduction(operation: str, *functions: str, module: str = "numpy") -> OpRule:
    return OpRule(
        functions=functions,
        parameters=("input_tensor", "axis", "keepdims"),
        tensors=("input_tensor",),
        settings={"axis": "axis", "keepdims": "keepdims"},
        operation=operation,
        module=module,
    )


def _constant_padding(bound: Bound) -> Bound:
    if str(bound.get("mode", "CONSTANT")).upper() != "CONSTANT" or bound.get("constant_values", 0) != 0:
        raise UnsupportedError("`tf.pad` with another mode or value than zeros is not carried over")
    return {name: value for name, value in bound.items() if name not in ("mode", "constant_values")}


def _plain_matmul(bound: Bound) -> Bound:
    return {name: value for name, value in bound.items() if value is not False}


def _short_indices(bound: Bound) -> Bound:
    if bound.get("output_type") != "int32":
        raise UnsupportedError(
            "`tf.argmax` and `tf.argmin` return int64, those of `keras.ops` int32",
            "Give them output_type=tf.int32, in the code that built the model.",
        )
    return {name: value for name, value in bound.items() if name != "output_type"}


def _plain_gather(bound: Bound) -> Bound:
    rest = dict(bound)
    if rest.pop("batch_dims", 0):
        raise UnsupportedError("`tf.gather` with batch_dims has no equivalent in `keras.ops.take`")
    return {**rest, "axis": rest.get("axis") or 0}


def _equal_parts(bound: Bound) -> Bound:
    sizes = bound.get("num_or_size_splits")
    if isinstance(sizes, list):
        if -1 in sizes:
            raise UnsupportedError("`tf.split` with a size of -1 is not carried over")
        ends = [sum(sizes[: index + 1]) for index in range(len(sizes) - 1)]
        return {**bound, "num_or_size_splits": ends}
    return bound


def _axes_of_squeeze(bound: Bound) -> Bound:
    axis = bound.get("axis")
    if isinstance(axis, list):
        axis = axis[0] if len(axis) == 1 else axis or None
    return {**bound, "axis": axis}


def _slice(bound: Bound) -> Bound:
    spec = bound["slice_spec"]
    parts = spec if isinstance(spec, list) else [spec]
    return {**bound, "slice_spec": [_part(part) for part in parts]}


def _part(part: object) -> object:
    """One part of `x[…]`: a number, None, `...`, or a slice, as Keras 3 writes it."""
    if isinstance(part, dict) and {"start", "stop", "step"} <= part.keys():
        ends = {name: part[name] for name in ("start", "stop", "step")}
        if any(isinstance(end, (list, dict)) for end in ends.values()):
            raise UnsupportedError("a slice whose ends are tensors is not carried over")
        return {"class_name": "__slice__", "config": ends}
    if isinstance(part, dict) and part.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    if part is None or isinstance(part, int):
        return part
    raise UnsupportedError("indexing by a tensor is not carried over", "Write it with `keras.ops.take`.")


OP_RULES: Final[tuple[OpRule, ...]] = (
    _binary("Add", "math.add", "__operators__.add", "add"),
    _binary("Subtract", "math.subtract", "subtract", "__operators__.sub"),
    _binary("Multiply", "math.multiply", "multiply", "__operators__.mul"),
    _binary("TrueDivide", "math.truediv", "math.divide", "divide", "__operators__.truediv"),
    _binary("FloorDivide", "math.floordiv", "__operators__.floordiv"),
    _binary("Mod", "math.floormod", "math.mod", "__operators__.mod"),
    _binary("Power", "math.pow", "pow", "__operators__.pow"),
    _binary("Maximum", "math.maximum", "maximum"),
    _binary("Minimum", "math.minimum", "minimum"),
    _binary("Greater", "math.greater", "greater"),
    _binary("GreaterEqual", "math.greater_equal", "greater_equal"),
    _binary("Less", "math.less", "less"),
    _binary("LessEqual", "math.less_equal", "less_equal"),
    _binary("Equal", "math.equal", "equal", "__operators__.eq"),
    _binary("NotEqual", "math.not_equal", "not_equal", "__operators__.ne"),
    _binary("LogicalAnd", "math.logical_and", "__operators__.and"),
    _binary("LogicalOr", "math.logical_or", "__operators__.or"),
    _unary("LogicalNot", "math.logical_not"),
    _unary("Negative", "math.negative", "negative", "__operators__.neg"),
    _unary("Absolute", "math.abs", "abs", "__operators__.abs"),
    _unary("Exp", "math.exp", "exp"),
    _unary("Expm1", "math.expm1"),
    _unary("Log", "math.log"),
    _unary("Log1p", "math.log1p"),
    _unary("Sqrt", "math.sqrt", "sqrt"),
    _unary("Rsqrt", "math.rsqrt", module="math"),
    _unary("Reciprocal", "math.reciprocal"),
    _unary("Square", "math.square", "square"),
    _unary("Sin", "math.sin", "sin"),
    _unary("Cos", "math.cos", "cos"),
    _unary("Tan", "math.tan"),
    _unary("Tanh", "math.tanh", "nn.tanh", "tanh"),
    _unary("Floor", "math.floor", "floor"),
    _unary("Ceil", "math.ceil"),
    _unary("Round", "math.round", "round"),
    _unary("Sign", "math.sign", "sign"),
    _unary("Erf", "math.erf", module="math"),
    _unary("Isnan", "math.is_nan"),
    _unary("ZerosLike", "zeros_like", parameter="input"),
    _unary("OnesLike", "ones_like", parameter="input"),
    _unary("Sigmoid", "math.sigmoid", "nn.sigmoid", "sigmoid", module="nn"),
    _unary("Relu", "nn.relu", module="nn", parameter="features"),
    _unary("Relu6", "nn.relu6", module="nn", parameter="features"),
    _unary("Elu", "nn.elu", module="nn", parameter="features"),
    _unary("Selu", "nn.selu", module="nn", parameter="features"),
    _unary("Softplus", "math.softplus", "nn.softplus", module="nn", parameter="features"),
    _unary("Softsign", "nn.softsign", module="nn", parameter="features"),
    OpRule(
        functions=("nn.silu", "nn.swish"),
        parameters=("features", "beta"),
        tensors=("features",),
        operation="Silu",
        module="nn",
        adapt=lambda bound: {name: value for name, value in bound.items() if (name, value) != ("beta", 1.0)},
    ),
    OpRule(
        functions=("nn.gelu",),
        parameters=("features", "approximate"),
        tensors=("features",),
        settings={"approximate": "approximate"},
        defaults={"approximate": False},
        operation="Gelu",
        module="nn",
    ),
    OpRule(
        functions=("nn.leaky_relu",),
        parameters=("features", "alpha"),
        tensors=("features",),
        settings={"alpha": "negative_slope"},
        defaults={"alpha": 0.2},
        operation="LeakyRelu",
        module="nn",
    ),
    *(
        OpRule(
            functions=(f"nn.{name}",),
            parameters=("logits", "axis"),
            tensors=("logits",),
            settings={"axis": "axis"},
            defaults={"axis": -1},
            operation=operation,
            module="nn",
        )
        for name, operation in (("softmax", "Softmax"), ("log_softmax", "LogSoftmax"))
    ),
    _reduction("Mean", "math.reduce_mean", "reduce_mean"),
    _reduction("Sum", "math.reduce_sum", "reduce_sum"),
    _reduction("Max", "math.reduce_max", "reduce_max"),
    _reduction("Min", "math.reduce_min", "reduce_min"),
    _reduction("Prod", "math.reduce_prod", "reduce_prod"),
    _reduction("Any", "math.reduce_any", "reduce_any"),
    _reduction("All", "math.reduce_all", "reduce_all"),
    _reduction("Var", "math.reduce_variance"),
    _reduction("Std", "math.reduce_std"),
    _reduction("Logsumexp", "math.reduce_logsumexp", module="math"),
    *(
        OpRule(
            functions=(f"math.{name}", name),
            parameters=("input", "axis"),
            tensors=("input",),
            settings={"axis": "axis"},
            defaults={"axis": 0},
            operation=operation,
            adapt=_short_indices,
        )
        for name, operation in (("argmax", "Argmax"), ("argmin", "Argmin"))
    ),
    OpRule(
        functions=("reshape", "compat.v1.reshape"),
        parameters=("tensor", "shape"),
        tensors=("tensor",),
        settings={"shape": "newshape"},
        operation="Reshape",
    ),
    OpRule(
        functions=("transpose", "compat.v1.transpose"),
        parameters=("a", "perm"),
        tensors=("a",),
        settings={"perm": "axes"},
        operation="Transpose",
    ),
    OpRule(
        functions=("expand_dims",),
        parameters=("input", "axis"),
        tensors=("input",),
        settings={"axis": "axis"},
        operation="ExpandDims",
    ),
    OpRule(
        functions=("squeeze", "compat.v1.squeeze"),
        parameters=("input", "axis"),
        tensors=("input",),
        settings={"axis": "axis"},
        operation="Squeeze",
        adapt=_axes_of_squeeze,
    ),
    OpRule(
        functions=("concat",),
        parameters=("values", "axis"),
        tensors=("values",),
        settings={"axis": "axis"},
        operation="Concatenate",
    ),
    OpRule(
        functions=("stack",),
        parameters=("values", "axis"),
        tensors=("values",),
        settings={"axis": "axis"},
        defaults={"axis": 0},
        operation="Stack",
    ),
    OpRule(
        functions=("split",),
        parameters=("value", "num_or_size_splits", "axis"),
        tensors=("value",),
        settings={"num_or_size_splits": "indices_or_sections", "axis": "axis"},
        defaults={"axis": 0},
        operation="Split",
        adapt=_equal_parts,
    ),
    OpRule(
        functions=("tile",),
        parameters=("input", "multiples"),
        tensors=("input",),
        settings={"multiples": "repeats"},
        operation="Tile",
    ),
    OpRule(
        functions=("cast",),
        parameters=("x", "dtype"),
        settings={"dtype": "dtype"},
        operation="Cast",
        module="core",
    ),
    OpRule(
        functions=("pad", "compat.v1.pad"),
        parameters=("tensor", "paddings"),
        tensors=("tensor",),
        settings={"paddings": "pad_width"},
        operation="Pad",
        adapt=_constant_padding,
    ),
    OpRule(
        functions=("where",),
        parameters=("condition", "x", "y"),
        tensors=("condition", "x", "y"),
        operation="Where",
    ),
    OpRule(
        functions=("clip_by_value",),
        parameters=("t", "clip_value_min", "clip_value_max"),
        tensors=("t",),
        settings={"clip_value_min": "x_min", "clip_value_max": "x_max"},
        operation="Clip",
    ),
    OpRule(
        functions=("linalg.matmul", "matmul"),
        parameters=("a", "b"),
        tensors=("a", "b"),
        operation="Matmul",
        adapt=_plain_matmul,
    ),
    OpRule(
        functions=("gather", "compat.v1.gather"),
        parameters=("params", "indices"),
        tensors=("params", "indices"),
        settings={"axis": "axis"},
        operation="Take",
        adapt=_plain_gather,
    ),
    OpRule(
        functions=("math.l2_normalize", "linalg.l2_normalize"),
        parameters=("x", "axis"),
        settings={"axis": "axis", "epsilon": "epsilon"},
        defaults={"epsilon": 1e-12},
        operation="Normalize",
        module="nn",
    ),
    OpRule(
        functions=("one_hot",),
        parameters=("indices", "depth"),
        tensors=("indices",),
        settings={"depth": "num_classes"},
        operation="OneHot",
        module="nn",
    ),
    OpRule(
        functions=("__operators__.getitem",),
        parameters=("tensor", "slice_spec"),
        tensors=("tensor", "slice_spec"),
        operation="GetItem",
        adapt=_slice,
    ),
)
