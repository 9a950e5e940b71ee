"""Names of layers that Keras 3 refuses, which has `/` between the names of a path alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracer.core.migration.rules import Config, UnsupportedError

_REFERENCES: Final = frozenset({"inbound_nodes", "input_layers", "output_layers"})


def legal_name(name: str) -> str:
    """The name that a layer has in Keras 3: `Conv/BatchNorm` becomes `Conv_BatchNorm`."""
    return name.replace("/", "_")


def with_legal_names(config: Config) -> tuple[Config, int]:
    """A configuration in which no layer has a name that Keras 3 refuses, and how many had.

    Args:
        config: of a model, with `class_name` and `config`.

    Raises:
        UnsupportedError: if two layers of one model would have the same name.
    """
    renamed = {name: legal_name(name) for name in _layer_names(config) if "/" in name}
    return (_renamed(config, renamed), len(renamed)) if renamed else (config, 0)


def _layer_names(value: object) -> Iterator[str]:
    """Of every layer in a configuration."""
    if isinstance(value, Mapping):
        _check_alone(value.get("layers"))
        held = value.get("config")
        if "class_name" in value and isinstance(held, Mapping) and isinstance(held.get("name"), str):
            yield held["name"]
        value = list(value.values())
    for item in value if isinstance(value, (list, tuple)) else ():
        yield from _layer_names(item)


def _check_alone(layers: object) -> None:
    names = (
        [str(layer["config"].get("name")) for layer in layers if isinstance(layer, Mapping) and "config" in layer]
        if isinstance(layers, list)
        else []
    )
    legal = [legal_name(name) for name in names]
    twice = next((name for name in names if "/" in name and legal.count(legal_name(name)) > 1), None)
    if twice is not None:
        raise UnsupportedError(
            f"the layer {twice!r} would be called {legal_name(twice)!r}, and so is another one",
            "Give it another name, in Keras 2.",
        )


def _renamed(value: Any, names: Mapping[str, str], *, refers: bool = False) -> Any:
    """The same with other names, where a layer has one and where something refers to it."""
    if isinstance(value, Mapping):
        return {
            key: names.get(item, item)
            if key == "name" and isinstance(item, str)
            else _renamed(item, names, refers=refers or key in _REFERENCES)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names, refers=refers) for item in value]
    return names.get(value, value) if refers and isinstance(value, str) else value
