"""A rule for one of TensorFlow's functions in a graph (`TFOpLambda`): it becomes one of `keras.ops`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tracer.core.migration.rules import Config, UnsupportedError

# Arguments of a call by TensorFlow's names of them; tensors are placeholders.
Bound: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCall:
    """An operation of `keras.ops`, and what it is called with.

    Attributes:
        class_name: of the operation.
        module: below `keras.src.ops`.
        args: of the call, in order.
        config: of the operation.
    """

    class_name: str
    module: str
    args: tuple[Any, ...]
    config: Config = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpRule:
    """One function of TensorFlow.

    Attributes:
        functions: its names, as Keras 2 writes them.
        parameters: its parameters in order, the first of which Keras 2 gives by position.
        operation: class of the operation.
        module: of the operation, below `keras.src.ops`.
        tensors: parameters that are handed to the operation's call, in order.
        settings: other parameters → argument of the operation.
        defaults: what TensorFlow takes for parameters that aren't given, where Keras takes something else.
        adapt: changes the bound arguments before they are used; refuses what has no equivalent.
        when: whether it is the rule for these arguments, where a function has several.
    """

    functions: tuple[str, ...]
    parameters: tuple[str, ...]
    operation: str
    module: str = "numpy"
    tensors: tuple[str, ...] = ("x",)
    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    adapt: Callable[[Bound], Bound] = lambda bound: bound
    when: Callable[[Bound], bool] = lambda bound: True

    def call(self, bound: Bound) -> OpCall:
        """The operation for one call.

        Raises:
            UnsupportedError: if an argument has no equivalent.
        """
        bound = self.adapt({**self.defaults, **bound})
        missing = [name for name in self.tensors if name not in bound]
        if missing:
            raise UnsupportedError(f"`tf.{self.functions[0]}` without {', '.join(missing)} is not carried over")
        known = {*self.tensors, *self.settings}
        unknown = [name for name, value in bound.items() if name not in known and value not in (None, False)]
        if unknown:
            told = ", ".join(f"{name}={bound[name]!r}" for name in unknown)
            raise UnsupportedError(f"`tf.{self.functions[0]}` with {told} has no equivalent in `keras.ops`")
        return OpCall(
            class_name=self.operation,
            module=self.module,
            args=tuple(_constant(bound[name]) for name in self.tensors),
            config={theirs: bound[ours] for ours, theirs in self.settings.items() if ours in bound},
        )


def _constant(value: Any) -> Any:
    """A list of numbers as the array that it stands for; anything else as it is."""
    leaves = list(_leaves(value)) if isinstance(value, list) else []
    if leaves and all(isinstance(leaf, float) for leaf in leaves):
        return {"class_name": "__numpy__", "config": {"value": value, "dtype": "float32"}}
    return value


def _leaves(value: Any) -> Iterator[Any]:
    for item in value:
        if isinstance(item, list):
            yield from _leaves(item)
        else:
            yield item
