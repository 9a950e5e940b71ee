"""The variables that every layer of a live model holds, and how it is set; nothing is copied that needn't be."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import keras

from tracer.core.comparison.alignment import translated
from tracer.core.layer.holdings import Holding, Place
from tracer.core.source import Array, Facts
from tracer.engine import compat
from tracer.engine.layer import facts, twin, values
from tracer.engine.layer.graphs import is_graph
from tracer.engine.layer.naming import Tree, is_layer

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_DEEPEST = 4
# Attributes that every layer has and that say nothing of how it is set, or say it a second time.
_UNTOLD = facts.BOOKKEEPING | {
    "build",
    "quantize",
    "_dtype_policy",
    "_losses_override",
    "call_signature_parameters",
    "_input_spec",
    "seed_generator",
    "backend",
    "_path",
    "seed",
}
_IDLE = "_initializer"
_DIGEST_BYTES = 16


class Holdings:
    """What the layers of one model hold.

    Args:
        tree: the layers of the model.
        names: the other side's names of them.
    """

    def __init__(self, tree: Tree, names: Mapping[str, str]) -> None:
        self._layers = {translated(path, names): layer for path, layer in tree.all_layers().items() if is_layer(layer)}
        self._variables: dict[str, list[keras.Variable]] = {}
        self._class = compat.dialect().variable_class()

    def told(self) -> dict[str, Holding]:
        """Of every layer, by layer path."""
        held = {path: own_variables(layer) for path, layer in self._layers.items()}
        owners: dict[int, str] = {}
        for path, variables in held.items():
            for variable in variables.values():
                # `SpectralNormalization` holds the kernel of the layer inside it: whose it is.
                first = owners.setdefault(id(variable), path)
                if path.startswith(f"{first}/"):
                    owners[id(variable)] = path
        return {path: self._holding(path, held[path], owners) for path in held}

    def _holding(self, path: str, held: Mapping[str, keras.Variable], owners: Mapping[int, str]) -> Holding:
        layer = self._layers[path]
        again = tuple(name for name, variable in held.items() if owners[id(variable)] != path)
        self._variables[path] = list(held.values())
        return Holding(
            name=str(layer.name),
            class_name=type(layer).__name__,
            names=tuple(held),
            shapes=tuple(_shape(variable) for variable in held.values()),
            dtypes=tuple(_dtype(variable) for variable in held.values()),
            again=again,
            derives=facts.derives_state(layer),
            traits=traits(layer, held),
        )

    def values(self, places: Sequence[Place]) -> tuple[Array, ...]:
        """Elements of variables, flat."""
        return tuple(self._value(*place) for place in places)

    def _value(self, path: str, position: int, start: int, stop: int) -> Array:
        variable = self._variables[path][position]
        frozen = compat.freeze(variable) if isinstance(variable, self._class) else variable
        return compat.to_numpy(frozen).reshape(-1)[start:stop]

    def settings(self, paths: Sequence[str], *, rebuilt: bool) -> dict[str, Facts]:
        """Facts of layers, without their weights; a layer that can't be rebuilt is left out."""
        found = {}
        for path in paths:
            layer = twin.rebuilt(self._layers[path]) if rebuilt else self._layers[path]
            if layer is not None:
                found[path] = _settings(layer)
        return found


# --- variables


def _shape(variable: keras.Variable) -> tuple[int, ...]:
    return compat.dialect().shape_of(variable)


def _dtype(variable: keras.Variable) -> str:
    return compat.dialect().dtype_name(variable.dtype)


def own_variables(layer: keras.Layer) -> dict[str, keras.Variable]:
    """Variables of a layer by name, without those of layers inside and the state of its seed generators.

    A layer with an adapter (LoRA) is told as it is saved: with the adapter's product in its kernel.
    """
    seeds = {id(g.state) for g in getattr(layer, "_seed_generators", ())}
    own = {id(v): v for v in compat.dialect().own_variables(layer) if _is_weight(v) and id(v) not in seeds}
    names = _unique(map(compat.dialect().variable_name, own.values()))
    named = dict(zip(names, own.values(), strict=True))
    return _merge(layer, named) if getattr(layer, "lora_enabled", False) else named


