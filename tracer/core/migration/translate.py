"""The configuration of a whole model, layer by layer; what has no equivalent is collected, each with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tracer.core.migration.layer_names import with_legal_names
from tracer.core.migration.layers import OF_CONVNEXT, translate_settings
from tracer.core.migration.masks.attention import channels_of
from tracer.core.migration.masks.joining import with_masks_of_keras_2
from tracer.core.migration.nodes import OPERATIONS, Names, map_tensors, translate_nodes, translate_operation
from tracer.core.migration.rules import Config, UnsupportedError

_GRAPHS: Final = frozenset({"Functional", "Model"})
_TRUST: Final = "If you trust whoever wrote the file: --trust (trust=True)."
_MASKS: Final = "masks of layers that Keras 3 joins, drops or hands on otherwise"
# Where Keras 3 has the classes of a configuration that names no module, by the suffix of the argument.
_HELPERS: Final = (("_initializer", "initializers"), ("_regularizer", "regularizers"), ("_constraint", "constraints"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that Keras 3 has no equivalent of.

    Attributes:
        place: layer path.
        class_name: of the layer.
        reason: what there is no equivalent of.
        advice: what to do; "" where nothing general can be said.
    """

    place: str
    class_name: str
    reason: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.place} ({self.class_name}): {self.reason}. {self.advice}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What came of a configuration.

    Attributes:
        config: that of the model in Keras 3; of no use where there are problems.
        problems: what has no equivalent.
        applied: subjects of the rules that changed something, with the number of layers that each changed.
    """

    config: Config
    problems: tuple[Problem, ...]
    applied: Mapping[str, int]


def translate(config: Config, *, trust: bool = False) -> Translation:
    """The configuration of a model in Keras 3.

    Args:
        config: of a Keras 2 model: `class_name`, `config` and, maybe, `module` and `registered_name`.
        trust: carry over the code of Lambda layers.
    """
    walk = _Walk(trust=trust)
    try:
        config, renamed = with_legal_names(config)
    except UnsupportedError as error:
        problem = Problem(place="(names)", class_name="Model", reason=str(error), advice=error.advice)
        return Translation(config=config, problems=(problem,), applied={})
    if renamed:
        walk.applied["names of layers with `/`, which becomes `_`"] = renamed
    translated = walk.layer(config, "")
    if not walk.problems:
        translated, otherwise = with_masks_of_keras_2(translated, walk.channels)
        if otherwise:
            walk.applied[_MASKS] = otherwise
    return Translation(config=translated, problems=tuple(walk.problems), applied=dict(walk.applied))


@dataclass(slots=True)
class _Walk:
    """The way through a configuration, and what was met on it."""

    trust: bool
    problems: list[Problem] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)
    channels: dict[str, tuple[int, ...] | None] = field(default_factory=dict)  # of what attention is called with

    def layer(self, layer: Config, above: str) -> Config:
        """One layer, or model, with its class; `above` is the path of what it is in."""
        class_name, config = layer["class_name"], layer["config"]
        place = _below(above, str(config.get("name", class_name))) if above else ""
        if class_name in _GRAPHS and "layers" in config:
            return self._graph(config, place or str(config.get("name", "")), above)
        if class_name == "Sequential":
            return self._sequential(layer, place or str(config.get("name", "")), above)
        return self._plain(layer, place or str(config.get("name", class_name)))

    def _graph(self, config: Config, place: str, above: str) -> Config:
        inside = place if above else "."
        names = _names(config)
        graphs = {layer["name"] for layer in config["layers"] if layer["class_name"] in _GRAPHS}
        layers = [found for layer in config["layers"] if (found := self._node(layer, names, inside)) is not None]
        ends = {key: map_tensors(_unwrapped(config[key]), names, lambda end: _end(end, names, graphs)) for key in _ENDS}
        rest = {"name": config.get("name"), "trainable": config.get("trainable", True)}
        translated = {**rest, "layers": layers, **ends}
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": translated,
            "registered_name": "Functional",
        }

    def _node(self, layer: Config, names: Names, above: str) -> Config | None:
        """A layer of a graph with its calls; None where it has no equivalent."""
        name = str(layer["name"])
        try:
            if layer["class_name"] in OPERATIONS:
                return self._operation(layer, names)
            calls = translate_nodes(layer, names)
        except UnsupportedError as error:
            self._report(_below(above, name), layer["class_name"], error)
            return None
        return {**self.layer(layer, above), "name": name, "inbound_nodes": calls}

    def _operation(self, layer: Config, names: Names) -> Config:
        call, calls = translate_operation(layer, names)
        self.applied[f"`tf.{layer['config']['function']}`"] += 1
        return {
            "module": f"keras.src.ops.{call.module}",
            "class_name": call.class_name,
            "config": {"name": layer["name"], **call.config},
            "registered_name": call.class_name,
            "name": layer["name"],
            "inbound_nodes": calls,
        }

    def _sequential(self, layer: Config, place: str, above: str) -> Config:
        config = layer["config"]
        inside = place if above else "."
        layers = [self.layer(item, inside) for item in _with_input(config)]
        rest = {key: value for key, value in config.items() if key in ("name", "trainable", "build_input_shape")}
        return {
            "module": "keras",
            "class_name": "Sequential",
            "config": {**rest, "layers": layers},
            "registered_name": None,
        }

    def _plain(self, layer: Config, place: str) -> Config:
        class_name, config = str(layer["class_name"]), dict(layer["config"])
        try:
            if class_name == "Lambda":
                config = _lambda(config, trust=self.trust)
            if _is_own(layer):
                if class_name == "MultiHeadAttention":
                    self.channels[place] = channels_of(config)
                class_name, config, applied = translate_settings(class_name, config)
                self.applied.update(applied)
        except UnsupportedError as error:
            self._report(place, class_name, error)
            return dict(layer)
        config = {key: self._setting(key, value, place) for key, value in config.items()}
        return {**_home(layer), "class_name": class_name, "config": config}

    def _setting(self, key: str, value: Any, place: str) -> Any:
        """A setting, with the layers in it (a cell, a wrapped layer) translated too."""
        if isinstance(value, list):
            return [self._setting(key, item, place) for item in value]
        if not isinstance(value, dict) or "class_name" not in value or not isinstance(value.get("config"), dict):
            return value
        for suffix, module in _HELPERS:
            if key.endswith(suffix):
                return _helper(value, f"keras.{module}")
        if key in ("layer", "backward_layer", "cell", "cells"):
            return self.layer(value, place)
        return value

    def _report(self, place: str, class_name: str, error: UnsupportedError) -> None:
        self.problems.append(Problem(place=place, class_name=class_name, reason=str(error), advice=error.advice))


_ENDS: Final = ("input_layers", "output_layers")


def _below(above: str, name: str) -> str:
    return name if above in ("", ".") else f"{above}/{name}"


def _names(config: Config) -> Names:
    """The layers of a graph, and what number each one's first call has: the smallest that anything refers to."""
    names = Names(layers=frozenset(layer["name"] for layer in config["layers"]), first={})
    first: dict[str, int] = {}

    def note(reference: list[Any]) -> None:
        first[reference[0]] = min(reference[1], first.get(reference[0], reference[1]))
        map_tensors(reference[3] if len(reference) > 3 else None, names, note)

    for layer in config["layers"]:
        map_tensors(layer["inbound_nodes"], names, note)
    for key in _ENDS:
        map_tensors(config.get(key), names, note)
    return Names(layers=names.layers, first={name: number for name, number in first.items() if number})


