"""Random small Keras models: what is drawn follows from the seed alone, and so does every weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers as kl
from plant_models import fill

from benchmarks.accuracy import layers as own

WIDTH, LENGTH, SIZE, CHANNELS, VOCABULARY = 6, 5, 6, 4, 12
WORDS = ("the", "cat", "sat", "on", "a", "mat", "dog", "ran")
SHAPES = MappingProxyType({"vector": (WIDTH,), "sequence": (LENGTH, WIDTH), "image": (SIZE, SIZE, CHANNELS)})
FORMS = ("functional", "functional", "sequential", "subclassed", "nested", "several")
STARTS = ("vector", "image", "sequence", "tokens", "text")


@dataclass(frozen=True, slots=True)
class Change:
    """What is built otherwise in one layer.

    Attributes:
        options: of its constructor.
        renamed: its name instead; "" for the one that Keras gives.
        wire: which of the other tensors of equal shape it gets as its input; None for its own.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    renamed: str | None = None
    wire: int | None = None


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


class Maker:
    """Makes layers: each has a name of its own, and is changed as asked for."""

    def __init__(self, rng: np.random.RandomState, policy: str, changes: Mapping[str, Change]) -> None:
        self.rng, self.policy, self.changes = rng, policy, changes
        self.options: dict[str, dict[str, Any]] = {}
        self.wires: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.counted = 0

    def make(self, kind: Callable[..., Any], *given: Any, plain: bool = False, **options: Any) -> Any:
        """A layer; `plain` ones have no policy of their own."""
        self.counted += 1
        name = f"l{self.counted}_{kind.__name__.lower()}"
        change = self.changes.get(name, Change())
        self.options[name] = options
        policy = {} if plain or self.policy == "float32" else {"dtype": keras.DTypePolicy(self.policy)}
        layer = kind(
            *given,
            **{**policy, **options, **change.options},
            name=name if change.renamed is None else change.renamed or None,
        )
        self.names[id(layer)] = name
        return layer

    def one_of(self, things: Sequence[Any]) -> Any:
        return things[self.rng.randint(len(things))]

    def numbers(self, *shape: int) -> np.ndarray:
        return self.rng.normal(0.3, 1.0, shape).astype("float32")


def _activation(maker: Maker) -> str:
    return str(maker.one_of(("relu", "tanh", "gelu", "elu", "swish", "softplus")))


def _dense(maker: Maker) -> Any:
    return maker.make(kl.Dense, WIDTH, activation=_activation(maker))


def _plain_dense(maker: Maker) -> Any:
    return maker.make(kl.Dense, WIDTH)


def _norm(maker: Maker) -> Any:
    return maker.make(maker.one_of((kl.LayerNormalization, kl.BatchNormalization)))


def _activated(maker: Maker) -> Any:
    if maker.rng.rand() < 0.5:
        return maker.make(kl.LeakyReLU, negative_slope=0.3)
    return maker.make(kl.Activation, activation=_activation(maker))


def _stateful(maker: Maker, width: int = WIDTH) -> Any:
    kind = maker.one_of((own.Counted, own.Tabled, own.Standardized, own.Shifted))
    table, spread = maker.numbers(width), np.abs(maker.numbers(width)) + 0.5
    layer = maker.make(kind)
    if kind is own.Counted:
        layer.steps = int(maker.rng.randint(1, 9))
    elif kind is own.Tabled:
        layer.table = table
    elif kind is own.Standardized:
        layer.scaler = own.Scaler(table, spread)
    else:
        layer.set_shift(table)
    return layer


def _stateful_image(maker: Maker) -> Any:
    return _stateful(maker, CHANNELS)


def _normalization(maker: Maker) -> Any:
    return maker.make(kl.Normalization)


def _rescaling(maker: Maker) -> Any:
    return maker.make(kl.Rescaling, 0.7, offset=0.1)


def _dropout(maker: Maker) -> Any:
    return maker.make(kl.Dropout, 0.3)


def _lstm(maker: Maker) -> Any:
    return maker.make(maker.one_of((kl.LSTM, kl.GRU, kl.SimpleRNN)), WIDTH, return_sequences=True)


def _both_ways(maker: Maker) -> Any:
    inner = maker.make(maker.one_of((kl.LSTM, kl.GRU)), WIDTH, return_sequences=True)
    return maker.make(kl.Bidirectional, inner, merge_mode="ave")


def _each_step(maker: Maker) -> Any:
    return maker.make(kl.TimeDistributed, maker.make(kl.Dense, WIDTH, activation="tanh"))


def _conv1d(maker: Maker) -> Any:
    return maker.make(kl.Conv1D, WIDTH, 3, padding="same", activation=_activation(maker))


