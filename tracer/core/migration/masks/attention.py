"""`MultiHeadAttention` with masks and dropout, as a small model of plain Keras 3.

What a row attends to of which all is masked: equal parts of everything in Keras 2, which adds -1e9 to what is masked;
nothing in Keras 3, whose `Softmax` returns zeros there.

    query ─ EinsumDense ─ · 1/√dim ─┐
    key ─── EinsumDense ────────────┴─ scores ─ less 1e9 where masked ─ softmax ─ Dropout ─┐
    value ─ EinsumDense ───────────────────────────────────────────────────────────────────┴─ EinsumDense ─ output
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tracer.core.migration.masks.parts import (
    CARRIER,
    STRIPPED,
    call_of,
    carrier,
    functional,
    in_place_of,
    input_of,
    layer_of,
    mask_as_numbers,
    operation,
    tensor,
)
from tracer.core.migration.rules import Config

# The arguments that are sequences, in the order in which Keras sorts them, and the layers that project them.
_SEQUENCES: Final = ("query", "key", "value")
# What the layer itself consists of, and calls one by one.
PARTS: Final = frozenset({*_SEQUENCES, "softmax", "dropout", "attention_output"})
# By these operations, what stands for its softmax is known.
OF_SOFTMAX: Final = frozenset({"lowered", "masked_scores", "parts"})
CAUSAL: Final = "use_causal_mask"
_FIRST: Final = MappingProxyType({"start": None, "stop": 1, "step": None})
# By this layer, one is known that is called with masks at one time and without at another.
OF_MIXED: Final = "nothing"
# By this input, one that is called with keys of their own is known.
OF_KEYS: Final = "key_input"
# By this operation, one that is causal is known.
OF_CAUSAL: Final = "causal"
_MASKED: Final = 1e9
_PROJECTION: Final = "abc,cde->abde"
_OF_PROJECTIONS: Final = (
    *("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"),
    *("activity_regularizer", "kernel_constraint", "bias_constraint", "dtype", "trainable"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What is known of a `MultiHeadAttention` besides its configuration.

    Attributes:
        channels: of its query, key and value; None where the file doesn't say, or they are no sequences.
        masked: for each of its calls: which of its sequences have a mask, in the order of `sequences_of`.
    """

    channels: tuple[int, ...] | None
    masked: tuple[tuple[bool, ...], ...]


