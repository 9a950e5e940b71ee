"""Masks of several inputs: Keras 2 joins them by *and*, Keras 3 drops them or joins them by *or*.

Where that makes a difference, the layer that merges becomes a small model of the same name, of layers that Keras has:

    mask → numbers:   Attention([x, ones]) returns ones, and zeros where the mask of `x` is False
    numbers → mask:   a model that hands on what it is given, called with `mask=`
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from tracer.core.migration.masks.attention import (
    Attended,
    attention_model,
    computes_otherwise,
    has_stand_in,
    sequences_of,
)
from tracer.core.migration.masks.stand_ins import joined_model, unmasked_model
from tracer.core.migration.rules import Config

# What a mask is made of: the sources that are joined by *and*; None where there is no mask.
_Mask: TypeAlias = frozenset[str] | None
# Layer, number of its call, number of its output.
_Tensor: TypeAlias = tuple[str, int, int]

_MODELS: Final = frozenset({"Functional", "Sequential"})
_MERGES: Final = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})
# Of these, the output has the mask of the first input, in Keras 2 too.
_PASSING: Final = frozenset(
    {
        *("Activation", "Dense", "Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        *("ActivityRegularization", "LeakyReLU", "ReLU", "PReLU", "ELU", "Softmax", "TimeDistributed", "Lambda"),
        *("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"),
        *("Attention", "AdditiveAttention", "MultiHeadAttention"),
    }
)
# In Keras 3, masks change the numbers that these return.
_BY_MASK: Final = frozenset({"Multiply", "Maximum", "Minimum"})
# These hand masks on in Keras 3 alone.
_DROPPING: Final = frozenset({"Rescaling", "Identity", "RandomCrop"})
_ATTENTION: Final = "MultiHeadAttention"
_RECURRENT: Final = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"})


@dataclass(slots=True)
class _Found:
    """Layers that Keras 3 has otherwise, by layer path.

    Attributes:
        merges: of which the masks are others.
        attended: attention, by which of its sequences have masks in each call.
    """

    merges: set[str] = field(default_factory=set)
    attended: dict[str, list[tuple[bool, ...]]] = field(default_factory=dict)


def with_masks_of_keras_2(
    config: Config, channels: Mapping[str, tuple[int, ...] | None] = MappingProxyType({})
) -> tuple[Config, int]:
    """A translated configuration in which layers treat masks as Keras 2 does, and how many layers were changed.

    Args:
        config: translated.
        channels: of query, key and value of each `MultiHeadAttention`, by layer path.
    """
    found = _Found()
    if config["class_name"] in _MODELS:
        _of_model(config, (), "", found)
    attended = {
        path: Attended(channels=channels.get(path.removeprefix("/")), masked=tuple(masked))
        for path, masked in found.attended.items()
    }
    stand_ins = dict(_stand_ins(config, "", found.merges, attended))
    return (_change(config, "", stand_ins), len(stand_ins)) if stand_ins else (config, 0)


def _stand_ins(
    layer: Config, path: str, merges: Collection[str], attended: Mapping[str, Attended]
) -> Iterator[tuple[str, Config]]:
    """What is put in the place of layers, by layer path."""
    if path in merges:
        yield path, unmasked_model(layer) if layer["class_name"] in _DROPPING else joined_model(layer)
    elif path in attended:
        if computes_otherwise(layer, attended[path]) and has_stand_in(layer, attended[path]):
            yield path, attention_model(layer, attended[path])
    elif layer["class_name"] in _MODELS:
        for item in layer["config"]["layers"]:
            yield from _stand_ins(item, f"{path}/{_name(item)}", merges, attended)


def _change(layer: Config, path: str, stand_ins: Mapping[str, Config]) -> Config:
    if path in stand_ins:
        return stand_ins[path]
    if layer["class_name"] not in _MODELS:
        return layer
    inside = [_change(item, f"{path}/{_name(item)}", stand_ins) for item in layer["config"]["layers"]]
    config = {**layer["config"], "layers": inside}
    if "output_layers" in config:
        # Keras counts the calls of a nested graph from 1 where it names the outputs of the graph around it.
        models = {name for name in map(_name, inside) if f"{path}/{name}" in stand_ins}
        config["output_layers"] = _recounted(config["output_layers"], models)
    return {**layer, "config": config}


def _recounted(ends: Any, models: Collection[str]) -> Any:
    """Outputs of a graph some layers of which have become models."""
    if isinstance(ends, dict):
        return {key: _recounted(end, models) for key, end in ends.items()}
    if ends and isinstance(ends[0], str):
        name, call, output = ends
        return [name, call + (name in models), output]
    return [_recounted(end, models) for end in ends]


def _name(layer: Config) -> str:
    return str(layer.get("name") or layer["config"].get("name"))


def _of_model(model: Config, given: Sequence[_Mask], path: str, found: _Found) -> list[_Mask]:
    """The masks of a model's outputs for those of its inputs; notes the paths of layers that Keras 3 has otherwise."""
    if model["class_name"] == "Functional":
        return _of_graph(model["config"], given, path, found)
    masks = list(given)
    for layer in model["config"]["layers"]:
        if layer["class_name"] == "InputLayer":
            continue
        masks = _of_call(layer, masks, (f"{path}<input>",), f"{path}/{_name(layer)}", found)
    return masks


