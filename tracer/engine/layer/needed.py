"""Settings that a file doesn't have, and that the classes of its layers can't be made without.

Asked of a file that Keras refuses to load: its own message rarely names the setting. Nothing is made or imported here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping

import keras

from tracer.records import Finding

_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SHAPES = frozenset({"batch_shape", "batch_input_shape", "shape", "input_shape", "input_tensor"})


def missing(description: str, known: Mapping[str, object]) -> Iterator[Finding]:
    """Settings that the layers of a configuration lack.

    Args:
        description: a model's configuration, as JSON.
        known: custom classes by name; others are found among Keras' own and those that are registered.
    """
    yield from _below(json.loads(description), known, "")


def _below(value: object, known: Mapping[str, object], path: str) -> Iterator[Finding]:
    if isinstance(value, list):
        for item in value:
            yield from _below(item, known, path)
    if not isinstance(value, dict):
        return
    config = value.get("config")
    if isinstance(value.get("class_name"), str) and isinstance(config, dict):
        yield from _lacking(value, config, known, path)
        path = f"{path}{config['name']}/" if isinstance(config.get("name"), str) else path
    for item in value.values():
        yield from _below(item, known, path)


def _lacking(
    described: Mapping[str, object], config: Mapping[str, object], known: Mapping[str, object], path: str
) -> Iterator[Finding]:
    cls = _class_of(described, known)
    if cls is None:
        return
    for name in sorted(_needed(cls, config) - config.keys()):
        place = f"{path}{config.get('name') or described['class_name']}.{name}"
        detail = f"{cls.__name__} can't be made without it, and the file doesn't have it"
        yield Finding(kind="config-missing", place=place, detail=detail)


def _class_of(described: Mapping[str, object], known: Mapping[str, object]) -> type[keras.Layer] | None:
    """The layer class that a configuration names, where this process has it already."""
    names = [str(described.get(key)) for key in ("registered_name", "class_name")]
    found = (known.get(name) or keras.saving.get_registered_object(name) for name in names)
    cls = next(filter(inspect.isclass, found), None)
    if cls is None and str(described.get("module", "keras.layers")).partition(".")[0] == "keras":
        cls = getattr(keras.layers, names[1], None)
    return cls if inspect.isclass(cls) and issubclass(cls, keras.layers.Layer) else None


def _needed(cls: type[keras.Layer], config: Mapping[str, object]) -> set[str]:
    """Arguments that the constructor can't do without; of an input layer, one of several."""
    if issubclass(cls, keras.layers.InputLayer):
        return set() if _SHAPES & config.keys() else {"batch_shape"}
    return {
        name
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind in _KINDS and parameter.default is inspect.Parameter.empty and name != "self"
    }
