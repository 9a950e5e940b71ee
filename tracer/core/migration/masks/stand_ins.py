"""Layers whose outputs have other masks in Keras 3, as small models of plain Keras 3 that have those of Keras 2."""

from __future__ import annotations

from tracer.core.migration.masks.parts import (
    CARRIER,
    STRIPPED,
    call_of,
    carrier,
    in_place_of,
    input_of,
    mask_as_numbers,
    operation,
    tensor,
)
from tracer.core.migration.rules import Config


def joined_model(layer: Config) -> Config:
    """A layer that merges sequences (samples, steps, channels), with all masks of its inputs joined by *and*.

    Args:
        layer: translated, with its name and its calls.
    """
    name = str(layer["name"])
    starts = [f"input_{index}" for index in range(len(layer["inbound_nodes"][0]["args"][0]))]
    masks = [part for index, start in enumerate(starts) for part in mask_as_numbers(start, index)]
    kept = "kept_0"
    for index in range(1, len(starts)):
        masks.append(operation("LogicalAnd", f"all_{index}", tensor(kept), tensor(f"kept_{index}")))
        kept = f"all_{index}"
    # Some layers that merge return other numbers where there are masks.
    plain = [f"{STRIPPED}_{index}" if index else STRIPPED for index in range(len(starts))]
    copies = [operation("Copy", copy, tensor(start)) for copy, start in zip(plain, starts, strict=True)]
    merged = {**layer, "inbound_nodes": [call_of([tensor(copy) for copy in plain])]}
    layers = [*(input_of(start, None) for start in starts), *masks, *copies, merged, carrier(name, kept)]
    # Keras counts the calls of a nested graph from 1 where it names the outputs of the graph around it.
    return in_place_of(layer, layers, starts, [CARRIER, 1, 0])


def unmasked_model(layer: Config) -> Config:
    """A layer of sequences without a mask on what it returns.

    Args:
        layer: translated; in a graph, with its calls.
    """
    name = str(layer["config"]["name"])
    unmasked = {**layer, "name": name, "inbound_nodes": [call_of(tensor(STRIPPED))]}
    layers = [input_of("input_0", None), operation("Copy", STRIPPED, tensor("input_0")), unmasked]
    return in_place_of(layer, layers, ["input_0"], [name, 0, 0])
