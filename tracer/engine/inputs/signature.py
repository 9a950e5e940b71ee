"""What a model takes: the nested structure (one, a list, a dictionary) of `InputSpec`s that its call takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from tracer.core.inputs.specs import InputDomain, InputSpec, flat, map_structure
from tracer.engine import compat
from tracer.engine.inputs.input_domain import demand_in_graph, demand_of_code, demand_of_layer
from tracer.engine.layer.graphs import graph_built, graph_run
from tracer.engine.types import Structure
from tracer.errors import InputError


def signature(model: keras.Model) -> Structure:
    """The structure of `InputSpec`s that the call of `model` takes.

    Raises:
        InputError: if the model has no graph and wasn't built, or its call takes several arguments.
    """
    graph = graph_built(model)  # Keras holds calls to its inputs, even where code of the model runs instead
    if graph is None:
        return _built_signature(model)
    is_run = graph_run(model) is not None
    specs = {
        id(tensor): InputSpec(
            name=str(tensor.name),
            index=index,
            shape=tuple(tensor.shape),
            dtype=compat.dialect().dtype_name(tensor.dtype),
            demand=demand_in_graph(graph, tensor) if is_run else demand_of_code(model, graph, tensor),
        )
        for index, tensor in enumerate(graph.inputs)
    }
    return _name(map_structure(lambda tensor: specs[id(tensor)], graph._inputs_struct))


def _name(structure: Structure) -> Structure:
    """Inputs in a flat dictionary are known by its keys; the tensors' own names may have been renumbered on loading."""
    if not isinstance(structure, Mapping) or not all(isinstance(s, InputSpec) for s in structure.values()):
        return structure
    return {key: replace(spec, name=str(key)) for key, spec in structure.items()}


def _built_signature(model: keras.Model) -> Structure:
    """Of a model without a graph: the shapes that it was built with; dtypes are judged by the layers inside it."""
    shapes = _shapes_at_build(model)
    arguments = _required_arguments(model)
    if len(shapes) != 1 or None in shapes.values() or len(arguments) > 1:
        why = f"its call takes {', '.join(arguments)}" if shapes else "it has no input signature"
        raise InputError(
            f"can't make inputs for {model.name} ({type(model).__name__}): {why}. Give them with --inputs FILE.npz, "
            "or call the model once on real inputs before it is saved."
        )
    named = _name_shapes("input", next(iter(shapes.values())))
    positions = {id(leaf): position for position, leaf in enumerate(flat(named))}
    demand = demand_of_layer(model)
    return map_structure(lambda leaf: _undeclared(leaf, positions[id(leaf)], demand), named)


def _shapes_at_build(model: keras.Model) -> Mapping[str, Any]:
    """The shapes of the call that built a model, by argument: each a shape, or a structure of shapes."""
    shapes: Mapping[str, Any] = getattr(model, "_build_shapes_dict", None) or {}
    if shapes or not getattr(model, "built", False):
        return shapes
    config = model.get_build_config() or {}
    return config.get("shapes_dict") or {key: value for key, value in config.items() if key == "input_shape"}


@dataclass(frozen=True, slots=True)
class _NamedShape:
    """A leaf of a structure of shapes: where it is, and its sizes."""

    name: str
    sizes: tuple[int | None, ...]


def _name_shapes(path: str, shape: Any) -> Structure:
    """The structure that a model is called with, with a `_NamedShape` at each leaf."""
    if isinstance(shape, Mapping):
        return {key: _name_shapes(str(key), value) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)) and any(isinstance(size, (list, tuple)) for size in shape):
        return [_name_shapes(f"{path}_{i}", value) for i, value in enumerate(shape)]
    return _NamedShape(path, tuple(shape))


def _undeclared(leaf: _NamedShape, position: int, demand: InputDomain | None) -> InputSpec:
    """The spec of an input that the model says nothing of, but for the shape that it was built with."""
    if demand is not None and demand.kind == "ids" and len(leaf.sizes) > 2:
        demand = None
    return InputSpec(
        name=leaf.name,
        index=position,
        shape=(None, *leaf.sizes[1:]),  # the batch of the call that built it means nothing
        dtype="float32" if demand is None else _dtype_of(demand),
        demand=demand,
        declared=False,
    )


def _required_arguments(model: keras.Model) -> list[str]:
    parameters = inspect.signature(model.call).parameters.values()
    required = (p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD)
    return [name for name in required if name not in ("training", "mask")]


def _dtype_of(demand: InputDomain) -> str:
    if demand.kind == "words":
        return "int64" if any(isinstance(word, int) for word in demand.words) else "string"
    return {"ids": "int32", "text": "string"}.get(demand.kind, "float32")


def channel_axis(spec: InputSpec) -> int | None:
    """Where the channels of a picture are; None for what isn't a batch of pictures."""
    if len(spec.shape) != 4 or spec.dtype in ("string", "bool"):
        return None
    first, last = spec.shape[1], spec.shape[-1]
    if compat.dialect().image_data_format() == "channels_first" and first in (1, 3, 4):
        return 1
    return 3 if last in (1, 3, 4, None) else 1 if first in (1, 3, 4) else None
