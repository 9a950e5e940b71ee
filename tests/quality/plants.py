"""Plant one fault in a copy of a model, and take it out again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Planting = Callable[[Any], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One planted fault, and what the tracer has to say of it.

    Attributes:
        name: kind and place, for the table.
        layers: layer paths to blame, no others.
        cause: of each of them.
        planted: the candidate with the fault, within the context.
        says: words that the evidence of each fault has to hold.
    """

    name: str
    layers: tuple[str, ...]
    cause: str
    planted: Planting
    says: str = ""


def copy_of(model: Any) -> Any:
    """The same model again: from its configuration, with its weights and whatever state a file loses."""
    if hasattr(model, "_functional") or isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth"):
        candidate = keras.models.model_from_json(model.to_json())
    else:
        candidate = type(model).from_config(model.get_config())
        candidate.build_from_config(model.get_build_config())
    candidate.set_weights(model.get_weights())
    return carry_state(model, candidate)


def carry_state(model: Any, candidate: Any) -> Any:
    """Give a copy the attributes that neither its weights nor its configuration carry."""
    pairs = zip(model._flatten_layers(include_self=False), candidate._flatten_layers(include_self=False), strict=True)
    for mine, its in pairs:
        if isinstance(its, keras.layers.Normalization):
            its.finalize_state()
        for name in ("shift", "factor"):
            if hasattr(mine, name):
                setattr(its, name, getattr(mine, name))
    return candidate


def children(layer: Any) -> list[Any]:
    """Layers directly inside; none inside a recurrent layer, whose steps are no call sites."""
    if isinstance(layer, keras.layers.RNN):
        return []
    return [held for held in layer._flatten_layers(include_self=False, recursive=False) if held is not layer]


