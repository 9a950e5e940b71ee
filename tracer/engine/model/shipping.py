"""Classes and functions that only this process has, by value, for a process of our own that loads its model.

What is defined in `__main__`, a script or a notebook, can't be imported elsewhere. It is pickled by value, with
cloudpickle: only what this process holds itself, never what a file holds, and only for a worker that it has started.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from collections.abc import Iterator, Mapping
from typing import Final

import keras

from tracer.engine.layer.naming import Tree
from tracer.errors import ModelError

MAIN: Final = "__main__"
_OF_LAYERS: Final = frozenset({"name", "inbound_nodes", "input_layers", "output_layers"})  # keys of their names
_INSTEAD = (
    "Move them into a module and name it (custom_objects), or load in this process (same_process=True, --same-process)."
)


def pack(tree: Tree) -> bytes:
    """What a model needs of `__main__`, as bytes that `unpack` reads; empty where it needs nothing of it.

    Raises:
        ModelError: if there is something that can't be sent; says what and why.
    """
    found = _needed(tree)
    if not found:
        return b""
    names = ", ".join(sorted({getattr(value, "__qualname__", name) for name, value in found.items()}))
    if importlib.util.find_spec("cloudpickle") is None:
        raise ModelError(
            f"the model needs {names} of __main__, which a fresh process can't import, and sending them there takes "
            f"cloudpickle, which isn't installed: pip install 'keras-layer-tracer[notebook]'. {_INSTEAD}"
        )
    for name, value in found.items():
        _pickled({name: value}, getattr(value, "__qualname__", name))  # so that the one that can't be sent is named
    return _pickled(found, names)


def _pickled(values: Mapping[str, object], names: str) -> bytes:
    import cloudpickle  # an extra

    try:
        packed: bytes = cloudpickle.dumps(values)
    # Whatever a class or function holds on to may raise anything while it is pickled.
    except Exception as error:
        raise ModelError(
            f"the model needs {names} of __main__, which a fresh process can't import and which can't be sent there: "
            f"{type(error).__name__}: {error}. It refers to something that exists in this process alone. {_INSTEAD}"
        ) from error
    return packed


def unpack(packed: bytes) -> dict[str, object]:
    """Custom objects by the names that saved models have for them; those with a package are registered under it.

    Args:
        packed: by `pack`, in the process that has started this one.
    """
    if not packed:
        return {}
    found: dict[str, object] = pickle.loads(packed)
    for name, value in found.items():
        package, mark, plain = name.partition(">")
        if mark:
            keras.saving.register_keras_serializable(package, plain)(value)
    return found


def _needed(tree: Tree) -> dict[str, object]:
    """What is defined in `__main__`: the classes of the model's layers, and whatever its configuration names."""
    found: dict[str, object] = {}
    for layer in tree.all_layers().values():
        for kind in type(layer).__mro__:
            if kind.__module__ == MAIN and issubclass(kind, keras.layers.Layer):
                found[_registered(kind)] = kind
    named = _names_in_config(tree.model)
    for name, value in _candidates():
        if name in named:
            found[name] = value
    return found


def _registered(value: object) -> str:
    name: str = keras.saving.get_registered_name(value)
    return name


def _candidates() -> Iterator[tuple[str, object]]:
    """Classes and functions of `__main__` by the names that Keras writes for them."""
    here = vars(sys.modules[MAIN]) if MAIN in sys.modules else {}
    for value in (*here.values(), *keras.saving.get_custom_objects().values()):
        if callable(value) and getattr(value, "__module__", "") == MAIN and hasattr(value, "__qualname__"):
            yield _registered(value), value
            yield value.__name__, value


def _names_in_config(model: keras.Model) -> frozenset[str]:
    """What Keras' description of a model may refer to by name; nothing where it can't write it, which saving says."""
    try:
        text = model.to_json()
    # Whatever a class raises in its `get_config`.
    except Exception:
        return frozenset()
    return frozenset(_texts(json.loads(text)))


def _texts(config: object) -> Iterator[str]:
    """Every text but the names of layers: a function of the script may be called `encoder`, as a layer is."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict):
        for key, value in config.items():
            if key not in _OF_LAYERS:
                yield from _texts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _texts(value)
