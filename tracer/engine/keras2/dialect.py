"""Keras 2: answers to the questions of `tracer.engine.dialect.Dialect`."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras

from tracer.engine.dialect import Target
from tracer.engine.keras2 import loading
from tracer.engine.keras2.graphs import functional_class, graph_of, node_of, resolve_graph_run
from tracer.engine.keras2.modules import module
from tracer.engine.keras2.shapes import tell_shapes
from tracer.engine.keras2.vocabularies import tell_vocabularies
from tracer.engine.types import Args, Graph, Kwargs, Tensor

__all__ = ["functional_class", "graph_of", "load_model", "node_of", "resolve_graph_run"]

load_model = loading.load_model
# Attribute of a variable that its layer calls otherwise in Keras 3.
_NAME_IN_KERAS_3 = "_tracer_name"


def _tensorflow() -> Any:
    return importlib.import_module("tensorflow")


# --- settings of a thread


def keras_settings() -> dict[str, object]:
    """Nothing that a model's `call` reads is set by thread."""
    return {}


def apply_settings(_: Mapping[str, object]) -> None:
    """There are none."""


def custom_objects_scope(objects: Mapping[str, object]) -> contextlib.AbstractContextManager[object]:
    """Keras' scope of custom objects; scopes add up."""
    scope: contextlib.AbstractContextManager[object] = keras.utils.custom_object_scope(dict(objects))
    return scope


def registered_names() -> frozenset[str]:
    """Names of the classes and functions that this process has registered."""
    return frozenset(keras.utils.get_custom_objects())


def unsafe_loading(_: bool) -> contextlib.AbstractContextManager[object]:
    """Nothing: `load_model` is told whether a file is trusted, and in a `.h5` file Keras 2 runs all code anyway."""
    return contextlib.nullcontext()


def safe_mode() -> bool:
    """There is no scope for it that could have been entered."""
    return True


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Within it Keras numbers unnamed layers from the start, as in a process that has built nothing yet."""
    counters = module("backend").get_default_graph_uid_map()
    before = dict(counters)
    counters.clear()
    try:
        yield
    finally:
        counters.clear()
        counters.update(before)


def _call_context() -> Any:
    return module("engine.base_layer_utils").call_context()


def context_training() -> object:
    """`training` of the call context that this thread is in, or None."""
    return _call_context().training


def set_context_training(value: object) -> None:
    """Set `training` of the call context that this thread is in, if it is in one."""
    context = _call_context()
    if context.in_call:
        context._state["training"] = value


def resolve_training(kwargs: Kwargs) -> object:
    """What is handed to the call, or else what the call around it has."""
    return kwargs["training"] if kwargs.get("training") is not None else context_training()


# --- calls and graphs


def resolve_call(layer: keras.Operation, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
    """`MultiHeadAttention` hands its `Softmax` the mask by position, where Keras 3 does it by name."""
    if isinstance(layer, keras.layers.Softmax) and len(args) > 1:
        return args[:1], {**kwargs, "mask": args[1]}
    return args, kwargs


def calls_steps(layer: keras.Operation) -> bool:
    """Layers with cells, and models that run on all steps at once, where Keras 3 runs them on one after the other."""
    around_model = isinstance(layer, keras.layers.TimeDistributed) and isinstance(layer.layer, keras.Model)
    return around_model or isinstance(layer, keras.layers.RNN)


def keeps_void_masks(above: keras.Operation, layer: keras.Operation) -> bool:
    """Attention reads the masks of its inputs; the projections that it hands these to do nothing with them."""
    return isinstance(above, keras.layers.MultiHeadAttention) and isinstance(layer, keras.layers.EinsumDense)


def targets() -> tuple[Target, ...]:
    """Every layer is called through the first, every graph is run by the second; operations are layers."""
    return (
        (module("engine.base_layer").Layer, "__call__", "layer_call"),
        (functional_class(), "_run_internal_graph", "graph_run"),
    )


def operations(graph: Graph) -> Iterable[keras.Operation]:
    """Layers of a graph."""
    held: Iterable[keras.Operation] = getattr(graph, "_operations", ()) or getattr(graph, "layers", ())
    return held


def is_operation(layer: keras.Operation) -> bool:
    """Whether it stands for a function in a graph."""
    return type(layer).__name__ in ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod")


# --- tensors and variables


def placeholder_class() -> type[keras.KerasTensor]:
    """What tensors without numbers are instances of while a graph is being built."""
    found: type[keras.KerasTensor] = module("engine.keras_tensor").KerasTensor
    return found


def get_mask(x: Tensor) -> Tensor | None:
    """The mask that travels with a tensor, or None."""
    return getattr(x, "_keras_mask", None)


def set_mask(x: Tensor, mask: Tensor) -> None:
    """Let `mask` travel with a tensor."""
    x._keras_mask = mask  # type: ignore[attr-defined]


def dense(x: Tensor) -> Any:
    """A sparse tensor as something that NumPy can read."""
    return _tensorflow().sparse.to_dense(x)


def variable_class() -> type[keras.Variable]:
    """Variables are TensorFlow's."""
    found: type[keras.Variable] = _tensorflow().Variable
    return found


