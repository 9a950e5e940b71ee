"""The layers of a model before it runs: their names, and the places by which one under another name is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import keras

from tracer.core.source import Outline
from tracer.engine.layer.graphs import class_name_of, graph_run, is_graph
from tracer.engine.layer.naming import Tree, base_name, held_at, is_layer
from tracer.engine.types import Graph, Node

_DIGEST_BYTES = 8
_NAMES = frozenset({"name", "registered_name", "build_config", "shared_object_id", "module"})


@dataclass(frozen=True, slots=True)
class Place:
    """See `tracer.core.source.Outline`."""

    sources: tuple[str, ...] = ()
    takers: tuple[str, ...] = ()


def outline_of(tree: Tree) -> Outline:
    """The layers of a model by name; a layer that contains itself is followed once."""
    return _outline(tree, tree.model, tree.root, Place(), frozenset())


def _outline(tree: Tree, layer: keras.Operation, name: str, place: Place, above: frozenset[int]) -> Outline:
    above |= {id(layer)}
    inside = tree.children(layer)
    found = _places(layer, inside)
    class_name = class_name_of(layer)
    children = ((key, child) for key, child in inside.items() if id(child) not in above)
    return Outline(
        name=name,
        class_name=class_name,
        base=base_name(class_name),
        children=tuple(_outline(tree, child, key, found.get(key, Place()), above) for key, child in children),
        sources=place.sources,
        takers=place.takers,
        config=_config_digest(layer) if place.sources else "",
    )


def _places(layer: keras.Operation, children: Mapping[str, keras.Operation]) -> dict[str, Place]:
    """Place of each child by its name; one of which nothing can be said is left out.

    Args:
        layer: that holds them.
        children: by their unique names.
    """
    if not children:
        return {}
    names = {id(child): name for name, child in children.items()}
    if is_graph(layer) and isinstance(layer, keras.Sequential):
        return _in_a_row([names[id(item)] for item in layer.layers if id(item) in names])
    graph = graph_run(layer) if is_graph(layer) else None
    if graph is not None:
        return _in_a_graph(graph, names)
    found: dict[str, Place] = {}
    for path, held in _held(layer):
        found.setdefault(names.get(id(held), ""), Place(sources=(f"<{path}>",)))
    return found


def _held(layer: keras.Operation) -> Iterator[tuple[str, keras.Operation]]:
    """What code of its own calls, in an order of its own: each with the way to it."""
    if isinstance(layer, keras.Sequential):
        yield from ((f"layers[{number}]", item) for number, item in enumerate(layer.layers))
    yield from held_at(layer)


def _in_a_row(names: list[str]) -> dict[str, Place]:
    before = ["<input 0>", *(f"{name}:0" for name in names)]
    behind = [*(f"{name}:0" for name in names[1:]), "<output 0>"]
    return {name: Place((before[i],), (behind[i],)) for i, name in enumerate(names)}


def _in_a_graph(graph: Graph, names: Mapping[int, str]) -> dict[str, Place]:
    sources: dict[str, list[str]] = {}
    takers: dict[str, list[str]] = {}
    inputs = {id(tensor): f"<input {number}>" for number, tensor in enumerate(graph.inputs)}
    for node in _nodes_of(graph):
        name = names.get(id(node.operation))
        for position, tensor in enumerate(node.input_tensors):
            source, _, index = tensor._keras_history
            label = inputs.get(id(tensor)) or f"{names.get(id(source))}:{index}"
            sources.setdefault(str(name), []).append(label)
            takers.setdefault(str(names.get(id(source))), []).append(f"{name}:{position}")
    for number, tensor in enumerate(graph.outputs):
        takers.setdefault(str(names.get(id(tensor._keras_history[0]))), []).append(f"<output {number}>")
    return {name: Place(tuple(sources.get(name, ())), tuple(takers.get(name, ()))) for name in names.values()}


def _nodes_of(graph: Graph) -> Iterator[Node]:
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if not node.is_input)


def _config_digest(layer: keras.Operation) -> str:
    """Of the configuration of a layer whose class isn't Keras' own, names aside; "" where it has none to tell."""
    if type(layer).__module__.startswith("keras.") or not is_layer(layer):
        return ""
    try:
        text = json.dumps(_unnamed(layer.get_config()), default=_plain, sort_keys=True, skipkeys=True)
    # The user's own code, which may raise anything: the layer is recognised without its configuration.
    except (Exception, SystemExit):
        return ""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()


def _unnamed(config: object) -> object:
    if isinstance(config, Mapping):
        return {str(key): _unnamed(value) for key, value in config.items() if key not in _NAMES}
    return [_unnamed(item) for item in config] if isinstance(config, (list, tuple)) else config


def _plain(item: object) -> object:
    try:
        return _unnamed(keras.saving.serialize_keras_object(item))
    except (TypeError, ValueError, AttributeError):
        return f"<{type(item).__name__}>"
