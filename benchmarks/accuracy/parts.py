"""The layers of random models: each is drawn, has a name of its own, and can be made otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers as kl

from benchmarks.accuracy import layers as own

WIDTH, LENGTH, SIZE, CHANNELS, VOCABULARY = 6, 5, 6, 4, 12
WORDS = ("the", "cat", "sat", "on", "a", "mat", "dog", "ran")
SHAPES = MappingProxyType({"vector": (WIDTH,), "sequence": (LENGTH, WIDTH), "image": (SIZE, SIZE, CHANNELS)})


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


def dense(maker: Maker) -> Any:
    """A layer whose output is a vector of `WIDTH`, or such a sequence."""
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


def _encoder(maker: Maker) -> Any:
    try:
        from keras_hub.layers import TransformerEncoder  # only where one is drawn: importing it takes seconds
    except ImportError:
        return _attention(maker)
    return maker.make(TransformerEncoder, 8, 2)


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
        "vector": (dense, dense, _plain_dense, _norm, _activated, _stateful, _normalization, _rescaling, _dropout),
        "sequence": (
            *(_lstm, _both_ways, _each_step, _conv1d, dense),
            *(_norm, _attention, _encoder, _stateful, _activated),
        ),
        "masked": (_lstm, _both_ways, _plain_dense, dense, _stateful, _handing_on, _activated, _norm),
        "image": (_conv2d, _conv2d, _depthwise, _separable, _norm, _groups, _prelu, _pool, _stateful_image),
    }
)


def drawn_body(maker: Maker, kind: str, least: int, most: int) -> list[Any]:
    return [maker.one_of(_BODY[kind])(maker) for _ in range(maker.rng.randint(least, most + 1))]


def drawn_front(maker: Maker, start: str) -> list[Any]:
    """What makes numbers of ids or text."""
    embedding = [maker.make(kl.Embedding, VOCABULARY, WIDTH, mask_zero=True)] if start in ("tokens", "text") else []
    if start == "text":
        text = maker.make(kl.TextVectorization, plain=True, vocabulary=list(WORDS), output_sequence_length=LENGTH)
        return [text, *embedding]
    return embedding


def reduction(maker: Maker, kind: str) -> list[Any]:
    """From a sequence or an image to a vector of `WIDTH`."""
    if kind == "image":
        pooled = maker.make(maker.one_of((kl.GlobalAveragePooling2D, kl.GlobalMaxPooling2D)))
        return [pooled, maker.make(kl.Dense, WIDTH, activation="tanh")]
    if kind in ("sequence", "masked"):
        if maker.rng.rand() < 0.4:
            return [maker.make(kl.GlobalAveragePooling1D)]
        return [maker.make(maker.one_of((kl.LSTM, kl.GRU)), WIDTH)]
    return []
