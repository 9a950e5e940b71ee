"""What can be said of one layer without running it: configuration, weights, dtype policy, and unsaved state."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import keras
import numpy as np

from tracer.core.source import Array, Facts
from tracer.engine import compat
from tracer.engine.layer import twin, values
from tracer.engine.layer.naming import Tree, is_layer
from tracer.engine.types import Json

# Kept by every layer for its own bookkeeping: they differ between any two layers and say nothing.
BOOKKEEPING = frozenset(
    {
        "name",
        "_name",
        "_path",
        "_inbound_nodes",
        "_outbound_nodes",
        "_nodes",
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
    attributes, unreadable = _attributes(layer)
    return Facts(
        class_name=f"{type(layer).__module__}.{type(layer).__name__}",
        config=_config(layer),
        weights={},
        state=attributes,
        policy=policy(layer),
        arguments=_constructor_arguments(type(layer)),
        derives=derives_state(layer),
        unreadable=unreadable,
        late=twin.gained_by_loading(layer),
        code=_code(layer),
    )


def derives_state(layer: keras.Layer) -> bool:
    """Whether a layer can derive state from its weights; every layer of Keras 2 has a `finalize_state` that doesn't."""
    method = getattr(type(layer), "finalize_state", None)
    return callable(method) and method is not getattr(keras.layers.Layer, "finalize_state", None)


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
    return _attributes(layer)[0]


def _attributes(layer: keras.Layer) -> tuple[dict[str, object], dict[str, str]]:
    """Attributes by value, and the class of what can't be read."""
    found: dict[str, object] = {}
    unreadable: dict[str, str] = {}
    words = vocabulary(layer)
    if words is not None:
        found["vocabulary"] = words
    for name, value in _describe(layer, has_words=words is not None):
        try:
            found[name] = values.read(value)
        except values.ElsewhereError:
            continue
        except values.UnreadableError as error:
            unreadable[name] = str(error)
    return found, unreadable


def _describe(layer: keras.Layer, *, has_words: bool) -> Iterator[tuple[str, object]]:
    """Attributes that may say how a layer is set, by name; a vocabulary says what is in its lookup table."""
    weights = {id(variable) for variable in named_variables(layer).values()}
    for name, value in sorted(compat.attributes_of(layer).items()):
        is_known = id(value) in weights or name in BOOKKEEPING or (has_words and name == "lookup_table")
        if not is_known and not _is_replaced_method(layer, name, value):
            yield name, value


def _is_replaced_method(layer: keras.Layer, name: str, value: object) -> bool:
    return inspect.isroutine(value) and hasattr(type(layer), name)


def vocabulary(layer: keras.Layer) -> Array | None:
    """It lives in a hash table, neither weight nor configuration; a layer that wasn't adapted has none."""
    if callable(getattr(layer, "get_vocabulary", None)):
        with contextlib.suppress(ValueError, AttributeError, RuntimeError):
            return np.array(layer.get_vocabulary(), dtype=object)
    return None


def policy(layer: keras.Layer) -> dict[str, str]:
    """Dtypes that a layer computes and stores in, and how it is quantized; a `TimeDistributed` as the layer inside."""
    found = {}
    if isinstance(layer, keras.layers.TimeDistributed):  # that isn't called, and has no facts of its own
        found = {f"layer.{name}": value for name, value in policy(layer.layer).items()}
    for name in ("dtype_policy", "compute_dtype", "variable_dtype", "autocast", "quantization_mode"):
        value = getattr(layer, name, None)
        if value is not None:
            found[name] = str(getattr(value, "name", value))
    return found


def _code(layer: keras.Layer) -> str:
    """Digest of the code that a layer runs: what its classes are called, and what isn't a library's own of them.

    Of a layer that runs others unseen, step by step, their code is its own.
    """
    inside = Tree(layer).below(layer) if isinstance(layer, (keras.layers.RNN, keras.layers.TimeDistributed)) else ()
    parts = [part for each in (layer, *inside) for part in _parts_of_code(each)]
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


def _parts_of_code(layer: keras.Operation) -> Iterator[str]:
    for base in type(layer).__mro__:
        yield base.__name__
        yield from _code_of_class(base)
    for name, value in sorted(vars(layer).items()):
        if _is_replaced_method(layer, name, value):
            yield f"{name}={values.code_of(value)}"


def _code_of_class(base: type) -> Iterator[str]:
    own = not values.is_of_library(base)
    for name, value in sorted(vars(base).items()):
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if inspect.isroutine(function):
            code = values.code_of(function)
            if code:
                yield f"{name}={code}"
        elif own and not name.startswith("__"):
            yield f"{name}={_constant(value)}"


def _constant(value: object) -> str:
    try:
        return values.brief(values.read(value, probe=False))
    except values.UnreadableError as error:
        return str(error)


def _constructor_arguments(klass: type) -> tuple[str, ...]:
    """Names that a constructor takes, its base classes' included."""
    found: dict[str, None] = {}
    for base in klass.__mro__:
        if "__init__" in vars(base):
            for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
                if name != "self" and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                    found[name] = None
    return (*found, "autocast", "dtype", "trainable")
