"""The table of TensorFlow's functions that take a tensor element by element, or along its last axis."""

from __future__ import annotations

from typing import Final

from tracer.core.migration.op_rule import OpRule


def _unary(operation: str, *functions: str, module: str = "numpy", parameter: str = "x") -> OpRule:
    return OpRule(
        functions=functions, parameters=(parameter,), tensors=(parameter,), operation=operation, module=module
    )


def _binary(operation: str, *functions: str) -> OpRule:
    return OpRule(functions=functions, parameters=("x", "y"), tensors=("x", "y"), operation=operation)


ELEMENTWISE_RULES: Final[tuple[OpRule, ...]] = (
    _binary("Add", "math.add", "__operators__.add", "add"),
    _binary("Subtract", "math.subtract", "subtract", "__operators__.sub"),
    _binary("Multiply", "math.multiply", "multiply", "__operators__.mul"),
    _binary("TrueDivide", "math.truediv", "math.divide", "divide", "__operators__.truediv"),
    _binary("FloorDivide", "math.floordiv", "__operators__.floordiv", "compat.v1.floor_div"),
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
    _binary("DivideNoNan", "math.divide_no_nan"),
    _binary("LogicalXor", "math.logical_xor"),
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
    _unary("Isfinite", "math.is_finite"),
    _unary("Isinf", "math.is_inf"),
    _unary("Arctan", "math.atan", "atan"),
    _unary("Arcsin", "math.asin", "asin"),
    _unary("Arccos", "math.acos", "acos"),
    _unary("Sinh", "math.sinh", "sinh"),
    _unary("Cosh", "math.cosh", "cosh"),
    _unary("LogSigmoid", "math.log_sigmoid", module="nn"),
    _unary("Copy", "identity", parameter="input"),
    _unary("StopGradient", "stop_gradient", module="core", parameter="input"),
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
)
