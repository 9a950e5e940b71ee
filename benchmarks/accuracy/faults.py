"""Faults of every kind, drawn for a model; each says which layers it makes wrong, and why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras.src.backend.common.variables import AutocastScope
from plants import Planting, attribute, children, find, recoded_class, recoded_instance, restored, swapped, walk

from benchmarks.accuracy.layers import Scaler
from benchmarks.accuracy.models import Made
from benchmarks.accuracy.parts import Change

RAISED = "there is no such table"
SIZES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault to plant.

    Attributes:
        kind: in a word or two, for the table.
        causes: the cause to name, by path of the layer that is wrong.
        side: the side to name.
        size: relative size of what was done to weights; None where there is none.
        planting: what is done to a built candidate.
        changes: what is built otherwise.
        sees_all: the layer itself is right on the inputs that it gets; it gets other ones.
    """

    kind: str
    causes: Mapping[str, str]
    side: str = "candidate"
    size: float | None = None
    planting: Planting | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    sees_all: bool = False


def altered(path: str, change: Callable[[list[np.ndarray]], Sequence[np.ndarray]]) -> Planting:
    """Other weights in a layer."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        with restored(layer):
            kept = layer.get_weights()
            new = change([np.array(w) for w in kept])
            layer.set_weights([np.asarray(n).astype(w.dtype) for n, w in zip(new, kept, strict=True)])
            yield model

    return planted


def raising(path: str) -> Planting:
    """A layer whose `call` raises."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            del args, kwargs
            raise ValueError(RAISED)

        layer = find(model, path)
        vars(layer)["call"] = fail
        try:
            yield model
        finally:
            del vars(layer)["call"]

    return planted


def training_inside(path: str) -> Planting:
    """A layer whose code calls the layers inside as if they were trained."""

    @contextlib.contextmanager
    def planted(model: Any) -> Iterator[Any]:
        layer = find(model, path)
        call = layer.call

        def trained(*args: Any, **kwargs: Any) -> Any:
            context = layer._get_call_context()
            before, context.training = context.training, True
            with AutocastScope(None):  # as they are stored
                kept = layer.get_weights()
            try:
                return call(*args, **kwargs)
            finally:
                context.training = before
                with AutocastScope(None):
                    layer.set_weights(kept)  # else one run would be another fault for the next one

        vars(layer)["call"] = trained
        try:
            yield model
        finally:
            del vars(layer)["call"]

    return planted