def _of_graph(config: Config, given: Sequence[_Mask], path: str, found: _Found) -> list[_Mask]:
    starts: list[_Tensor] = [(name, call, output) for name, call, output in _ends(config["input_layers"])]
    masks: dict[_Tensor, _Mask] = dict(zip(starts, [*given, *[None] * len(starts)], strict=False))
    for layer, number in _in_order(config["layers"], starts):
        node = layer["inbound_nodes"][number]
        first, handed = list(_tensors(node["args"][:1])), node["kwargs"].get("mask")
        of_first = [masks.get(tensor) for tensor in first]
        before: list[_Mask] = [frozenset({f"{path}{handed}"})] if isinstance(handed, dict) else of_first
        if layer["class_name"] == _ATTENTION:
            masked = tuple(masks.get(tensor) is not None for tensor in _tensors(sequences_of(node)))
            found.attended.setdefault(f"{path}/{_name(layer)}", []).append(masked)
        after = _of_call(layer, before, [f"{path}{tensor}" for tensor in first], f"{path}/{_name(layer)}", found)
        masks.update(((_name(layer), number, output), mask) for output, mask in enumerate(after))
    # Keras counts the calls of a nested graph from 1 where it names the outputs of the graph around it.
    models = {_name(layer) for layer in config["layers"] if layer["class_name"] == "Functional"}
    return [masks.get((name, call - (name in models), output)) for name, call, output in _ends(config["output_layers"])]


def _in_order(layers: Sequence[Config], starts: Sequence[_Tensor]) -> Iterator[tuple[Config, int]]:
    """Layers and the numbers of their calls, each behind those that it takes something from."""
    done = {start[:2] for start in starts}
    waiting = [(layer, number) for layer in layers for number in range(len(layer["inbound_nodes"]))]
    before = len(waiting) + 1
    while len(waiting) < before:
        before, later = len(waiting), []
        for layer, number in waiting:
            if done.issuperset(tensor[:2] for tensor in _tensors(layer["inbound_nodes"][number])):
                yield layer, number
                done.add((_name(layer), number))
            else:
                later.append((layer, number))
        waiting = later


def _ends(ends: Any) -> list[list[Any]]:
    """Inputs or outputs of a graph, whatever structure they are in."""
    if isinstance(ends, dict):
        return [end for value in ends.values() for end in _ends(value)]
    return [ends] if ends and isinstance(ends[0], str) else [end for value in ends for end in _ends(value)]


def _tensors(value: Any) -> Iterator[_Tensor]:
    """The tensors that a call is written with."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, call, output = value["config"]["keras_history"]
        yield name, call, output
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _of_call(layer: Config, masks: list[_Mask], labels: Sequence[str], path: str, found: _Found) -> list[_Mask]:
    """The masks of what a layer returns in Keras 2."""
    class_name, config = layer["class_name"], layer["config"]
    if str(layer["module"]).startswith("keras.src.ops"):  # what an operation returns has none
        return [None]
    if class_name in _MODELS:
        return _of_model(layer, masks, path, found)
    if class_name in _MERGES or (class_name == "Concatenate" and config.get("axis", -1) in (-1, 2)):
        return [_join(class_name, masks, path, found)]
    if class_name in _DROPPING and any(masks):
        found.merges.add(path)
    made = _made(class_name, config, labels)
    return [made] if made else [masks[0] if masks and _passes(class_name, config) else None]


def _join(class_name: str, masks: Sequence[_Mask], path: str, found: _Found) -> _Mask:
    held = [mask for mask in masks if mask is not None]
    if held and (class_name in _BY_MASK or any(mask != held[0] for mask in masks)):
        found.merges.add(path)
    return frozenset().union(*held) if held else None


def _made(class_name: str, config: Mapping[str, Any], labels: Sequence[str]) -> _Mask:
    """The mask that a layer makes of its input; two layers that make it of one tensor make the same."""
    if class_name == "Embedding" and config.get("mask_zero"):
        return frozenset({f"{labels[0]} 0"})
    if class_name == "Masking":
        return frozenset({f"{labels[0]} {config.get('mask_value')} in all channels"})
    return None


def _passes(class_name: str, config: Mapping[str, Any]) -> bool:
    if class_name in _RECURRENT:
        inner = config["layer"]["config"] if class_name == "Bidirectional" else config
        return bool(inner.get("return_sequences"))
    return class_name in _PASSING
