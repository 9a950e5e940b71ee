"""Inputs that fit a model, made from a seed.  Those that are given are in `tracer.engine.inputs.given`.

Inputs have the structure of the model's signature (see `tracer.engine.inputs.signature`), with an array for each spec.
"""

from __future__ import annotations

import keras
import numpy as np

from tracer.core.inputs.specs import InputDomain, InputSpec, map_structure, numpy_dtype
from tracer.core.source import Array, Arrays
from tracer.engine.inputs.signature import channel_axis, signature
from tracer.files import room

# Sizes for dimensions that a model leaves open. 96 can be halved five times.
STEPS = 16
_IMAGE_SIDE, _CHANNELS, _IMAGE_CHANNELS = 96, 8, 3
_COARSE = 6  # cells a side in the large-scale part of a made picture
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def make_inputs(model: keras.Model, *, seed: int = 0, batch: int = 2, length: int | None = None) -> Arrays:
    """Seeded inputs that `model` takes: the same in every release and on every backend.

    Pictures are pixels in 0 … 255 where the model itself rescales them, else unit normal; ids are in the range of the
    layer that looks them up; strings are of its vocabulary.

    Args:
        model: a Keras model that is functional, sequential and built, or subclassed and built.
        seed: of the values.
        batch: samples, where the model leaves that open.
        length: of sequences, where the model leaves that open; None for the usual one.

    Returns:
        An array, a list or a dictionary of arrays, as the model's call takes it.

    Raises:
        InputError: if it can't be told what the model takes, or there is no room for so much.
    """

    def make(spec: InputSpec) -> Array:
        shape = _open_shape(spec, batch, length)
        room.check_drawn(spec.name, shape, text=spec.dtype == "string")
        return _values(spec, shape, np.random.RandomState([seed, spec.index]))

    made: Arrays = map_structure(make, signature(model))
    return made


def open_lengths(spec: InputSpec) -> tuple[int, ...]:
    """Axes that are steps of a sequence, as far as can be told, and that the model leaves open."""
    if channel_axis(spec) is not None:
        return ()
    rank = len(spec.shape)
    steps = range(1, rank) if rank <= 2 else range(1, rank - 1)
    return tuple(axis for axis in steps if spec.shape[axis] is None)


def _open_shape(spec: InputSpec, batch: int, length: int | None) -> tuple[int, ...]:
    """The shape with a size for each dimension that the model leaves open."""
    rank, channel = len(spec.shape), channel_axis(spec)
    return tuple(
        int(size) if size is not None else batch if axis == 0 else _usual_size(axis, rank, channel, length)
        for axis, size in enumerate(spec.shape)
    )


def _usual_size(axis: int, rank: int, channel: int | None, length: int | None) -> int:
    """The size of an axis behind the batch: a side or the channels of a picture, features, or steps."""
    if channel is not None:
        return _IMAGE_CHANNELS if axis == channel else _IMAGE_SIDE
    if axis == rank - 1 and rank > 2:
        return _CHANNELS
    return length or (STEPS if rank < 5 else 2 * STEPS)


def _values(spec: InputSpec, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    """Values that the input's consumers can work with, in the input's dtype."""
    dtype = numpy_dtype(spec.dtype)
    if dtype.kind == "U":
        return _strings(spec.demand, shape, random)
    if dtype.kind == "b":
        return random.uniform(size=shape) < 0.5
    channel = channel_axis(spec)
    values = _words_or_ids(spec.demand, shape, random)
    if values is None and dtype.kind in "iu":
        values = random.randint(0, 4, shape) if channel is None else _pixels(shape, channel, random)
    if values is None:
        values = _reals(spec.demand, shape, channel, random)
    return np.asarray(values.astype(dtype))


def _words_or_ids(demand: InputDomain | None, shape: tuple[int, ...], random: np.random.RandomState) -> Array | None:
    """Whole numbers out of a vocabulary or a range; None where the input isn't looked up."""
    if demand is None or demand.kind not in ("words", "ids"):
        return None
    if demand.kind == "ids":
        return _ids(demand, shape, random)
    known = [word for word in demand.words if not isinstance(word, str)] or list(range(1, 100))
    return random.choice(known, shape)


def _reals(
    demand: InputDomain | None, shape: tuple[int, ...], channel: int | None, random: np.random.RandomState
) -> Array:
    """Pixels, values of an interval, or normal ones."""
    if demand is None:
        return np.asarray(random.normal(size=shape))
    if demand.kind == "interval":
        return np.asarray(random.uniform(demand.low, demand.high, shape))
    if demand.kind == "pixels":
        return _pixels(shape, channel, random)
    normal = random.normal(size=shape)
    return np.asarray(demand.mean + demand.deviation * normal if demand.kind == "normal" else normal)


def _ids(demand: InputDomain, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    """Ids in range; where zeros mean "nothing here", the last quarter of each row is zero and nothing else."""
    low = 1 if demand.padded and demand.high > 1 else int(demand.low)
    ids = random.randint(low, max(low + 1, int(demand.high)), shape)
    if demand.padded and len(shape) > 1:
        ids[..., shape[-1] - shape[-1] // 4 :] = 0
    return np.asarray(ids)


def _strings(demand: InputDomain | None, shape: tuple[int, ...], random: np.random.RandomState) -> Array:
    words = [str(w) for w in demand.words] if demand is not None and demand.words else list(_WORDS)
    length = _COARSE if demand is not None and demand.kind == "text" else 1
    drawn = random.randint(0, len(words), (int(np.prod(shape)), length))
    return np.array([" ".join(words[i] for i in row) for row in drawn]).reshape(shape)


def _pixels(shape: tuple[int, ...], channel: int | None, random: np.random.RandomState) -> Array:
    """Something like a photograph, in 0 … 255: large patches of colour, which pooling keeps, under fine noise."""
    fine = random.uniform(0.0, 255.0, shape)
    if channel is None:
        return fine
    coarse_shape = [_COARSE if axis not in (0, channel) else size for axis, size in enumerate(shape)]
    coarse = random.uniform(0.0, 255.0, coarse_shape)
    for axis in {1, 2, 3} - {channel}:
        coarse = np.take(coarse, np.arange(shape[axis]) * _COARSE // shape[axis], axis=axis)
    return np.asarray(np.floor(0.7 * coarse + 0.3 * fine))
