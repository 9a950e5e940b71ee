"""The layer to blame inside one whose inner calls can't be followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tracer.core.layer.differences import paired_weights
from tracer.core.numbers.difference import same_bytes
from tracer.core.source import Array, Facts


def innermost_of(path: str, class_name: str, here: Facts | None, there: Facts | None) -> tuple[str, str]:
    """Path and class of the layer to blame, where what it calls inside can't be followed call by call.

    A `TimeDistributed` has no numbers of its own; an `RNN` is blamed by its cell where the weights of one cell differ.
    """
    if here is None:
        return path, class_name
    inside = _wrapped_layer(here) if class_name == "TimeDistributed" else ""
    if class_name == "RNN" and there is not None:
        inside = _differing_cell(here, there)
    if not inside:
        return path, class_name
    parts = [_unnumbered(part, here.config) for part in inside.split("/")]
    return "/".join([path, *parts]), _class_in(here.config, inside.rpartition("/")[2]) or class_name


def _wrapped_layer(facts: Facts) -> str:
    """Name of the layer that a wrapper holds, from its configuration; "" where it doesn't say."""
    wrapped = facts.config.get("layer")
    return str(wrapped.get("config", {}).get("name", "")) if isinstance(wrapped, Mapping) else ""


def _differing_cell(here: Facts, there: Facts) -> str:
    """Path, below the layer, of the one cell whose weights differ; "" where none does, or several."""
    pairs = paired_weights(here.weights, there.weights)
    holders = {name.rpartition("/")[0] for name, a, b in pairs if not _same_weight(a, b)}
    return holders.pop() if len(holders) == 1 else ""


def _same_weight(a: Array | None, b: Array | None) -> bool:
    return a is not None and b is not None and same_bytes(a, b)


def _unnumbered(name: str, config: object) -> str:
    """`stacked_rnn_cells_3`, which Keras numbered, as `stacked_rnn_cells`: the number is another one elsewhere.

    Of two layers of one class it tells which one is meant, and stays.
    """
    base, _, number = name.rpartition("_")
    class_name, classes = _class_in(config, name), [class_name for _, class_name in _layers_in(config)]
    by_keras = number.isdigit() and base.replace("_", "") == class_name.lower()
    return base if by_keras and classes.count(class_name) == 1 else name


def _class_in(config: object, name: str) -> str:
    """Class of the layer of that name in a nested configuration, or ""."""
    return next((class_name for found, class_name in _layers_in(config) if found == name), "")


def _layers_in(config: object) -> Iterator[tuple[str, str]]:
    """Name and class of each layer in a nested configuration."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        if "class_name" in config and isinstance(inner, Mapping) and "name" in inner:
            yield str(inner["name"]), str(config["class_name"])
        config = list(config.values())
    for part in config if isinstance(config, list) else ():
        yield from _layers_in(part)
