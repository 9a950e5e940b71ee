"""The operation of `keras.ops` for a call of one of TensorFlow's functions."""

from __future__ import annotations

from typing import Final

from tracer.core.migration.op_rule import OpCall
from tracer.core.migration.op_table import OP_RULES
from tracer.core.migration.rules import Config, UnsupportedError

_IGNORED: Final = frozenset({"name", "validate_indices"})


def operation_for(function: str, first: object, keywords: Config) -> OpCall:
    """The operation of `keras.ops` for a call of a TensorFlow function.

    Args:
        function: as Keras 2 writes it, such as `math.multiply`.
        first: its first argument.
        keywords: its other arguments by name.

    Raises:
        UnsupportedError: if there is none.
    """
    given = {name: value for name, value in keywords.items() if name not in _IGNORED}
    for rule in OP_RULES:
        if function in rule.functions and rule.when(given):
            return rule.call({rule.parameters[0]: first, **given})
    raise UnsupportedError(
        f"`tf.{function}` has no rule",
        "Replace it by a layer or a function of keras.ops that computes the same, in the code that built the model.",
    )
