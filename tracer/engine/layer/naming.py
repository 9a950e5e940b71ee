"""Names of layers: the outline of a model before it runs, and where a layer object is below another one."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

import keras

from tracer.core.comparison.alignment import bare
from tracer.core.migration.layer_names import legal_name
from tracer.core.migration.masks.attention import PARTS
from tracer.engine import compat
from tracer.engine.layer.graphs import functional_of, stands_for_attention, stands_for_layer

# Containers within containers, deeper than anybody nests them; it ends the walk where one holds itself.
_MAX_DEPTH = 24
_NOT_CHILDREN = frozenset(
    {
        "_trainable_variables",
        "_non_trainable_variables",
        "_losses",
        "_build_shapes_dict",
        "_inbound_nodes",
        "_outbound_nodes",
        "_metrics",
        "_tracker",
        "_functional",
        "_nodes",
        "_nodes_by_depth",
        "_operations_by_depth",
        "_loss_tracker",
        "_compile_metrics",
        "_optimizer",
        "optimizer",
        "_parent_path",
    }
)


@functools.lru_cache(maxsize=1024)
def base_name(class_name: str) -> str:
    """The name that Keras gives to the first unnamed layer of a class: `Conv2D` → `conv2d`.

    Source: `keras.src.utils.naming.to_snake_case`.
    """
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def calls_parts(layer: keras.Operation) -> bool:
    """Whether its inner calls are no call sites, but time steps, or parts of what is one layer."""
    return compat.dialect().calls_steps(layer) or (stands_for_layer(layer) and not stands_for_attention(layer))


def is_layer(thing: object) -> TypeGuard[keras.Layer]:
    """A Keras layer (models are layers too)."""
    return isinstance(thing, keras.layers.Layer)


class Tree:
    """The layers of one model by name; every layer is searched for others once.

    Args:
        model: the model, or any layer.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._children: dict[int, dict[str, keras.Operation]] = {}
        self._descendants: dict[int, dict[int, str]] = {}
        self._all: dict[str, keras.Operation] = {}

    @property
    def root(self) -> str:
        """What the model itself is called where its own code is compared.

        Without the number that Keras gave it, which only says what else the process had built; and never as one of its
        layers is called.
        """
        name, base = name_of(self.model), base_name(type(self.model).__name__)
        plain = base if re.fullmatch(rf"{re.escape(base)}_\d+", name) else name
        return plain if plain not in self.children(self.model) else "(model)"

    def children(self, layer: keras.Operation) -> dict[str, keras.Operation]:
        """Layers and graph operations directly inside a layer, by unique name, in a fixed order.

        Found in the graph, in what Keras tracks, and in attributes: single, in lists, tuples, sets and dicts, nested to
        any depth, because Keras before 3.15 does not track layers in nested lists (keras#20598).
        """
        if id(layer) not in self._children:
            self._children[id(layer)] = _children(layer)
        return self._children[id(layer)]

    def descendants(self, layer: keras.Operation) -> dict[int, str]:
        """`id` of every layer below → its path below, the shortest where there are several."""
        if id(layer) not in self._descendants:
            self._descendants[id(layer)] = {id(held): path for path, held in self._below(layer)}
        return self._descendants[id(layer)]

    def all_layers(self) -> dict[str, keras.Operation]:
        """Every layer by its shortest path, the model itself under ""."""
        if not self._all:
            self._all = {"": self.model, **dict(self._below(self.model))}
        return self._all

    def find(self, path: str, names: Mapping[str, str]) -> keras.Layer | None:
        """The layer at a layer path in the other side's names (calls and outputs are ignored), or None."""
        parts = path.split("/")
        layer, raw = self.model, ""
        if path == names.get("", self.root) or (
            bare(path) == name_of(layer) and bare(path) not in self.children(layer)
        ):
            return layer
        for part in parts:
            for name, child in self.children(layer).items():
                below = f"{raw}/{name}" if raw else name
                if names.get(below, name) in (part, bare(part)):
                    layer, raw = child, below
                    break
            else:
                return None
        return layer

    def below(self, layer: keras.Operation) -> list[keras.Operation]:
        """Every layer below one."""
        return [held for _, held in self._below(layer)] if is_layer(layer) else []

    def _below(self, layer: keras.Operation) -> Iterator[tuple[str, keras.Operation]]:
        seen = {id(layer)}
        queue: deque[tuple[keras.Operation, str]] = deque([(layer, "")])
        while queue:
            parent, prefix = queue.popleft()
            for name, child in self.children(parent).items():
                if id(child) not in seen:
                    seen.add(id(child))
                    yield prefix + name, child
                    queue.append((child, f"{prefix}{name}/"))


