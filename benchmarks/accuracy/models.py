"""Random small Keras models: what is drawn follows from the seed alone, and so does every weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers as kl
from plant_models import fill

from benchmarks.accuracy import layers as own
from benchmarks.accuracy.parts import (
    LENGTH,
    SHAPES,
    VOCABULARY,
    WORDS,
    Change,
    Maker,
    dense,
    drawn_body,
    drawn_front,
    reduction,
)

FORMS = ("functional", "functional", "sequential", "subclassed", "nested", "several")
STARTS = ("vector", "image", "sequence", "tokens", "text")


@dataclass(slots=True)
class Made:
    """A model, and what was noted while it was made.

    Attributes:
        model: built, with all its weights set.
        form: how it is put together.
        start: what it takes.
        policy: dtype policy of its layers but the head.
        options: of each layer's constructor, by its name.
        wires: how many other tensors a layer could get, by its name.
    """

    model: Any
    form: str
    start: str
    policy: str
    options: dict[str, dict[str, Any]]
    wires: dict[str, int]


def kind_of(start: str) -> str:
    """Of the layers behind what makes numbers."""
    return "masked" if start in ("tokens", "text") else start


def _input(start: str, name: str = "x") -> Any:
    if start == "tokens":
        return keras.Input((LENGTH,), dtype="int32", name=name)
    return keras.Input((), dtype="string", name=name) if start == "text" else keras.Input(SHAPES[start], name=name)


def inputs_for(start: str, batch: int, rng: np.random.RandomState) -> np.ndarray:
    """Drawn; ids and texts of unequal length, so that there is something to mask."""
    lengths = [rng.randint(2, LENGTH + 1) if k else 3 for k in range(batch)]
    if start == "tokens":
        ids = rng.randint(1, VOCABULARY, (batch, LENGTH)).astype("int32")
        return np.array([[i if at < n else 0 for at, i in enumerate(row)] for row, n in zip(ids, lengths, strict=True)],
                        "int32")  # fmt: skip
    if start == "text":
        return np.array([" ".join(rng.choice(WORDS, n)) for n in lengths], dtype=object)
    return rng.normal(size=(batch, *SHAPES[start])).astype("float32")


class _Graph:
    """Puts layers behind one another in a graph, with branches, and remembers tensors that others could take."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.tensors: list[Any] = []

    def call(self, layer: Any, x: Any) -> Any:
        """The layer's output; of another tensor, where the change says so."""
        name = self.maker.names.get(id(layer), layer.name)
        others = [t for t in self.tensors if t is not x and tuple(t.shape) == tuple(x.shape)]
        self.maker.wires[name] = len(others)
        wire = self.maker.changes.get(name, Change()).wire
        out = layer(others[wire] if wire is not None else x)
        self.tensors.append(out)
        return out

    def chain(self, body: Sequence[Any], x: Any) -> Any:
        maker = self.maker
        for layer in body:
            drawn = maker.rng.rand()
            y = self.call(layer, x)
            same = tuple(y.shape) == tuple(x.shape)  # whatever dtype a change gave it: the graph stays
            if same and drawn < 0.2:
                y = maker.make(kl.Add)([x, y])
            elif same and drawn < 0.3 and not getattr(layer, "stateful", False):
                y = layer(y)  # shared
            self.tensors.append(y)
            x = y
        return x


def _functional(maker: Maker, start: str) -> Any:
    graph, i = _Graph(maker), _input(start)
    front = drawn_front(maker, start)
    x = i
    for layer in front:
        x = layer(x)
    x = graph.chain(drawn_body(maker, kind_of(start), 3, 6), x)
    x = graph.chain([*reduction(maker, kind_of(start)), *drawn_body(maker, "vector", 1, 2)], x)
    return keras.Model(i, _head(maker)(x), name="model")


def _head(maker: Maker) -> Any:
    return maker.make(kl.Dense, 3, activation=maker.one_of(("softmax", None, "sigmoid")), plain=True, dtype="float32")


def _whole(maker: Maker, start: str) -> list[Any]:
    kind = kind_of(start)
    layers = [*drawn_front(maker, start), *drawn_body(maker, kind, 2, 5), *reduction(maker, kind)]
    return [*layers, *drawn_body(maker, "vector", 1, 2), _head(maker)]


def _sequential(maker: Maker, start: str) -> Any:
    return keras.Sequential([_input(start), *_whole(maker, start)], name="model")


