"""What can be said of one layer without running it: configuration, weights, dtype policy, and unsaved state."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras
import numpy as np

from tracer.core.source import Array, Facts
from tracer.engine import compat
from tracer.engine.layer.naming import Tree, is_layer
from tracer.engine.types import Json, Tensor

_DEEPEST, _LONGEST = 3, 64  # of lists in attributes; beyond it they hold data, not settings
# Kept by every layer for its own bookkeeping: they differ between any two layers and say nothing.
BOOKKEEPING = frozenset(
    {
        "name",
        "_name",
        "_path",
        "_inbound_nodes",
        "_outbound_nodes",
        "_tracker",
        "_lock",
        "_called",
        "_losses",
        "_loss_ids",
        "_layers",
        "_metrics",
        "_seed_generators",
        "_trainable_variables",
        "_non_trainable_variables",
        "_call_signature",
        "_call_signature_parameters",
        "_build_shapes_dict",
        "_auto_config",
        "_parent_path",
        "_convert_input_args",
        "_allow_non_tensor_positional_args",
        "built",
        "_is_adapted",
        "_obj_reference_counts_dict",
        "_saved_model_inputs_spec",
        "_saved_model_arg_spec",
        "_call_has_context_arg",
        "_call_context_args",
        "_post_build_modules",
        "_arguments",
        "_tracked",
        "_build_input_shape",
        "_is_layer",
        "_supports_masking_backup",
        "_input_shape_arg",
        "_build_input_shapes",
    }
)


def facts(tree: Tree, path: str, names: Mapping[str, str]) -> Facts | None:
    """Facts of the layer at a layer path in the *other* side's names, or None where there is no such layer."""
    layer = tree.find(path, names)
    if layer is None:
        return None
    weights = {
        name: np.array(compat.to_numpy(compat.freeze(variable))) for name, variable in named_variables(layer).items()
    }
    return replace(settings(layer), weights=weights)


def settings(layer: keras.Layer) -> Facts:
    """Facts of a layer, all but its weights."""
    return Facts(
        class_name=f"{type(layer).__module__}.{type(layer).__name__}",
        config=_config(layer),
        weights={},
        state=state(layer),
        policy=policy(layer),
        arguments=_constructor_arguments(type(layer)),
        derives=callable(getattr(layer, "finalize_state", None)),
    )


def _config(layer: keras.Layer) -> dict[str, Json]:
    """A configuration as plain JSON types; a layer that has none gives an empty one."""
    try:
        config = layer.get_config() if hasattr(layer, "get_config") else {}
        return dict(json.loads(json.dumps(config or {}, default=_plain, skipkeys=True)))
    # The layer's own code, which may raise anything: there is none, or it isn't serializable, or it is broken.
    except Exception:
        return {}


def _plain(item: object) -> object:
    try:
        return keras.saving.serialize_keras_object(item)
    except (TypeError, ValueError, AttributeError):
        return f"<{type(item).__name__}>"


def named_variables(layer: keras.Layer) -> dict[str, keras.Variable]:
    """Every variable below a layer, by the layers' names and the variable's own."""
    found: dict[str, keras.Variable] = {}
    seen: set[int] = set()
    for path, held in Tree(layer).all_layers().items() if is_layer(layer) else ():
        for variable in compat.dialect().own_variables(held):
            if id(variable) not in seen:
                seen.add(id(variable))
                own = compat.dialect().variable_name(variable)
                name = f"{path}/{own}" if path else own
                while name in found:
                    name += "'"
                found[name] = variable
    return found


def state(layer: keras.Layer) -> dict[str, object]:
    """Attributes that are neither variable, layer nor bookkeeping, as far as they can be compared by value."""
    found: dict[str, object] = {}
    words = vocabulary(layer)
    if words is not None:
        found["vocabulary"] = words
    weights = {id(variable) for variable in named_variables(layer).values()}
    for name, value in sorted(vars(layer).items()):
        if id(value) not in weights and not _is_bookkeeping(name) and not _is_replaced_method(layer, name, value):
            with contextlib.suppress(_UnreadableError):
                found[name] = _readable(value, 0)
    return found


def _is_bookkeeping(name: str) -> bool:
    return name in BOOKKEEPING or name in compat.TRACKING


def _is_replaced_method(layer: keras.Layer, name: str, value: object) -> bool:
    return inspect.isroutine(value) and hasattr(type(layer), name)


def vocabulary(layer: keras.Layer) -> Array | None:
    """It lives in a hash table, neither weight nor configuration; a layer that wasn't adapted has none."""
    if callable(getattr(layer, "get_vocabulary", None)):
        with contextlib.suppress(ValueError, AttributeError, RuntimeError):
            return np.array(layer.get_vocabulary(), dtype=object)
    return None


class _UnreadableError(Exception):
    """An attribute holds something that has no value to compare: a layer, a variable, an object of the user's."""


def _readable(value: object, depth: int) -> object:
    """Numbers, text, arrays, and lists, tuples and dicts of them; functions by their name."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if isinstance(value, compat.dialect().variable_class()):
        value = compat.freeze(value)
    if compat.is_tensor(value) or isinstance(value, np.ndarray):
        return _readable_array(value)
    if isinstance(value, (list, tuple, Mapping)) and depth < _DEEPEST and len(value) <= _LONGEST:
        return _readable_items(value, depth + 1)
    if inspect.isroutine(value):
        return getattr(value, "__qualname__", type(value).__name__)
    raise _UnreadableError


def _readable_array(tensor: Tensor) -> Array:
    if compat.is_symbolic(tensor):
        raise _UnreadableError
    return np.array(compat.to_numpy(tensor))


def _readable_items(value: Sequence[object] | Mapping[object, object], depth: int) -> object:
    if isinstance(value, Mapping):
        return {str(key): _readable(value[key], depth) for key in sorted(value, key=str)}
    items = [_readable(item, depth) for item in value]
    return tuple(items) if isinstance(value, tuple) else items


def policy(layer: keras.Layer) -> dict[str, str]:
    """Dtypes that a layer computes and stores in, and how it is quantized."""
    found = {}
    for name in ("dtype_policy", "compute_dtype", "variable_dtype", "autocast", "quantization_mode"):
        value = getattr(layer, name, None)
        if value is not None:
            found[name] = str(getattr(value, "name", value))
    return found


def _constructor_arguments(klass: type) -> tuple[str, ...]:
    """Names that a constructor takes, its base classes' included."""
    found: dict[str, None] = {}
    for base in klass.__mro__:
        if "__init__" in vars(base):
            for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
                if name != "self" and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                    found[name] = None
    return (*found, "autocast", "dtype", "trainable")
