"""Keras 3: answers to the questions of `tracer.engine.dialect.Dialect`."""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import keras

from tracer.engine.dialect import Target
from tracer.engine.types import Args, Graph, Kwargs, Node, Tensor

# Of Keras' thread-local settings these are the ones that a model's `call` may read; scopes and stacks are not carried.
_CARRIED = ("dtype_policy", "distribution", "custom_objects_scope_dict", "torch_device")


def module(name: str) -> ModuleType:
    """A module of Keras' own; asked for at every call of a layer, where the import system would take its time."""
    return sys.modules.get(name) or importlib.import_module(name)


def _global_state() -> Any:
    return module("keras.src.backend.common.global_state")


# --- settings of a thread


def keras_settings() -> dict[str, object]:
    """Keras' thread-local settings of this thread, to be carried into another one."""
    state = _global_state()
    found = {name: state.get_global_attribute(name) for name in _CARRIED}
    return {name: value for name, value in found.items() if value is not None}


def apply_settings(settings: Mapping[str, object]) -> None:
    """Take over what `keras_settings` returned in another thread."""
    state = _global_state()
    for name, value in settings.items():
        state.set_global_attribute(name, value)


def custom_objects_scope(objects: Mapping[str, object]) -> contextlib.AbstractContextManager[object]:
    """Keras' scope of custom objects, with those of the caller's scope: one that is entered replaces the other."""
    outer = _global_state().get_global_attribute("custom_objects_scope_dict") or {}
    scope: contextlib.AbstractContextManager[object] = keras.saving.custom_object_scope({**outer, **objects})
    return scope


def registered_names() -> frozenset[str]:
    """Names of the classes and functions that this process has registered, or offers in a scope of custom objects."""
    offered = _global_state().get_global_attribute("custom_objects_scope_dict") or {}
    return frozenset({*keras.saving.get_custom_objects(), *offered})


def unsafe_loading(trust: bool) -> contextlib.AbstractContextManager[object]:
    """Within it, where a file is trusted, Keras makes functions of the Python code that it contains."""
    if not trust:
        return contextlib.nullcontext()
    scope: contextlib.AbstractContextManager[object] = _serialization().SafeModeScope(safe_mode=False)
    return scope


def safe_mode() -> bool:
    """What to load with: Keras' own scope for it (`unsafe_loading`) is overridden by `load_model`'s argument."""
    return _serialization().in_safe_mode() is not False


def _serialization() -> Any:
    return module("keras.src.saving.serialization_lib")


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Within it Keras numbers unnamed layers from the start, as in a process that has built nothing yet."""
    state = _global_state()
    counters = state.get_global_attribute("object_name_uids")
    state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        state.set_global_attribute("object_name_uids", counters)


def context_training() -> object:
    """`training` of the Keras call context that this thread is in, or None."""
    context = _call_context()
    return None if context is None else getattr(context, "training", None)


def set_context_training(value: object) -> None:
    """Set `training` of the Keras call context that this thread is in, if it is in one."""
    context = _call_context()
    if context is not None:
        context.training = value


def _call_context() -> Any:
    return _global_state().get_global_attribute("current_call_ctx")


def resolve_training(_: Kwargs) -> object:
    """Not known yet: `Layer.__call__` resolves it, and hands it to `Operation.__call__`."""
    return None


# --- calls and graphs


def resolve_call(_: keras.Operation, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """As it is made."""
    return args, kwargs


def calls_steps(layer: keras.Operation) -> bool:
    """Layers with cells; a `TimeDistributed` is asked what it calls for each step."""
    return isinstance(layer, keras.layers.RNN)


def keeps_void_masks(above: keras.Operation, layer: keras.Operation) -> bool:  # noqa: ARG001 - as the protocol has it
    """Keras 3 is the measure."""
    return False


def targets() -> tuple[Target, ...]:
    """Layers are called through the first, operations of graphs through the second, graphs are run by the third."""
    return (
        (keras.layers.Layer, "__call__", "layer_call"),
        (module("keras.src.ops.operation").Operation, "__call__", "operation_call"),
        (module("keras.src.ops.function").Function, "_run_through_graph", "graph_run"),
    )


def functional_class() -> type[keras.Model]:
    """Keras' class of graph models; it is public only as what `keras.Model(inputs, outputs)` returns."""
    functional: type[keras.Model] = module("keras.src.models.functional").Functional
    return functional


