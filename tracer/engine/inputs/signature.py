"""What a model takes: the nested structure (one, a list, a dictionary) of `InputSpec`s that its call takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from tracer.engine.inputs.input_domain import Demand, demand_in_graph, demand_of_layer, inner_graph
from tracer.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a model takes at one of its inputs.

    Attributes:
        name: of the input, for messages and for the arrays of an `.npz` file.
        index: position among the model's inputs, as Keras flattens them.
        shape: with the batch dimension; None where any size will do.
        dtype: a Keras dtype (`float32`, `bfloat16`, `int32`, `string`, …).
        demand: what the values have to be, None if anything goes.
        declared: the model says so; else name and dtype are judged by the layers inside it.
    """

    name: str
    index: int
    shape: tuple[int | None, ...]
    dtype: str
    demand: Demand | None = None
    declared: bool = True


def signature(model: Any) -> Any:
    """The structure of `InputSpec`s that the call of `model` takes.

    Raises:
        InputError: if the model has no graph and wasn't built, or its call takes several arguments.
    """
    graph = inner_graph(model)
    if graph is None:
        return _built_signature(model)
    specs = {
        id(tensor): InputSpec(
            name=str(tensor.name),
            index=index,
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype),
            demand=demand_in_graph(graph, tensor),
        )
        for index, tensor in enumerate(graph.inputs)
    }
    return _named(map_structure(lambda tensor: specs[id(tensor)], graph._inputs_struct))


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """`function` of every leaf; Keras' own tree functions aren't public in every release."""
    if isinstance(structure, Mapping):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(map_structure(function, value) for value in structure)
    return function(structure)


def flat(structure: Any) -> list[Any]:
    """What is in a structure, in its own order."""
    found: list[Any] = []
    map_structure(found.append, structure)
    return found


def leaves(structure: Any) -> list[InputSpec]:
    """The specs in a structure, in the order in which Keras flattens them."""
    return sorted(flat(structure), key=lambda spec: spec.index)


def _named(structure: Any) -> Any:
    """Inputs in a flat dictionary are known by its keys; the tensors' own names may have been renumbered on loading."""
    if not isinstance(structure, Mapping) or not all(isinstance(s, InputSpec) for s in structure.values()):
        return structure
    return {key: replace(spec, name=str(key)) for key, spec in structure.items()}


def _built_signature(model: Any) -> Any:
    """Of a model without a graph: the shapes that it was built with; dtypes are judged by the layers inside it."""
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    config = {} if shapes or not getattr(model, "built", False) else model.get_build_config() or {}
    shapes = shapes or config.get("shapes_dict") or {k: v for k, v in config.items() if k == "input_shape"}
    shape = next(iter(shapes.values()), None)
    arguments = _required_arguments(model)
    if shape is None or len(shapes) != 1 or len(arguments) > 1:
        why = f"its call takes {', '.join(arguments)}" if shapes else "it has no input signature"
        raise InputError(
            f"can't make inputs for {model.name} ({type(model).__name__}): {why}. Give them with --inputs FILE.npz, "
            "or call the model once on real inputs before it is saved."
        )
    demand = demand_of_layer(model)
    count = iter(range(10_000))

    def spec(path: str, shape: Any) -> Any:
        if isinstance(shape, Mapping):
            return {key: spec(str(key), value) for key, value in shape.items()}
        if isinstance(shape, (list, tuple)) and any(isinstance(s, (list, tuple)) for s in shape):
            return [spec(f"{path}_{i}", value) for i, value in enumerate(shape)]
        fits = demand is not None and (demand.kind != "ids" or len(shape) <= 2)
        dtype = _dtype_of(demand) if fits and demand is not None else "float32"
        # The batch of the call that built it means nothing.
        open_shape = (None, *shape[1:])
        return InputSpec(
            name=path, index=next(count), shape=open_shape, dtype=dtype, demand=demand if fits else None, declared=False
        )

    return spec("input", shape)


def _required_arguments(model: Any) -> list[str]:
    parameters = inspect.signature(model.call).parameters.values()
    required = (p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD)
    return [name for name in required if name not in ("training", "mask")]


def _dtype_of(demand: Demand) -> str:
    if demand.kind == "ids":
        return "int32"
    is_text = demand.kind == "text" or (demand.kind == "words" and not any(isinstance(w, int) for w in demand.words))
    return "string" if is_text else "int64" if demand.kind == "words" else "float32"


def channel_axis(spec: InputSpec) -> int | None:
    """Where the channels of a picture are; None for what isn't a batch of pictures."""
    if len(spec.shape) != 4 or spec.dtype in ("string", "bool"):
        return None
    first, last = spec.shape[1], spec.shape[-1]
    if keras.config.image_data_format() == "channels_first" and first in (1, 3, 4):
        return 1
    return 3 if last in (1, 3, 4, None) else 1 if first in (1, 3, 4) else None
