"""What the tensors of a run carry, as far as some values of each tell: the signal that goes through a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tracer.core.numbers.blocks import finite
from tracer.core.source import Array
from tracer.core.structure import arrays_of, count_samples
from tracer.errors import InputError

_GLANCES: Final = 256  # values of a call that are looked at; a NaN rarely comes alone
# So many whole numbers or words that are all equal are no coincidence; a few ids, classes or counts may be.
_FEW_EXACT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one tensor carries, as far as a few hundred of its values tell.

    Attributes:
        layer: layer path of the call site, or the name of a model output.
        size: number of values.
        exact: whole numbers or text, which may be equal by nature.
        truths: truth values, which are never taken for dead.
        constant: all values are the same one.
        zero: all values are 0.
        nan: there are NaN among them.
        infinite: there are infinities among them.
        blind: no value is finite, or more than half are NaN.
        alike: every sample has the same values; told of model outputs only.
        blind_samples: places on the first axis without a finite value, of several; told of model outputs only.
    """

    layer: str
    size: int
    exact: bool = False
    truths: bool = False
    constant: bool = False
    zero: bool = False
    nan: bool = False
    infinite: bool = False
    blind: bool = False
    alike: bool = False
    blind_samples: tuple[int, ...] = ()

    @property
    def telling(self) -> bool:
        """Large enough, and of a type, that being constant says something."""
        return not self.truths and (self.size >= _FEW_EXACT if self.exact else self.size >= 2 or self.zero)

    @property
    def dead(self) -> bool:
        """One value throughout, where that says something."""
        return self.constant and self.telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What went in.

    Attributes:
        samples: size of the first axis, where all inputs have the same; else 0.
        nonfinite: there are NaN or infinities in the inputs.
        blind: no input of floating point has a finite value.
        constant: every input has one value throughout, so that outputs may well be constant too.
        differ: the samples aren't all equal, so that outputs of theirs shouldn't be.
    """

    samples: int = 0
    nonfinite: bool = False
    blind: bool = False
    constant: bool = False
    differ: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The signal of one run of the reference: of its calls in execution order, of its outputs, and what went in."""

    calls: tuple[Signal, ...] = ()
    outputs: tuple[Signal, ...] = ()
    fed: Fed = field(default_factory=Fed)

    @property
    def dead(self) -> tuple[str, ...]:
        """Layer paths of the calls whose activation is one value throughout."""
        return tuple(signal.layer for signal in self.calls if is_dead(signal, self.fed))


def is_dead(signal: Signal, fed: Fed) -> bool:
    """Zeros in any case; another value not where the inputs are constant too."""
    return signal.dead and (signal.zero or not fed.constant)


def signal_of(layer: str, array: Array) -> Signal:
    """What an activation carries, by a few hundred of its values; by all of them where those are all equal.

    Such a sample may be one channel, where as many values lie between two of it as there are channels or a multiple.
    """
    flat = array.ravel(order="K")  # in the order of the memory, which copies nothing
    sample = flat[:: max(1, flat.size // _GLANCES)]
    if _is_lively(sample):
        return Signal(layer=layer, size=flat.size)
    if sample.size and _is_one_value(sample):
        sample = flat
    return _signal(layer, sample, flat.size)


def _is_lively(values: Array) -> bool:
    """Finite numbers of single precision or more that aren't all one, as nearly all activations are; quickly told."""
    if values.dtype.char not in "fd" or values.size < _FEW_EXACT:
        return False
    low, high = float(values.min()), float(values.max())  # NaN where there is one among them
    return math.isfinite(low) and math.isfinite(high) and not _are_neighbours(low, high, values.dtype)


def output_signal(name: str, array: Array, samples: int) -> Signal:
    """What a model output carries, by all of its values; `samples` that went in."""
    seen = _signal(name, array.reshape(-1), array.size)
    if samples < 2 or array.ndim == 0 or len(array) != samples or not array.size:
        return seen
    rows = array.reshape(samples, -1)
    alike = bool(np.all(rows[1:] == rows[:1]))
    blind = () if seen.exact or seen.truths else np.flatnonzero(~finite(rows).any(axis=1))
    return replace(seen, alike=alike, blind_samples=tuple(int(place) for place in blind))


def _signal(layer: str, values: Array, size: int) -> Signal:
    exact, truths = values.dtype.kind in "iuOSUT", values.dtype.kind == "b"
    constant = size > 0 and _is_one_value(values)
    if exact or truths or not size:
        return Signal(layer=layer, size=size, exact=exact, truths=truths, constant=constant)
    kept = finite(values)
    if bool(kept.all()):
        counts, zero = _are_counts(values, size), constant and bool(values[0] == 0)
        return Signal(layer=layer, size=size, exact=counts, constant=constant, zero=zero)
    nan = values != values
    return Signal(
        layer=layer,
        size=size,
        constant=constant,
        nan=bool(nan.any()),
        infinite=bool((~kept & ~nan).any()),
        blind=not kept.any() or int(np.count_nonzero(nan)) > values.size // 2,
    )


def _is_one_value(values: Array) -> bool:
    """All are equal, or two neighbours among the numbers of their precision: a softmax of one class is 1, or nearly."""
    if bool(np.all(values == values[0])):
        return True
    if values.dtype.name not in ("float32", "float64"):
        return False
    return _are_neighbours(float(np.min(values)), float(np.max(values)), values.dtype)


def _are_neighbours(low: float, high: float, dtype: np.dtype[np.generic]) -> bool:
    """Whether no number of their precision lies between two that are finite."""
    return high - low <= float(np.finfo(dtype.name).eps) * min(abs(low), abs(high))


def _are_counts(values: Array, size: int) -> bool:
    """A few whole numbers that no activation function ends at: counts, classes or ids in floating point."""
    return size < _FEW_EXACT and bool(np.all(values == np.trunc(values)) and np.any(np.abs(values) >= 2))


def look_at_inputs(inputs: object) -> Fed:
    """What goes in: arrays in any structure of lists, tuples and dictionaries."""
    arrays = [array for _, array in arrays_of(inputs)]
    floats = [finite(array) for array in arrays if array.dtype.kind in "fcV"]
    return Fed(
        samples=count_samples(inputs),
        nonfinite=any(not kept.all() for kept in floats),
        blind=bool(floats) and len(floats) == len(arrays) and not any(kept.any() for kept in floats),
        constant=all(bool(np.all(array == array.flat[0])) for array in arrays if array.size),
        differ=any(array.ndim > 0 and bool(np.any(array[1:] != array[:1])) for array in arrays),
    )


def check_inputs(inputs: object) -> None:
    """Does nothing where there is something to compare with.

    Raises:
        InputError: if there is no array, or one without samples.
    """
    arrays = arrays_of(inputs)
    if not arrays:
        raise InputError("the inputs hold no array, so nothing would be compared. Give one for each input.")
    for place, array in arrays:
        if not array.size:
            what = f"input {place.removeprefix('/')!r}" if place else "the input"
            raise InputError(f"{what} holds no samples (shape {array.shape}), so nothing would be compared.")