class SelfAttention(kl.Layer):
    """Attention of a sequence to itself, in a layer with layers inside."""

    def __init__(self, attention: Any, norm: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention, self.norm = attention, norm

    def call(self, x: Any) -> Any:
        return self.norm(x + self.attention(x, x))


def _attention(maker: Maker) -> Any:
    attention, norm = maker.make(kl.MultiHeadAttention, 2, 3), maker.make(kl.LayerNormalization)
    return maker.make(SelfAttention, attention, norm)


def _conv2d(maker: Maker) -> Any:
    return maker.make(kl.Conv2D, CHANNELS, 3, padding="same", activation=_activation(maker))


def _depthwise(maker: Maker) -> Any:
    return maker.make(kl.DepthwiseConv2D, 3, padding="same")


def _separable(maker: Maker) -> Any:
    return maker.make(kl.SeparableConv2D, CHANNELS, 3, padding="same")


def _groups(maker: Maker) -> Any:
    return maker.make(kl.GroupNormalization, groups=2)


def _prelu(maker: Maker) -> Any:
    return maker.make(kl.PReLU, shared_axes=[1, 2])


def _pool(maker: Maker) -> Any:
    return maker.make(maker.one_of((kl.AveragePooling2D, kl.MaxPooling2D)), 3, strides=1, padding="same")


def _handing_on(maker: Maker) -> Any:
    return maker.make(own.HandingOn)


_BODY: Mapping[str, tuple[Callable[[Maker], Any], ...]] = MappingProxyType(
    {
        "vector": (_dense, _dense, _plain_dense, _norm, _activated, _stateful, _normalization, _rescaling, _dropout),
        "sequence": (_lstm, _both_ways, _each_step, _conv1d, _dense, _norm, _attention, _stateful, _activated),
        "masked": (_lstm, _both_ways, _plain_dense, _dense, _stateful, _handing_on, _activated, _norm),
        "image": (_conv2d, _conv2d, _depthwise, _separable, _norm, _groups, _prelu, _pool, _stateful_image),
    }
)


def _body(maker: Maker, kind: str, least: int, most: int) -> list[Any]:
    return [maker.one_of(_BODY[kind])(maker) for _ in range(maker.rng.randint(least, most + 1))]


def _front(maker: Maker, start: str) -> list[Any]:
    """What makes numbers of ids or text."""
    embedding = [maker.make(kl.Embedding, VOCABULARY, WIDTH, mask_zero=True)] if start in ("tokens", "text") else []
    if start == "text":
        text = maker.make(kl.TextVectorization, plain=True, vocabulary=list(WORDS), output_sequence_length=LENGTH)
        return [text, *embedding]
    return embedding


def _reduced(maker: Maker, kind: str) -> list[Any]:
    """From a sequence or an image to a vector of `WIDTH`."""
    if kind == "image":
        pooled = maker.make(maker.one_of((kl.GlobalAveragePooling2D, kl.GlobalMaxPooling2D)))
        return [pooled, maker.make(kl.Dense, WIDTH, activation="tanh")]
    if kind in ("sequence", "masked"):
        if maker.rng.rand() < 0.4:
            return [maker.make(kl.GlobalAveragePooling1D)]
        return [maker.make(maker.one_of((kl.LSTM, kl.GRU)), WIDTH)]
    return []


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
    front = _front(maker, start)
    x = i
    for layer in front:
        x = layer(x)
    x = graph.chain(_body(maker, kind_of(start), 3, 6), x)
    x = graph.chain([*_reduced(maker, kind_of(start)), *_body(maker, "vector", 1, 2)], x)
    return keras.Model(i, _head(maker)(x), name="model")


def _head(maker: Maker) -> Any:
    return maker.make(kl.Dense, 3, activation=maker.one_of(("softmax", None, "sigmoid")), plain=True, dtype="float32")


def _whole(maker: Maker, start: str) -> list[Any]:
    kind = kind_of(start)
    return [*_front(maker, start), *_body(maker, kind, 2, 5), *_reduced(maker, kind), *_body(maker, "vector", 1, 2),
            _head(maker)]  # fmt: skip


def _sequential(maker: Maker, start: str) -> Any:
    return keras.Sequential([_input(start), *_whole(maker, start)], name="model")


def _subclassed(maker: Maker, start: str) -> Any:
    whole = _whole(maker, start)
    kept = (kl.Dense, kl.BatchNormalization, kl.LayerNormalization, kl.LeakyReLU, kl.Activation)
    skips = [isinstance(at, kept) and at is not whole[-1] and maker.rng.rand() < 0.3 for at in whole]
    if start == "image":  # the layer that reduces one has another width
        skips = [False] * len(whole)
    model = own.Chain(whole, skips, name="model")
    model(inputs_for(start, 2, np.random.RandomState(0)))
    return model


def _nested(maker: Maker, start: str) -> Any:
    """A graph with a model, a `Sequential` or a layer of layers inside."""
    graph, i = _Graph(maker), _input(start)
    x = i
    for layer in _front(maker, start):
        x = layer(x)
    kind = kind_of(start)
    x = graph.chain(_body(maker, kind, 0, 2), x)
    for _ in range(maker.rng.randint(1, 3)):
        x = _inner(maker, kind, tuple(x.shape[1:]), x.dtype)(x)
    x = graph.chain([*_reduced(maker, kind), *_body(maker, "vector", 1, 2)], x)
    return keras.Model(i, _head(maker)(x), name="model")


def _inner(maker: Maker, kind: str, shape: tuple[int, ...], dtype: str) -> Any:
    body = _body(maker, "sequence" if kind == "masked" else kind, 2, 3)
    drawn = maker.rng.randint(3)
    if drawn == 0:
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
        for layer in _front(maker, kind):
            x = layer(x)
        x = graph.chain(_body(maker, kind_of(kind), 1, 3), x)
        ends.append(graph.chain([*_reduced(maker, kind_of(kind)), _dense(maker)], x))
    x = maker.make(maker.one_of((kl.Add, kl.Subtract, kl.Multiply, kl.Concatenate)))(ends)
    x = graph.call(_dense(maker), x)
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
    if form == "subclassed" and start == "text":
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