def has_value(_: keras.Variable) -> bool:
    """A variable has one from the start."""
    return True


def shape_of(variable: Any) -> tuple[int, ...]:
    """Of its value; a variable that may change its size, as the bins that a layer learns, has to be read for it."""
    shape = variable.shape
    if None in tuple(shape):
        shape = getattr(variable, "_variable", variable).read_value().shape
    return tuple(map(int, shape))


def value_of(variable: Any) -> Tensor:
    """The variable without the cast that mixed precision puts around it."""
    held: Tensor = getattr(variable, "_variable", variable)
    return held


def variable_name(variable: keras.Variable) -> str:
    """What its layer calls it: `dense/kernel:0` → `kernel`."""
    return getattr(variable, _NAME_IN_KERAS_3, "") or str(variable.name).rpartition("/")[2].partition(":")[0]


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """Variables of a layer without those of the layers inside it, trained ones first.

    Tables of words, and what belongs to a word, are no variables: they are in the configuration (`tell_vocabularies`).
    """
    listed = [*getattr(layer, "_trainable_weights", ()), *getattr(layer, "_non_trainable_weights", ())]
    if isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)) and layer.built:
        # A separable convolution has a `depthwise_kernel` in both; seeded values are drawn by the name.
        setattr(layer.depthwise_kernel, _NAME_IN_KERAS_3, "kernel")
    return [held for held in listed if isinstance(held, variable_class()) and held.shape.is_fully_defined()]


def dtype_name(dtype: Any) -> str:
    """Keras' name of a dtype."""
    return str(getattr(dtype, "name", dtype))


# --- models


def serialize_model(model: keras.Model) -> Mapping[str, Any]:
    """Class and configuration of a model, as plain JSON types; by class name alone before there were modules in it."""
    tell_vocabularies(model)
    tell_shapes(model)
    serialize = getattr(keras.saving, "serialize_keras_object", None) or keras.utils.serialize_keras_object
    try:
        return _plain(serialize(model))
    except TypeError:  # an index such as `x[..., 0]`, which is written into `.h5` files alone
        return _as_in_hdf5(model)


def _as_in_hdf5(model: Any) -> Mapping[str, Any]:
    model.use_legacy_config = True
    try:
        return _plain({"class_name": type(model).__name__, "config": model.get_config()})
    finally:
        del model.use_legacy_config


def _plain(value: object) -> Mapping[str, Any]:
    default = module("saving.legacy.saved_model.json_utils").get_json_type
    found: Mapping[str, Any] = json.loads(json.dumps(value, default=default))
    return found


def loads_saved_models() -> bool:
    """A SavedModel that Keras wrote has its layers."""
    return True


def image_data_format() -> str:
    """`channels_last` or `channels_first`."""
    return str(keras.backend.image_data_format())
