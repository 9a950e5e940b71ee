"""What stand-ins are made of: layers and operations as Keras 3 writes them, and masks as numbers and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tracer.core.migration.rules import Config

_ALL: Final = (None, None, None)
_FIRST_STEP: Final = (None, 1, None)
_ENDS: Final = ("start", "stop", "step")
CARRIER: Final = "with_mask"
STRIPPED: Final = "without_mask"
# Names of layers that stand-ins have, and by which they are known.
MASK_CHANGERS: Final = frozenset({CARRIER, STRIPPED})


def mask_as_numbers(start: str, index: int) -> list[Config]:
    """True where the mask of an input is: attention to ones returns ones, and zeros where its query is masked."""
    steps, ones = (f"{part}_{index}" for part in ("step", "ones"))
    first = operation("GetItem", steps, tensor(start), [_slice(*_ALL), _slice(*_FIRST_STEP)])
    # Two steps: Keras warns of a softmax over one.
    twice = operation("Concatenate", f"steps_{index}", [tensor(steps), tensor(steps)], axis=1)
    value = operation("OnesLike", ones, tensor(f"steps_{index}"))
    seen = layer_of("Attention", f"seen_{index}", [tensor(start), tensor(ones)])
    ellipsis = {"class_name": "__ellipsis__", "config": {}}
    part = operation("GetItem", f"seen_at_{index}", tensor(f"seen_{index}"), [ellipsis, 0])
    return [first, twice, value, seen, part, operation("Greater", f"kept_{index}", tensor(f"seen_at_{index}"), 0.5)]


def carrier(values: str, mask: str, *, rank: int = 3) -> Config:
    """A model that returns what it is given, with the mask that it is given."""
    layers = [input_of("values", *[None] * (rank - 2)), layer_of("Identity", "same", tensor("values"))]
    calls = [call_of(tensor(values), mask=tensor(mask))]
    model = functional(CARRIER, layers, ["values", 0, 0], ["same", 0, 0])
    return {**model, "name": CARRIER, "inbound_nodes": calls}


def in_place_of(layer: Config, layers: Sequence[Config], starts: Sequence[str], end: list[Any]) -> Config:
    """A model with the name and the calls of a layer.

    Args:
        layer: translated.
        layers: what the model consists of.
        starts: names of its inputs.
        end: its output.
    """
    ends = [[start, 0, 0] for start in starts]
    model = functional(str(layer["config"]["name"]), layers, ends if len(ends) > 1 else ends[0], end)
    return {**model, **{key: layer[key] for key in ("name", "inbound_nodes") if key in layer}}


def functional(name: str, layers: Sequence[Config], starts: list[Any], end: list[Any]) -> Config:
    """A graph model."""
    config = {"name": name, "trainable": True, "layers": list(layers), "input_layers": starts, "output_layers": end}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def input_of(name: str, *sizes: int | None, **settings: Any) -> Config:
    """An input of samples with any number of steps, and whatever is in each step."""
    return {**layer_of("InputLayer", name, batch_shape=[None, None, *sizes], **settings), "inbound_nodes": []}


def layer_of(class_name: str, name: str, *args: Any, **settings: Any) -> Config:
    """A layer that is called once; what it is called with, and how it is set."""
    return _node("keras.layers", None, class_name, {"name": name, **settings}, args)


def operation(class_name: str, name: str, *args: Any, module: str = "numpy", **settings: Any) -> Config:
    """An operation, as `layer_of`; `module`: of `keras.ops`, in which it is."""
    return _node(f"keras.src.ops.{module}", class_name, class_name, {"name": name, **settings}, args)


def _node(module: str, registered: str | None, class_name: str, config: Config, args: Sequence[Any]) -> Config:
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
        "name": config["name"],
        "inbound_nodes": [call_of(*args)],
    }


def call_of(*args: Any, **kwargs: Any) -> Config:
    """The arguments of one call."""
    return {"args": list(args), "kwargs": kwargs}


def tensor(name: str) -> Config:
    """What the first call of a layer returns; its shape and dtype are found anew when it is built."""
    config = {"shape": [], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def _slice(*ends: int | None) -> Config:
    return {"class_name": "__slice__", "config": dict(zip(_ENDS, ends, strict=True))}
