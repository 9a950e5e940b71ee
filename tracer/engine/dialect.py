"""What the engine has to know of one generation of Keras: its internals behind one set of questions.

`tracer.engine.keras3` and `tracer.engine.keras2.dialect` answer them; `tracer.engine.compat` chooses between the two,
and nothing else in the engine asks which generation it runs on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tracer.engine.types import Args, Graph, Kwargs, Node, Tensor

if TYPE_CHECKING:
    import keras

# Class, name of its method, and the method of an observer that takes its place.
Target = tuple[type, str, str]


class Dialect(Protocol):
    """The questions; a module with functions of these names answers them."""

    # --- settings of a thread

    def keras_settings(self) -> dict[str, object]:
        """Thread-local settings of this thread, to be carried into another one."""

    def apply_settings(self, settings: Mapping[str, object]) -> None:
        """Take over what `keras_settings` returned in another thread."""

    def custom_objects_scope(self, objects: Mapping[str, object]) -> contextlib.AbstractContextManager[object]:
        """A scope of custom objects, with those of the scope around it."""

    def registered_names(self) -> frozenset[str]:
        """Names of classes and functions that this process has registered, or offers in a scope of custom objects."""

    def unsafe_loading(self, trust: bool) -> contextlib.AbstractContextManager[object]:
        """Within it, where a file is trusted, functions are made of the Python code that it contains."""

    def safe_mode(self) -> bool:
        """What to load with: a scope for it (`unsafe_loading`) is overridden by the argument of `load_model`."""

    def fresh_names(self) -> contextlib.AbstractContextManager[None]:
        """Within it unnamed layers are numbered from the start."""

    def context_training(self) -> object:
        """`training` of the call context that this thread is in, or None."""

    def set_context_training(self, value: object) -> None:
        """Set it, if the thread is in a call context."""

    def resolve_training(self, kwargs: Kwargs) -> object:
        """`training` of a call that begins, as far as it is known before the call resolves its arguments."""

    # --- calls and graphs

    def resolve_call(self, layer: keras.Operation, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """A call as Keras 3 makes it, where its own layers call each other otherwise."""

    def calls_steps(self, layer: keras.Operation) -> bool:
        """Whether a layer's inner calls are those of time steps."""

    def keeps_void_masks(self, above: keras.Operation, layer: keras.Operation) -> bool:
        """Whether a layer leaves masks on what it hands one inside where Keras 3 takes them off, without effect."""

    def targets(self) -> tuple[Target, ...]:
        """The methods through which every layer, operation and graph is run."""

    def functional_class(self) -> type[keras.Model]:
        """The class of graph models."""

    def operations(self, graph: Graph) -> Iterable[keras.Operation]:
        """Layers and operations of a graph."""

    def graph_of(self, model: keras.Model) -> Graph | None:
        """The graph of a functional or built sequential model, else None."""

    def node_of(self, tensor: keras.KerasTensor) -> Node:
        """The call that a placeholder comes from."""

    def resolve_graph_run(self, graph: Graph, args: Args, kwargs: Kwargs) -> tuple[Graph, Args, Kwargs] | None:
        """A graph, and the arguments `(inputs[, operation_fn])` that it is run with; None for a run of another kind."""

    def is_operation(self, layer: keras.Operation) -> bool:
        """Whether it stands for a function in a graph, and is no layer that a user wrote down."""

    # --- tensors and variables

    def placeholder_class(self) -> type[keras.KerasTensor]:
        """What tensors without numbers are instances of while a graph is being built."""

    def get_mask(self, x: Tensor) -> Tensor | None:
        """The mask that travels with a tensor, or None."""

    def set_mask(self, x: Tensor, mask: Tensor) -> None:
        """Let `mask` travel with a tensor."""

    def dense(self, x: Tensor) -> Any:
        """A sparse tensor as something that NumPy can read."""

    def variable_class(self) -> type[keras.Variable]:
        """What every variable is an instance of."""

    def has_value(self, variable: keras.Variable) -> bool:
        """Whether it has a value yet: one made in a scope that defers it has none."""

    def shape_of(self, variable: keras.Variable) -> tuple[int, ...]:
        """Of its value."""

    def value_of(self, variable: keras.Variable) -> Tensor:
        """Its present value, as the backend holds it."""

    def variable_name(self, variable: keras.Variable) -> str:
        """What its layer calls it."""

    def own_variables(self, layer: keras.Layer) -> list[keras.Variable]:
        """Variables of a layer without those of the layers inside it, trained ones first."""

    def dtype_name(self, dtype: object) -> str:
        """Keras' name of a dtype."""

    # --- models

    def serialize_model(self, model: keras.Model) -> Mapping[str, Any]:
        """Class and configuration of a model, as plain JSON types.

        Raises:
            Exception: whatever the user's own layers raise.
        """

    def loads_saved_models(self) -> bool:
        """Whether `load_model` makes layers of a SavedModel folder that Keras wrote."""

    def image_data_format(self) -> str:
        """`channels_last` or `channels_first`."""

    def load_model(self, path: str, *, trust: bool = False) -> keras.Model:
        """The model in a file, not compiled; code in the file is executed only where it is trusted.

        Raises:
            Exception: whatever Keras raises for a broken file.
        """
