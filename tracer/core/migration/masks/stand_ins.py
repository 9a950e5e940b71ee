"""Layers whose outputs have other masks in Keras 3, as small models of plain Keras 3 that have those of Keras 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tracer.core.migration.rules import Config

_ALL: Final = (None, None, None)
_FIRST_STEP: Final = (None, 1, None)
_ENDS: Final = ("start", "stop", "step")
_CARRIER: Final = "with_mask"
_STRIPPED: Final = "without_mask"
# Names of layers that stand-ins have, and by which they are known.
MASK_CHANGERS: Final = frozenset({_CARRIER, _STRIPPED})


def joined_model(layer: Config) -> Config:
    """A layer that merges sequences (samples, steps, channels), with all masks of its inputs joined by *and*.

    Args:
        layer: translated, with its name and its calls.
    """
    name = str(layer["name"])
    starts = [f"input_{index}" for index in range(len(layer["inbound_nodes"][0]["args"][0]))]
    masks = [part for index, start in enumerate(starts) for part in _mask_as_numbers(start, index)]
    kept = "kept_0"
    for index in range(1, len(starts)):
        masks.append(_operation("LogicalAnd", f"all_{index}", _tensor(kept), _tensor(f"kept_{index}")))
        kept = f"all_{index}"
    # Some layers that merge return other numbers where there are masks.
    plain = [f"{_STRIPPED}_{index}" if index else _STRIPPED for index in range(len(starts))]
    copies = [_operation("Copy", copy, _tensor(start)) for copy, start in zip(plain, starts, strict=True)]
    merged = {**layer, "inbound_nodes": [_call([_tensor(copy) for copy in plain])]}
    layers = [*map(_input, starts), *masks, *copies, merged, _carrier(name, kept)]
    # Keras counts the calls of a nested graph from 1 where it names the outputs of the graph around it.
    return _in_place_of(layer, layers, starts, [_CARRIER, 1, 0])


def unmasked_model(layer: Config) -> Config:
    """A layer of sequences without a mask on what it returns.

    Args:
        layer: translated; in a graph, with its calls.
    """
    name = str(layer["config"]["name"])
    unmasked = {**layer, "name": name, "inbound_nodes": [_call(_tensor(_STRIPPED))]}
    layers = [_input("input_0"), _operation("Copy", _STRIPPED, _tensor("input_0")), unmasked]
    return _in_place_of(layer, layers, ["input_0"], [name, 0, 0])


def _mask_as_numbers(start: str, index: int) -> list[Config]:
    """True where the mask of an input is: attention to ones returns ones, and zeros where its query is masked."""
    steps, ones = (f"{part}_{index}" for part in ("step", "ones"))
    first = _operation("GetItem", steps, _tensor(start), [_slice(*_ALL), _slice(*_FIRST_STEP)])
    # Two steps: Keras warns of a softmax over one.
    twice = _operation("Concatenate", f"steps_{index}", [_tensor(steps), _tensor(steps)], axis=1)
    value = _operation("OnesLike", ones, _tensor(f"steps_{index}"))
    seen = _layer("Attention", f"seen_{index}", [_tensor(start), _tensor(ones)])
    ellipsis = {"class_name": "__ellipsis__", "config": {}}
    part = _operation("GetItem", f"seen_at_{index}", _tensor(f"seen_{index}"), [ellipsis, 0])
    return [first, twice, value, seen, part, _operation("Greater", f"kept_{index}", _tensor(f"seen_at_{index}"), 0.5)]


def _carrier(values: str, mask: str) -> Config:
    """A model that returns what it is given, with the mask that it is given."""
    layers = [_input("values"), _layer("Identity", "same", _tensor("values"))]
    calls = [_call(_tensor(values), mask=_tensor(mask))]
    model = _functional(_CARRIER, layers, ["values", 0, 0], ["same", 0, 0])
    return {**model, "name": _CARRIER, "inbound_nodes": calls}


def _in_place_of(layer: Config, layers: Sequence[Config], starts: Sequence[str], end: list[Any]) -> Config:
    ends = [[start, 0, 0] for start in starts]
    model = _functional(str(layer["config"]["name"]), layers, ends if len(ends) > 1 else ends[0], end)
    return {**model, **{key: layer[key] for key in ("name", "inbound_nodes") if key in layer}}


def _functional(name: str, layers: Sequence[Config], starts: list[Any], end: list[Any]) -> Config:
    config = {"name": name, "trainable": True, "layers": list(layers), "input_layers": starts, "output_layers": end}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def _input(name: str) -> Config:
    return {**_layer("InputLayer", name, batch_shape=[None, None, None]), "inbound_nodes": []}


def _layer(class_name: str, name: str, *args: Any, **settings: Any) -> Config:
    return _node("keras.layers", None, class_name, {"name": name, **settings}, args)


def _operation(class_name: str, name: str, *args: Any, **settings: Any) -> Config:
    return _node("keras.src.ops.numpy", class_name, class_name, {"name": name, **settings}, args)


def _node(module: str, registered: str | None, class_name: str, config: Config, args: Sequence[Any]) -> Config:
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
        "name": config["name"],
        "inbound_nodes": [_call(*args)],
    }


def _call(*args: Any, **kwargs: Any) -> Config:
    return {"args": list(args), "kwargs": kwargs}


def _tensor(name: str) -> Config:
    config = {"shape": [], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def _slice(*ends: int | None) -> Config:
    return {"class_name": "__slice__", "config": dict(zip(_ENDS, ends, strict=True))}