def _children(layer: keras.Operation) -> dict[str, keras.Operation]:
    if stands_for_layer(layer):
        parts = compat.dialect().operations(layer) if stands_for_attention(layer) else ()
        return {part.name: part for part in parts if part.name in PARTS}
    found: dict[int, keras.Operation] = {}
    graph = functional_of(layer)
    if graph is not None:
        for operation in compat.dialect().operations(graph):
            if type(operation).__name__ != "InputLayer":
                found.setdefault(id(operation), operation)
    elif isinstance(layer, keras.Sequential):
        found.update((id(item), item) for item in layer.layers)
    for item in _held(layer):
        if type(item).__name__ != "InputLayer":
            found.setdefault(id(item), item)
    found.pop(id(layer), None)
    return _unique_names(found.values())


def name_of(layer: keras.Operation) -> str:
    """What a layer is called in layer paths; Keras 2 has names with the mark between the names of a path."""
    return legal_name(str(layer.name))


def _unique_names(items: Iterable[keras.Operation]) -> dict[str, keras.Operation]:
    """By name; a second object of the same name becomes `name~1`."""
    named: dict[str, keras.Operation] = {}
    for item in items:
        own, count = name_of(item), 0
        name = own
        while name in named:
            count += 1
            name = f"{own}~{count}"
        named[name] = item
    return named


def _held(layer: keras.Operation) -> Iterator[keras.Layer]:
    """Layers in the attributes of a layer, tracked ones first."""
    if is_layer(layer):
        yield from (held for _, held in _layers_in(vars(layer).get("_layers", ()), "_layers", 0))
        yield from (held for _, held in held_at(layer))


def held_at(layer: keras.Operation) -> Iterator[tuple[str, keras.Layer]]:
    """Layers in the attributes of a layer, each with the way to it (`blocks[0]`)."""
    if not is_layer(layer):
        return
    attributes = vars(layer)
    # Most attributes are numbers and names, or empty: what can't hold a layer isn't looked into.
    held = [(name, value) for name, value in attributes.items() if _may_hold(value.__class__)]
    holding = {name for name, value in held if not _is_container(value.__class__) or len(value)}
    for name in sorted(holding - _NOT_CHILDREN - compat.TRACKING - {"_layers"}):
        yield from _layers_in(attributes[name], name, 0)


@functools.lru_cache(maxsize=1024)
def _may_hold(kind: type) -> bool:
    """Whether a class is a layer's or a container's; remembered, since it is asked of every attribute of all layers."""
    return _is_container(kind) or issubclass(kind, keras.layers.Layer)


@functools.lru_cache(maxsize=1024)
def _is_container(kind: type) -> bool:
    return issubclass(kind, (list, tuple, set, frozenset, Mapping))


def _layers_in(value: object, way: str, depth: int) -> Iterator[tuple[str, keras.Layer]]:
    if is_layer(value):
        yield way, value
    elif depth < _MAX_DEPTH:
        for key, item in _items_of(value):
            if _may_hold(item.__class__):  # type: ignore[arg-type]  # mypy takes no class for hashable
                yield from _layers_in(item, f"{way}[{key}]", depth + 1)


def _items_of(value: object) -> Iterable[tuple[object, object]]:
    """What a container holds and where, in a fixed order; of a set, which has none, the layers alone."""
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, (set, frozenset)):
        return enumerate(sorted(filter(is_layer, value), key=lambda layer: str(layer.name)))
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in sorted(value, key=str)]
    return ()