def channels_of(config: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Channels of query, key and value, from what Keras 2 writes of the layer; None where they are no sequences.

    Args:
        config: of the layer, as Keras 2 writes it.
    """
    shapes = [config.get(f"{name}_shape") for name in _SEQUENCES]
    if any(not isinstance(shape, (list, tuple)) or len(shape) != 3 or shape[-1] is None for shape in shapes):
        return None
    return tuple(int(shape[-1]) for shape in shapes if shape is not None)


def sequences_of(call: Config) -> list[Any]:
    """What a call attends with and to: its query, its key where it has one, and its value."""
    return [*call["args"], *(call["kwargs"][name] for name in _SEQUENCES if name in call["kwargs"])]


def computes_otherwise(layer: Config, attended: Attended) -> bool:
    """Whether Keras 3 would return something else where all is masked.

    Without dropout, it takes a function of the backend, which does as Keras 2.
    """
    return float(layer["config"].get("dropout") or 0) > 0 and any(map(any, attended.masked))


def has_stand_in(layer: Config, attended: Attended) -> bool:
    """Whether `attention_model` can compute what the layer does; where it can't, the proof names the layer."""
    config = layer["config"]
    return (
        attended.channels is not None
        and config.get("dtype") in (None, "float32")
        and list(config.get("attention_axes") or [1]) == [1]
        and len(_list(config.get("output_shape"))) <= 1
        and _are_alike(layer["inbound_nodes"])
    )


def _are_alike(calls: Sequence[Config]) -> bool:
    """Whether all calls are made with the same arguments, which are sequences, and causal or not."""
    named = [{name: name in _SEQUENCES or value for name, value in call["kwargs"].items()} for call in calls]
    first = named[0]
    known = first.keys() <= {*_SEQUENCES, CAUSAL} and "value" in first and first.get(CAUSAL, True) is True
    return known and all(kwargs == first for kwargs in named) and all(len(call["args"]) == 1 for call in calls)


def attention_model(layer: Config, attended: Attended) -> Config:
    """A model that computes what the layer does in Keras 2, with weights of the same paths.

    Args:
        layer: translated, with its name and its calls.
        attended: what else is known of it.
    """
    assert attended.channels is not None
    call = layer["inbound_nodes"][0]
    names = [name for name in _SEQUENCES if name == "query" or name in call["kwargs"]]
    starts = [f"{name}_input" for name in names]
    plain = {name: STRIPPED if name == "query" else f"{STRIPPED}_{name}" for name in names}
    widths = dict(zip(_SEQUENCES, attended.channels, strict=True))
    inputs = [input_of(start, widths[name]) for name, start in zip(names, starts, strict=True)]
    copies = [operation("Copy", plain[name], tensor(start)) for name, start in zip(names, starts, strict=True)]
    has_mask = [any(masked) for masked in zip(*attended.masked, strict=True)]
    is_mixed = len(set(attended.masked)) > 1
    masks = list(_masks(starts, has_mask, causal=bool(call["kwargs"].get(CAUSAL))))
    computed = _computed(layer["config"], plain, widths["query"], is_mixed)
    ending, end = _ending(starts[0], has_mask=has_mask[0], is_mixed=is_mixed)
    model = in_place_of(layer, [*inputs, *copies, *masks, *computed, *ending], starts, end)
    model["config"]["trainable"] = layer["config"].get("trainable", True)
    return {**model, "inbound_nodes": [_called(call) for call in layer["inbound_nodes"]]}


def _ending(start: str, *, has_mask: bool, is_mixed: bool) -> tuple[list[Config], list[Any]]:
    """What gives the output the mask of its query, and where it comes from then."""
    if not has_mask:
        return [], ["attention_output", 0, 0]
    carried = carrier("attention_output", "kept_0")
    if not is_mixed:
        return [carried], [CARRIER, 1, 0]
    return [carried, *_mask_if_any(start)], ["output", 0, 0]


def _called(call: Config) -> Config:
    return {"args": [sequences_of(call)], "kwargs": {}}


def _masks(starts: Sequence[str], has_mask: Sequence[bool], *, causal: bool) -> Iterator[Config]:
    """What each row sees, as `seen` (samples, 1, rows, columns): the masks of its inputs joined by *and*."""
    held = [index for index in range(len(starts)) if has_mask[index]]
    for index in held:
        yield from mask_as_numbers(starts[index], index)
        yield operation("ExpandDims", f"place_{index}", tensor(f"kept_{index}"), axis=-2 if index else -1)
    seen = f"place_{held[0]}"
    for index in held[1:]:
        yield operation("LogicalAnd", f"both_{index}", tensor(seen), tensor(f"place_{index}"))
        seen = f"both_{index}"
    if causal:
        yield from _causal()
        yield operation("LogicalAnd", "both_causal", tensor(seen), tensor(OF_CAUSAL))
        seen = "both_causal"
    yield operation("ExpandDims", "seen", tensor(seen), axis=1)


def _causal() -> Iterator[Config]:
    """True where a column isn't behind the row: (samples, heads, rows, columns) of ones are counted along both."""
    yield operation("OnesLike", "ones", tensor("scores"))
    yield operation("Max", "ones_of_heads", tensor("ones"), axis=1)
    yield operation("Cumsum", "row", tensor("ones_of_heads"), axis=1)
    yield operation("Cumsum", "column", tensor("ones_of_heads"), axis=2)
    yield operation("GreaterEqual", OF_CAUSAL, tensor("row"), tensor("column"))


def _mask_if_any(start: str) -> Iterator[Config]:
    """What the layer returns, with a mask only where its query has one: a sum has none unless all that is added has."""
    one_channel = [{"class_name": "__ellipsis__", "config": {}}, {"class_name": "__slice__", "config": dict(_FIRST)}]
    yield operation("GetItem", "one", tensor("ones_0"), one_channel)
    yield layer_of("Attention", "with_mask_of_query", [tensor(start), tensor("one"), tensor("ones_0")])
    yield layer_of("Rescaling", OF_MIXED, tensor("with_mask_of_query"), scale=0.0, offset=0.0)
    yield layer_of("Add", "output", [tensor(OF_MIXED), tensor(CARRIER)])


def _computed(config: Config, plain: Mapping[str, str], width: int, is_mixed: bool) -> Iterator[Config]:
    """From the sequences without masks to what the layer returns."""
    heads, size = config["num_heads"], config["key_dim"]
    for name in _SEQUENCES:
        channels = (config.get("value_dim") or size) if name == "value" else size
        yield _projection(config, name, plain.get(name, plain["value"]), _PROJECTION, [None, heads, channels])
    yield operation("Multiply", "scaled", tensor("query"), 1.0 / math.sqrt(float(size)))
    yield operation("Einsum", "scores", tensor("key"), tensor("scaled"), subscripts="aecd,abcd->acbe")
    if is_mixed:
        yield operation("Subtract", "lowered_scores", tensor("scores"), _MASKED)
        yield operation("Where", "scores_seen", tensor("seen"), tensor("scores"), tensor("lowered_scores"))
        yield layer_of("Softmax", "softmax", tensor("scores_seen"))
    else:
        yield _softmax()
    yield layer_of("Dropout", "dropout", tensor("softmax"), rate=config["dropout"])
    yield operation("Einsum", "weighted", tensor("dropout"), tensor("value"), subscripts="acbe,aecd->abcd")
    end = [None, *(_list(config.get("output_shape")) or [width])]
    yield _projection(config, "attention_output", "weighted", "abcd,cde->abe", end)


def _softmax() -> Config:
    """The softmax of scores (samples, heads, rows, columns) with a mask, which is that of its output too."""
    layers = [
        input_of("all_scores", None, None),
        input_of("mask", None, None, dtype="bool"),
        operation("Subtract", "lowered", tensor("all_scores"), _MASKED),
        operation("Where", "masked_scores", tensor("mask"), tensor("all_scores"), tensor("lowered")),
        operation("Softmax", "parts", tensor("masked_scores"), module="nn", axis=-1),
        carrier("parts", "mask", rank=4),
    ]
    model = functional("softmax", layers, [["all_scores", 0, 0], ["mask", 0, 0]], [CARRIER, 1, 0])
    return {**model, "name": "softmax", "inbound_nodes": [call_of([tensor("scores"), tensor("seen")])]}


def _projection(config: Config, name: str, source: str, equation: str, shape: Sequence[int | None]) -> Config:
    settings = {key: config[key] for key in _OF_PROJECTIONS if key in config}
    bias = equation.rpartition("->")[2][-2 if equation == _PROJECTION else -1 :]
    axes = bias if config.get("use_bias", True) else None
    shaped = {"equation": equation, "output_shape": list(shape), "bias_axes": axes}
    return layer_of("EinsumDense", name, tensor(source), **settings, **shaped)


def _list(shape: Any) -> list[int]:
    if shape is None:
        return []
    return [shape] if isinstance(shape, int) else list(shape)