def _subclassed(maker: Maker, start: str) -> Any:
    whole = _whole(maker, start)
    kept = (kl.Dense, kl.BatchNormalization, kl.LayerNormalization, kl.LeakyReLU, kl.Activation)
    skips = [isinstance(at, kept) and at is not whole[-1] and maker.rng.rand() < 0.3 for at in whole]
    if start == "image":  # the layer that reduces one has another width
        skips = [False] * len(whole)
    some = inputs_for(start, 2, np.random.RandomState(0))
    own.run(whole, skips, some.tolist() if start == "text" else some)  # a Normalization that Keras builds within a
    model = own.Chain(whole, skips, name="model")  # trace, as it does below a model without a graph, is of no use
    model(keras.ops.convert_to_tensor(some.tolist()) if start == "text" else some)
    return model


def _nested(maker: Maker, start: str) -> Any:
    """A graph with a model, a `Sequential` or a layer of layers inside."""
    graph, i = _Graph(maker), _input(start)
    x = i
    for layer in drawn_front(maker, start):
        x = layer(x)
    kind = kind_of(start)
    x = graph.chain(drawn_body(maker, kind, 0, 2), x)
    for _ in range(maker.rng.randint(1, 3)):
        x = _inner(maker, kind, tuple(x.shape[1:]))(x)
    x = graph.chain([*reduction(maker, kind), *drawn_body(maker, "vector", 1, 2)], x)
    return keras.Model(i, _head(maker)(x), name="model")


def _inner(maker: Maker, kind: str, shape: tuple[int, ...]) -> Any:
    dtype = keras.DTypePolicy(maker.policy).compute_dtype  # whatever dtype a change gave the layer before it
    body = drawn_body(maker, "sequence" if kind == "masked" else kind, 2, 3)
    drawn = maker.rng.randint(3)
    if drawn == 0:
        body = [*body, maker.make(kl.BatchNormalization)]
        return maker.make(own.Block, body, [bool(maker.rng.rand() < 0.3) for _ in body])
    maker.counted += 1
    name = f"m{maker.counted}_inner"
    if drawn == 1:
        return keras.Sequential([keras.Input(shape, dtype=dtype), *body], name=name)
    i = keras.Input(shape, dtype=dtype)
    return keras.Model(i, _Graph(maker).chain(body, i), name=name)


def _several(maker: Maker, start: str) -> Any:
    """Two inputs, joined, and two outputs."""
    graph = _Graph(maker)
    ends, inputs = [], []
    for name, kind in (("x", start), ("y", maker.one_of(("vector", "sequence")))):
        x = i = _input(kind, name)
        inputs.append(i)
        for layer in drawn_front(maker, kind):
            x = layer(x)
        x = graph.chain(drawn_body(maker, kind_of(kind), 1, 3), x)
        ends.append(graph.chain([*reduction(maker, kind_of(kind)), dense(maker)], x))
    x = maker.make(maker.one_of((kl.Add, kl.Subtract, kl.Multiply, kl.Concatenate)))(ends)
    x = graph.call(dense(maker), x)
    outputs = {"one": _head(maker)(x), "two": _head(maker)(x)}
    return keras.Model(inputs, outputs, name="model")


_BUILDERS: Mapping[str, Callable[[Maker, str], Any]] = MappingProxyType(
    {
        "functional": _functional,
        "sequential": _sequential,
        "subclassed": _subclassed,
        "nested": _nested,
        "several": _several,
    }
)
_EMPTY: Mapping[str, Change] = MappingProxyType({})


def build(seed: int, changes: Mapping[str, Change] = _EMPTY) -> Made:
    """The model of a seed, with changes: what isn't changed is the same whatever is."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    rng = np.random.RandomState(seed)
    form, start = FORMS[rng.randint(len(FORMS))], STARTS[rng.randint(len(STARTS))]
    if start == "text" and keras.backend.backend() != "tensorflow":
        start = "tokens"
    policy = ("float32", "mixed_float16", "mixed_bfloat16")[int(np.searchsorted([0.8, 0.92], rng.rand()))]
    maker = Maker(rng, policy, changes)
    model = fill(_BUILDERS[form](maker, start), seed)
    return Made(model, form, start, policy, maker.options, maker.wires)


def inputs_of(made: Made, seed: int, batch: int = 3) -> Any:
    """Drawn inputs of a model."""
    rng = np.random.RandomState(seed + 1)
    if made.form != "several":
        return inputs_for(made.start, batch, rng)
    second = "vector" if len(made.model.inputs[1].shape) == 2 else "sequence"
    return [inputs_for(made.start, batch, rng), inputs_for(second, batch, rng)]
