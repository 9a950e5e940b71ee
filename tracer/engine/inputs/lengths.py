"""How long made sequences may be, where the signature of a model leaves it open but its layers don't.

A table of twelve positions can't place sixteen tokens. What a layer says of itself comes first, then trying: such
lengths are no difference between two sides, so a model is never called broken for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras

from tracer.core.feed import Feed, tell
from tracer.core.inputs.specs import InputSpec, flat, leaves
from tracer.core.source import Arrays
from tracer.engine.inputs.made import STEPS, make_inputs, open_lengths
from tracer.engine.inputs.signature import signature

# How layers call the number of steps that they are made for; KerasHub's and what tutorials have.
_NAMED = (
    "sequence_length",
    "max_sequence_length",
    "max_length",
    "max_len",
    "maxlen",
    "seq_len",
    "seq_length",
    "max_seq_len",
    "num_positions",
    "context_length",
    "block_size",
    "num_patches",
)
_POSITIONS = re.compile(r"(^|_)pos(?!t|it?ive)", re.IGNORECASE)
_SHORTER = (8, 4, 2, 1)
_TABLES = 3  # sizes of tables that are tried
_LONGEST = 512  # steps that are worth making for a model that is built for exactly so many


@dataclass(frozen=True, slots=True)
class _Bound:
    """The most steps that a layer of the model takes."""

    steps: int
    layer: str


def feed_seeded(model: keras.Model, *, seed: int, batch: int, runs: Callable[[Arrays], bool]) -> Feed:
    """Seeded inputs that the model can be run on, as far as a few lengths of open sequences can tell.

    Args:
        model: what they are for.
        seed: see `make_inputs`.
        batch: see `make_inputs`.
        runs: whether the model runs on inputs, leaving no trace; asked only where a length is open.

    Raises:
        InputError: if it can't be told what the model takes.
    """
    structure = signature(model)
    specs = leaves(structure)
    length, why = _length(model, specs, runs, seed, batch)
    arrays = make_inputs(model, seed=seed, batch=batch, length=length)
    named = {spec.name: array for spec, array in zip(flat(structure), flat(arrays), strict=True)}
    return Feed(arrays=arrays, told=tell(named, origin="seeded", source=f"seed {seed}", conversions=why))


def _length(
    model: keras.Model, specs: list[InputSpec], runs: Callable[[Arrays], bool], seed: int, batch: int
) -> tuple[int | None, tuple[str, ...]]:
    """The length for open sequences, None for the usual one, and why it isn't that one."""
    if not any(open_lengths(spec) for spec in specs):
        return None, ()
    bound = min(_bounds(model), key=lambda bound: bound.steps, default=None)
    first = None if bound is None or bound.steps >= STEPS else bound.steps
    exact = [bound.steps] if bound is not None and bound.steps <= _LONGEST else []
    for length in dict.fromkeys([first, *exact, STEPS, *_foreign_tables(model), *_SHORTER]):
        if runs(make_inputs(model, seed=seed, batch=batch, length=length)):
            return length, _reason(length, bound)
    return first, _reason(first, bound)


def _reason(length: int | None, bound: _Bound | None) -> tuple[str, ...]:
    if length is None:
        return ()
    if bound is not None and length == bound.steps:
        return (f"Open sequences were made {length} long: layer {bound.layer!r} is made for so many steps.",)
    return (f"Open sequences were made {length} long: the model fails on the usual length.",)


def _bounds(model: keras.Model) -> Iterator[_Bound]:
    for layer in model._flatten_layers(include_self=True):
        for steps in (*_said(layer), *_tables(layer)):
            if isinstance(steps, int) and not isinstance(steps, bool) and steps > 0:
                yield _Bound(steps, str(layer.name))


def _foreign_tables(model: keras.Model) -> list[int]:
    """Sizes of what may be tables of positions, in layers that aren't Keras'; worth a try where the usual length fails.

    A length that is too short may run as well, by broadcasting, and show less.
    """
    layers = [layer for layer in model._flatten_layers() if not type(layer).__module__.startswith("keras.")]
    shapes = [tuple(weight.shape) for layer in layers for weight in getattr(layer, "_trainable_variables", ())]
    sizes = {int(shape[-2]) for shape in shapes if len(shape) in (2, 3) and 1 < int(shape[-2]) <= _LONGEST}
    return sorted(sizes)[:_TABLES]


def _said(layer: keras.Layer) -> Iterator[object]:
    """What a layer's attributes say."""
    attributes = getattr(layer, "__dict__", {})
    for name in _NAMED:
        yield attributes.get(name, attributes.get(f"_{name}"))


def _tables(layer: keras.Layer) -> Iterator[object]:
    """Sizes of tables of positions: embeddings by such a name, and weights of the layer's own."""
    for name, value in getattr(layer, "__dict__", {}).items():
        if isinstance(value, keras.layers.Embedding) and _POSITIONS.search(name):
            yield value.input_dim
    if isinstance(layer, keras.layers.Embedding) and _POSITIONS.search(layer.name):
        yield layer.input_dim
    for weight in getattr(layer, "_trainable_variables", ()):
        shape = tuple(weight.shape)
        if len(shape) in (2, 3) and _POSITIONS.search(str(weight.name)):
            yield int(shape[-2])
