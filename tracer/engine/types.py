"""Types of what Keras and its backends handle, and have no public class for.

They are for annotations alone and cost nothing at run time.  Keras' own classes (`keras.Layer`, `keras.Variable`, …)
are named directly: annotations aren't evaluated, so that a release may lack one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import keras

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

# Tensors in lists, tuples and dictionaries, nested as one likes, or a single one; among them may be any other values,
# so that nothing is known of a structure until `is_tensor` or `is_array` was asked of a leaf.
Structure: TypeAlias = object
# Arguments of a call whose signature isn't known: what is in them is handed on, to whoever knows.
Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = dict[str, Any]
Method: TypeAlias = Callable[..., Structure]  # of Keras: the original of what is replaced while a model is observed


class Tensor(Protocol):
    """A tensor of the backend, a placeholder of Keras, or a NumPy array: what all of them have."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes of its dimensions, None where a placeholder leaves one open."""

    @property
    def dtype(self) -> Any:
        """Its dtype: an object of the backend's, or a name."""


class NodeArguments(Protocol):
    """What a node of a graph calls its operation with; Keras' `SymbolicArguments`."""

    @property
    def args(self) -> Args:
        """Positional arguments, with placeholders for tensors."""

    @property
    def kwargs(self) -> Kwargs:
        """Keyword arguments, with placeholders for tensors."""

    @property
    def keras_tensors(self) -> Sequence[keras.KerasTensor]:
        """The placeholders among them."""

    def fill_in(self, tensor_dict: Mapping[int, Structure]) -> tuple[Args, Kwargs]:
        """The arguments with live tensors, which are given by the `id` of their placeholder."""


class Node(Protocol):
    """One call of an operation in a graph; Keras' `Node`."""

    @property
    def operation(self) -> keras.Operation:
        """What is called."""

    @property
    def arguments(self) -> NodeArguments:
        """What it is called with."""

    @property
    def input_tensors(self) -> Sequence[keras.KerasTensor]:
        """The placeholders among its arguments."""

    @property
    def outputs(self) -> Sequence[keras.KerasTensor]:
        """The placeholders that it returns."""

    @property
    def is_input(self) -> bool:
        """It is an input of the graph, and calls nothing."""


class Graph(Protocol):
    """A graph of operations; Keras' `Function`, which a `Functional` model is one of."""

    _inputs_struct: Structure
    _outputs_struct: Structure
    _nodes_by_depth: Mapping[int, Sequence[Node]]
    _operations: Sequence[keras.Operation]

    @property
    def inputs(self) -> Sequence[keras.KerasTensor]:
        """Its placeholders, flat."""

    @property
    def outputs(self) -> Sequence[keras.KerasTensor]:
        """What it computes, flat."""