def walk(layer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Layer path and layer, of everything inside."""
    for held in children(layer):
        yield prefix + held.name, held
        yield from walk(held, f"{prefix}{held.name}/")


def find(model: Any, path: str) -> Any:
    return next(layer for at, layer in walk(model) if at == path)


def weighted(model: Any) -> list[str]:
    """Innermost layers that hold float weights of their own."""
    return [path for path, layer in walk(model) if not children(layer) and _own(layer)]


def _own(layer: Any) -> list[Any]:
    return [w for w in layer.weights if "float" in str(w.dtype)]


# --- weights


@contextlib.contextmanager
def restored(*layers: Any) -> Iterator[None]:
    """Puts back the weights of layers."""
    kept = [layer.get_weights() for layer in layers]
    try:
        yield
    finally:
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights(weights)


def scaled(path: str, factor: float = 1 + 1e-4) -> Planting:
    """Every weight of a layer a little too large."""
    return _changed(path, lambda weights: [w * factor for w in weights])


def flipped(path: str) -> Planting:
    """The layer's first weight with the other sign."""
    return _changed(path, lambda weights: [-weights[0], *weights[1:]])


def zeroed(path: str) -> Planting:
    """The channel of the layer's first weight that weighs most, set to zero."""

    def change(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
        first = np.array(weights[0])
        rest = tuple(range(first.ndim - 1))
        first[..., int(np.argmax(np.sum(np.abs(first), axis=rest)))] = 0
        return [first, *weights[1:]]

    return _changed(path, change)


def transposed(path: str, axes: tuple[int, ...]) -> Planting:
    """The layer's kernel with its axes in another order, of the same shape."""
    return _changed(path, lambda weights: [np.transpose(weights[0], axes), *weights[1:]])


def _changed(path: str, change: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]) -> Planting:
    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        with restored(layer):
            layer.set_weights(
                [w.astype(o.dtype) for w, o in zip(change(layer.get_weights()), layer.get_weights(), strict=True)]
            )
            yield model

    return planted


def swapped(one: str, other: str) -> Planting:
    """Two layers of equal shape with each other's weights."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        a, b = find(model, one), find(model, other)
        with restored(a, b):
            mine = a.get_weights()
            a.set_weights(b.get_weights())
            b.set_weights(mine)
            yield model

    return planted


# --- configuration, dtype policy, state, code


def reconfigured(path: str, **changes: Any) -> Planting:
    """Another value in the saved configuration of a layer: the candidate is built from it anew."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        config = json.loads(model.to_json())
        target = _config_at(config["config"], path.split("/"))
        missing = changes.keys() - target.keys()
        assert not missing, f"{path} has no {missing}"
        target.update(changes)
        _let_masks_follow(config["config"])
        candidate = keras.models.model_from_json(json.dumps(config))
        candidate.set_weights(model.get_weights())
        yield carry_state(model, candidate)

    return planted


def _let_masks_follow(config: Any) -> None:
    """A written graph hands on the masks of the model that it was written from, whatever its layers make now."""
    for node in (node for layer in config.get("layers", ()) for node in layer.get("inbound_nodes", ())):
        node["kwargs"].pop("mask", None)


def _config_at(config: Any, parts: Sequence[str]) -> Any:
    """The configuration of the layer of that name, below the layers named before it."""
    for part in parts:
        entries = config["layers"] if "layers" in config else [v for v in config.values() if isinstance(v, dict)]
        config = next(e["config"] for e in entries if e.get("config", {}).get("name") == part)
    return config


def attribute(path: str, **values: Any) -> Planting:
    """Other values in attributes of a layer."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        kept = {name: getattr(layer, name) for name in values}
        for name, value in values.items():
            setattr(layer, name, value)
        try:
            yield model
        finally:
            for name, value in kept.items():
                setattr(layer, name, value)

    return planted


def recoded_instance(path: str, factor: float = 1.01) -> Planting:
    """A layer whose `call` was replaced on the object."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        original = layer.call
        vars(layer)["call"] = lambda *args, **kwargs: original(*args, **kwargs) * factor
        try:
            yield model
        finally:
            del vars(layer)["call"]

    return planted


def recoded_class(path: str, factor: float = 1.01) -> Planting:
    """A layer whose class is another one of the same name, as after an upgrade of the package that defines it."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        base = type(layer)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return base.call(self, *args, **kwargs) * factor

        layer.__class__ = type(base.__name__, (base,), {"call": call, "__module__": base.__module__})
        try:
            yield model
        finally:
            layer.__class__ = base

    return planted


# --- what came of it


def blamed(report: Any) -> tuple[str, ...]:
    return tuple(fault.layer for fault in report.faults)


def causes(report: Any) -> list[tuple[str, str]]:
    return [(fault.layer, str(fault.cause)) for fault in report.faults]


def verdicts(report: Any) -> dict[str, str]:
    return {layer.layer: str(layer.verdict) for layer in report.layers}


def words(fault: Any) -> str:
    return " ".join(f"{e.name} {e.reference} {e.candidate} {e.detail}" for e in fault.evidence)


def layer_is_right(plant: Plant, report: Any) -> bool:
    return sorted(blamed(report)) == sorted(plant.layers)


def cause_is_right(plant: Plant, report: Any) -> bool:
    """The cause of every fault, and what its evidence has to say."""
    return bool(report.faults) and all(f.cause == plant.cause and plant.says in words(f) for f in report.faults)


def table(rows: Mapping[str, Sequence[tuple[bool, bool]]]) -> str:
    """Rates of layer and cause, by row."""
    lines = [f"{'':<14}{'plants':>8}{'layer':>8}{'cause':>8}"]
    everything = [pair for pairs in rows.values() for pair in pairs]
    for name, pairs in [*rows.items(), ("all", everything)]:
        right = [f"{sum(column) / len(pairs):.1%}" for column in zip(*pairs, strict=True)]
        lines.append(f"{name:<14}{len(pairs):>8}{right[0]:>8}{right[1]:>8}")
    return "\n".join(lines)