def _unwrapped(ends: Any) -> Any:
    """Keras 2 writes the only input or output as a list of one, which to Keras 3 is another structure."""
    return ends[0] if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list) else ends


def _end(end: list[Any], names: Names, graphs: Collection[str]) -> list[Any]:
    """An input or output of a model; for these alone, Keras 3 counts the calls of a nested graph from 1."""
    name, call, output = end[:3]
    return [name, call - names.first.get(name, 0) + (name in graphs), output]


def _with_input(config: Config) -> Iterator[Config]:
    """The layers of a Sequential, with an input layer in front where the first one has a shape instead."""
    layers = config["layers"]
    first = layers[0]["config"] if layers else {}
    if layers and layers[0]["class_name"] != "InputLayer" and "batch_input_shape" in first:
        shape = first["batch_input_shape"]
        dtype = first.get("dtype", "float32")
        settings = {"batch_input_shape": shape, "dtype": dtype, "name": f"{first.get('name', 'first')}_input"}
        yield {"module": "keras.layers", "class_name": "InputLayer", "config": settings, "registered_name": None}
    yield from layers


def _is_own(layer: Config) -> bool:
    """Whether it is a layer of Keras, not of a user's: those are left as they are."""
    module = layer.get("module")
    registered = layer.get("registered_name") or ""
    return (module is None or str(module).startswith("keras")) and ">" not in str(registered)


def _home(layer: Config) -> Config:
    """Where Keras 3 finds the class."""
    if not _is_own(layer):
        return {"module": layer.get("module"), "registered_name": layer.get("registered_name")}
    if layer["class_name"] in OF_CONVNEXT:
        return {"module": "keras.src.applications.convnext", "registered_name": layer["class_name"]}
    return {"module": "keras.layers", "registered_name": None}


def _helper(value: Config, module: str) -> Config:
    """An initializer, regularizer or constraint."""
    if not _is_own(value):
        return value
    config = {key: item for key, item in value["config"].items() if key != "dtype"}
    return {"module": module, "class_name": value["class_name"], "config": config, "registered_name": None}


def _lambda(config: Config, *, trust: bool) -> Config:
    """A Lambda: its code as Keras 3 writes it."""
    if not trust:
        raise UnsupportedError("its Python code is in the file, and would be run", _TRUST)
    function = config["function"]
    if config.get("function_type") == "lambda" and isinstance(function, list):
        code, defaults, closure = function
        function = {
            "class_name": "__lambda__",
            "config": {"code": code, "defaults": defaults, "closure": closure},
        }
    if isinstance(function, str):
        raise UnsupportedError(
            f"its function {function!r} is named, and not in the file", "Give its module: --custom-objects."
        )
    kept = {key: value for key, value in config.items() if key in ("name", "trainable", "dtype", "arguments")}
    return {**kept, "function": function}