class Drawer:
    """Draws faults for one model."""

    def __init__(self, made: Made, rng: np.random.RandomState) -> None:
        self.made, self.rng = made, rng
        self.layers = dict(walk(made.model))
        self.inner = [p for p, at in self.layers.items() if not children(at) and type(at).__name__ != "InputLayer"]
        self.inner = [p for p in self.inner if "textvectorization/" not in p]  # no call site: it is one with its table
        self.weighted = [p for p in self.inner if any("float" in str(w.dtype) for w in self.layers[p].weights)]

    def draw(self) -> Fault | None:
        """One of any kind; None where the kind that was drawn has no place in the model."""
        weights = (*[self.perturbed] * 4, self.swapped, self.permuted, self.statistics)
        context = (self.called_in_training, self.called_in_training)
        rest = (self.policy, self.mask, self.wired, self.recoded, self.raising, *context)
        kinds = (*weights, self.configured, self.configured, self.state, self.state, *rest)
        return kinds[self.rng.randint(len(kinds))]()

    def _one_of(self, things: Sequence[Any]) -> Any:
        return things[self.rng.randint(len(things))] if things else None

    def _is_made(self, path: str) -> bool:
        """Whether the bench makes the layer itself, and can make it otherwise."""
        return self._named(path) in self.made.options

    def _named(self, path: str) -> str:
        return path.rpartition("/")[2]

    def perturbed(self) -> Fault | None:
        path = self._one_of(self.weighted)
        if path is None:
            return None
        size, only, seed = self._one_of(SIZES), self.rng.rand() < 0.3, self.rng.randint(1 << 30)

        def change(weights: list[np.ndarray]) -> list[np.ndarray]:
            rng = np.random.RandomState(seed)
            floats = [k for k, w in enumerate(weights) if w.dtype.kind == "f"]
            chosen = floats[:1] if only else floats
            return [w * (1 + size * rng.normal(size=w.shape)) if k in chosen else w for k, w in enumerate(weights)]

        return Fault(kind="weights perturbed", causes={path: "weights"}, size=size, planting=altered(path, change))

    def swapped(self) -> Fault | None:
        def shapes(path: str) -> tuple[type, list[tuple[int, ...]]]:
            layer = self.layers[path]
            return type(layer), [tuple(w.shape) for w in layer.weights]

        pairs = [(a, b) for k, a in enumerate(self.weighted) for b in self.weighted[:k] if shapes(a) == shapes(b)]
        pair = self._one_of(pairs)
        if pair is None:
            return None
        return Fault(kind="weights swapped", causes=dict.fromkeys(pair, "weights"), planting=swapped(*pair))

    def permuted(self) -> Fault | None:
        path = self._one_of([p for p in self.weighted if len(self.layers[p].weights[0].shape) >= 2])
        if path is None:
            return None
        first = tuple(self.layers[path].weights[0].shape)
        square = len(first) == 2 and first[0] == first[1] and self.rng.rand() < 0.7

        def change(weights: list[np.ndarray]) -> list[np.ndarray]:
            return [weights[0].T if square else np.roll(weights[0], 1, axis=-2), *weights[1:]]

        kind = "kernel transposed" if square else "kernel permuted"
        return Fault(kind=kind, causes={path: "weights"}, planting=altered(path, change))

    def statistics(self) -> Fault | None:
        path = self._one_of([p for p in self.inner if type(self.layers[p]).__name__ == "BatchNormalization"])
        if path is None:
            return None

        def change(weights: list[np.ndarray]) -> list[np.ndarray]:
            return [*weights[:2], np.zeros_like(weights[2]), np.ones_like(weights[3])]

        return Fault(kind="moving statistics lost", causes={path: "weights"}, planting=altered(path, change))

    def configured(self) -> Fault | None:
        found = [(p, options) for p in self.inner if self._is_made(p) and (options := self._other_options(p))]
        drawn = self._one_of(found)
        if drawn is None:
            return None
        path, options = drawn
        return Fault(
            kind="configuration", causes={path: "config"}, changes={self._named(path): Change(options=options)}
        )

    def _other_options(self, path: str) -> dict[str, Any]:
        layer, given = self.layers[path], self.made.options.get(self._named(path), {})
        name = type(layer).__name__
        if given.get("activation") and name in ("Dense", "Conv1D", "Conv2D", "Activation"):
            return {"activation": "selu" if self.rng.rand() < 0.5 else "hard_sigmoid"}
        if name in ("LSTM", "GRU") and "/" not in path:
            return self._one_of(({"recurrent_activation": "hard_sigmoid"}, {"go_backwards": True}))
        if name in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
            return {"epsilon": 0.05}
        return {"LeakyReLU": {"negative_slope": 0.1}, "Rescaling": {"offset": 0.2}}.get(name, {})

    def state(self) -> Fault | None:
        held = {"Counted": "steps", "Tabled": "table", "Standardized": "scaler", "Shifted": "shift"}
        held["Normalization"] = "mean"  # stale: it isn't what the layer's weights say
        path = self._one_of([p for p in self.inner if type(self.layers[p]).__name__ in held])
        if path is None:
            return None
        name = held[type(self.layers[path]).__name__]
        value = getattr(self.layers[path], name)
        if name == "steps":
            other = value + 3
        elif name == "scaler":
            other = Scaler(value.mean * 1.01, value.scale)
        else:
            other = type(value)(value * 1.01) if name == "shift" and hasattr(value, "assign") else value * 1.01
        return Fault(
            kind=f"state: {type(self.layers[path]).__name__.lower()}", causes={path: "unsaved-state"},
            planting=attribute(path, **{name: other}),
        )  # fmt: skip

    def policy(self) -> Fault | None:
        names = ("Dense", "Conv1D", "Conv2D", "LayerNormalization", "Activation")
        fits = [p for p in self.inner if type(self.layers[p]).__name__ in names and self._named(p) in self.made.options]
        path = self._one_of([p for p in fits if self.layers[p].dtype_policy.name == "float32"])
        if path is None:
            return None
        other = self._one_of(("mixed_float16", "mixed_bfloat16", "float16"))
        changes = {self._named(path): Change(options={"dtype": other})}
        return Fault(kind=f"dtype {other}", causes={path: "dtype-policy"}, changes=changes)

    def mask(self) -> Fault | None:
        path = self._one_of([p for p in self.inner if type(self.layers[p]).__name__ in ("Embedding", "HandingOn")])
        if path is None:
            return None
        if type(self.layers[path]).__name__ == "Embedding":
            changes = {self._named(path): Change(options={"mask_zero": False})}
            return Fault(kind="mask lost", causes={path: "config"}, changes=changes)
        planting = attribute(path, supports_masking=False)
        return Fault(kind="mask not handed on", causes={path: "unsaved-state"}, planting=planting)

    def wired(self) -> Fault | None:
        path = self._one_of([p for p in self.layers if "/" not in p and self.made.wires.get(p)])
        if path is None:
            return None
        wire = int(self.rng.randint(self.made.wires[path]))
        return Fault(kind="wiring", causes={path: "topology"}, changes={path: Change(wire=wire)}, sees_all=True)

    def recoded(self) -> Fault | None:
        path = self._one_of([p for p in self.inner if self.layers[p].compute_dtype == "float32"])
        if path is None:
            return None
        plant = self._one_of((recoded_instance, recoded_class))
        return Fault(kind="other code", causes={path: "implementation"}, side="unknown", planting=plant(path))

    def raising(self) -> Fault | None:
        path = self._one_of(self.inner)
        return Fault(kind="raises", causes={path: "implementation"}, planting=raising(path))

    def called_in_training(self) -> Fault | None:
        """A layer of layers, of which one computes otherwise when it is trained, and nothing is drawn at random."""
        path = self._one_of([p for p, at in self.layers.items() if type(at).__name__ == "Block" and _learns(at)])
        if path is None:
            return None
        return Fault(kind="call context", causes={path: "call-context"}, planting=training_inside(path))


def _learns(layer: Any) -> bool:
    inside = {type(at).__name__ for at in children(layer)}
    return "BatchNormalization" in inside and not inside & {"Dropout", "MultiHeadAttention", "TransformerEncoder"}