def operations(graph: Graph) -> Iterable[keras.Operation]:
    """Layers and operations of a graph."""
    return getattr(graph, "operations", None) or graph._operations


def graph_of(model: keras.Model) -> Graph | None:
    """The functional graph of a functional or built sequential model, else None."""
    graph = model if hasattr(model, "_inputs_struct") else getattr(model, "_functional", None)
    return graph if hasattr(graph, "_nodes_by_depth") else None


def node_of(tensor: keras.KerasTensor) -> Node:
    """The call that a placeholder comes from."""
    operation, index, _ = tensor._keras_history
    node: Node = operation._inbound_nodes[index]
    return node


def resolve_graph_run(graph: Graph, args: Args, kwargs: Kwargs) -> tuple[Graph, Args, Kwargs] | None:
    """As Keras calls it, unless it runs the graph with functions of its own."""
    return None if len(args) > 2 or "call_fn" in kwargs else (graph, args, kwargs)


def is_operation(layer: keras.Operation) -> bool:
    """Whether it stands for a function in a graph."""
    return not isinstance(layer, keras.layers.Layer)


# --- tensors and variables


def placeholder_class() -> type[keras.KerasTensor]:
    """What tensors without numbers are instances of while a graph is being built."""
    found: type[keras.KerasTensor] = keras.KerasTensor
    return found


def get_mask(x: Tensor) -> Tensor | None:
    """The Keras mask that travels with a tensor, or None."""
    try:
        masking = module("keras.src.backend.common.masking")
    except ModuleNotFoundError:  # Keras before 3.6 keeps it on the tensor
        return getattr(x, "_keras_mask", None)
    mask: Tensor | None = masking.get_keras_mask(x)
    return mask


def set_mask(x: Tensor, mask: Tensor) -> None:
    """Let `mask` travel with a tensor."""
    try:
        masking = module("keras.src.backend.common.masking")
    except ModuleNotFoundError:
        with contextlib.suppress(AttributeError):  # a backend whose tensors take no attribute has no masks either
            x._keras_mask = mask  # type: ignore[attr-defined]
        return
    masking.set_keras_mask(x, mask)


def dense(x: Tensor) -> Any:
    """A sparse tensor as something that NumPy can read."""
    return x.todense() if hasattr(x, "todense") else keras.ops.convert_to_numpy(x)


@functools.cache
def variable_class() -> type[keras.Variable]:
    """What every Keras variable is an instance of; before 3.7 `keras.Variable` is a name that no variable has."""
    variables = module("keras.src.backend.common.variables")
    found: type[keras.Variable] = getattr(variables, "KerasVariable", None) or variables.Variable
    return found


def has_value(variable: keras.Variable) -> bool:
    """A variable created in a scope that defers it has no value yet."""
    return getattr(variable, "_value", None) is not None


def shape_of(variable: keras.Variable) -> tuple[int, ...]:
    """Of its value; Keras' own record of it is asked where there is one, because TensorFlow composes an object anew."""
    shape = variable._shape if isinstance(variable, variable_class()) else variable.shape
    return tuple(map(int, shape))


def value_of(variable: keras.Variable) -> Tensor:
    """Its present value, as the backend holds it."""
    value: Tensor = variable.value
    return value


def variable_name(variable: keras.Variable) -> str:
    """What its layer calls it."""
    return str(variable.name)


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """Variables of a layer without those of the layers inside it, trained ones first."""
    return [*getattr(layer, "_trainable_variables", ()), *getattr(layer, "_non_trainable_variables", ())]


def dtype_name(dtype: object) -> str:
    """Keras' name of a dtype; a variable has no other, the tensor of a merged kernel may."""
    return dtype if isinstance(dtype, str) else str(keras.backend.standardize_dtype(dtype))


# --- models


def serialize_model(model: keras.Model) -> Mapping[str, Any]:
    """Class and configuration of a model, as plain JSON types."""
    found: Mapping[str, Any] = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    return found


def loads_saved_models() -> bool:
    """Keras 3 runs one as a single function, without layers."""
    return False


def image_data_format() -> str:
    """`channels_last` or `channels_first`."""
    return str(keras.config.image_data_format())


def load_model(path: str, *, trust: bool = False) -> keras.Model:
    """The model in a file, not compiled; code in the file is executed only where it is trusted."""
    return keras.models.load_model(path, compile=False, safe_mode=not trust)