def _is_weight(variable: keras.Variable) -> bool:
    """It is Keras' own, and has a value: one made in a scope that defers it has none yet."""
    return isinstance(variable, compat.dialect().variable_class()) and compat.dialect().has_value(variable)


def _unique(names: Iterator[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        while name in found:
            name += "'"
        found.append(name)
    return found


def _merge(layer: keras.Layer, named: dict[str, keras.Variable]) -> dict[str, keras.Variable]:
    """What the layer would save: the kernel that it computes with, whether its adapter is merged or not."""
    saved: dict[str, keras.Variable] = {}
    try:
        layer.save_own_variables(saved)
    except Exception:  # the layer's own code, which may raise anything: its variables are compared as they are
        return named
    names = {id(variable): name for name, variable in named.items()}
    kept = {names.get(id(value)) for value in saved.values()}
    free = iter([name for name in named if not name.startswith("lora_") and name not in kept])
    return {names.get(id(value)) or next(free, str(key)): value for key, value in saved.items()}


# --- everything else


def traits(layer: keras.Layer, variables: Mapping[str, keras.Variable]) -> str:
    """Digest of a layer's class, policy and attributes; variables that are weights aside."""
    if is_graph(layer):
        return repr(facts.policy(layer))
    weights = {id(variable) for variable in variables.values()}
    parts = [f"{type(layer).__module__}.{type(layer).__qualname__}", repr(facts.policy(layer))]
    held = compat.attributes_of(layer)
    for name in sorted(held.keys() - _UNTOLD):
        value = held[name]
        if type(value) in _PLAIN:
            parts.append(f"{name}={value!r}")
        elif id(value) not in weights and not name.endswith(_IDLE):
            parts.append(f"{name}={_brief(value, weights, 0)}")
    if callable(getattr(layer, "get_vocabulary", None)):
        parts.append(_brief(facts.vocabulary(layer), weights, 0))
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()


def _brief(value: object, weights: set[int], depth: int) -> str:
    """A value in a few words that are the same for equal values, in another process too."""
    if type(value) in _PLAIN:
        return repr(value)
    if is_layer(value) or id(value) in weights or depth > _DEEPEST:
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_brief(item, weights, depth + 1) for item in value)})"
    if isinstance(value, Mapping):
        items = (f"{key}: {_brief(value[key], weights, depth + 1)}" for key in sorted(value, key=str))
        return f"{{{', '.join(items)}}}"
    return _brief_of_object(value)


def _brief_of_object(value: object) -> str:
    name = type(value).__name__
    if not type(value).__module__.startswith("keras.") or isinstance(value, compat.dialect().variable_class()):
        try:
            return values.brief(values.read(value, probe=False))
        except values.UnreadableError as error:
            return str(error)
    if name in _OPAQUE:
        return name
    held = getattr(value, "__dict__", {})
    plain = (f"{key}={held[key]!r}" for key in sorted(held) if type(held[key]) in _PLAIN and key not in _NAMES)
    return f"{name}[{', '.join(plain)}]"


# Objects of Keras that no layer computes with, and what says nothing of those that it does.
_OPAQUE = frozenset({"Tracker", "Node", "SeedGenerator", "KerasTensor"})
_NAMES = frozenset({"seed", "_init_seed", "_seed", "name", "_name", "_random_seed"})


def _settings(layer: keras.Layer) -> Facts:
    found = facts.settings(layer)
    if is_graph(layer):
        return replace(found, config={}, state={})
    if isinstance(layer, keras.Model):  # what it has besides is what training needs
        taken = _own_arguments(type(layer))
        return replace(found, state={name: value for name, value in found.state.items() if name in taken})
    return found


def _own_arguments(model: type[keras.Model]) -> set[str]:
    """What the constructors take that aren't Keras' own."""
    own = [base for base in model.__mro__ if not base.__module__.startswith("keras.") and base is not object]
    return {name for base in own for name in inspect.signature(base).parameters}
