"""Does a comparison show anything?  From the signal that went through the reference to the reason why it doesn't.

Two models that both return NaN, zeros, or the same number for every sample are bit for bit equal, and nothing of their
layers was seen.  What is looked at, and when it is too little:

    inputs      every value is NaN or infinite
    calls       more than half carry nothing: one value throughout, or no finite value
    outputs     one has no finite value, or has none for one of several samples; or none depends on the inputs

Some infinities are meant (the −inf of an attention mask or of masked logits), some tensors are constant by nature
(truth values, a handful of ids): such alone are no reason.  A fault that was found is never hidden by a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tracer.core.numbers.blocks import finite
from tracer.core.source import Array
from tracer.core.structure import arrays_of, count_samples
from tracer.errors import FixtureError, InputError, SpecError

# Of all calls: with more that carry nothing, the comparison shows little.
_SHARE: Final = 0.5
_GLANCES: Final = 256  # values of a call that are looked at; a NaN rarely comes alone
# So many whole numbers or words that are all equal are no coincidence; a few ids, classes or counts may be.
_FEW_EXACT: Final = 8
# A relative error of this size is no agreement: a tensor of zeros has one of 1.
NO_BOUND: Final = 0.5
# No float32 activation is more exact than half a unit in its last place; this many times that is no bound any more.
_FACTOR_LIMIT: Final = NO_BOUND / 2.0**-24


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
        return tuple(signal.layer for signal in self.calls if _is_dead(signal, self.fed))


# --- looking at tensors


def signal_of(layer: str, array: Array) -> Signal:
    """What an activation carries, by a few hundred of its values; by all of them where those are all equal.

    Such a sample may be one channel, where as many values lie between two of it as there are channels or a multiple.
    """
    flat = array.ravel(order="K")  # in the order of the memory, which copies nothing
    sample = flat[:: max(1, flat.size // _GLANCES)]
    if sample.size and _is_one_value(sample):
        sample = flat
    return _signal(layer, sample, flat.size)


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
    low, high = float(np.min(values)), float(np.max(values))
    return high - low <= float(np.finfo(values.dtype).eps) * min(abs(low), abs(high))


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


# --- why it shows nothing


def reason_to_doubt(signals: Signals) -> str:
    """Why equal sides show nothing, in one sentence; "" where they show something."""
    return _without_numbers(signals) or _without_life(signals)


def is_doubt(note: str) -> bool:
    """Whether a note of a report is what `reason_to_doubt` says."""
    return note.endswith((_OTHER, _LIVELIER))


def _without_numbers(signals: Signals) -> str:
    """NaN and infinities on both sides alike: what comes of them can't be told apart."""
    for output in signals.outputs:
        if reason := _blind_output(signals, output):
            return f"{reason} {_OTHER}"
    if signals.fed.blind:
        return f"every value of the inputs is NaN or infinite, so nothing was compared. {_OTHER}"
    blind = [call for call in signals.calls if call.blind]
    if len(blind) > _SHARE * len(signals.calls):
        count = f"{len(blind)} of {len(signals.calls)} activations"
        return f"{_origin(signals, blind[0])}: {count} hold no number to compare. {_OTHER}"
    return ""


def _blind_output(signals: Signals, output: Signal) -> str:
    """Why nothing can be told by a model output; "" where something can."""
    if output.blind:
        return f"{_origin(signals, output)}: the model output {output.layer} holds no number to compare."
    if output.blind_samples:
        places = ", ".join(map(str, output.blind_samples[:4])) + (", …" if len(output.blind_samples) > 4 else "")
        where = f"sample {places} of the model output {output.layer}"
        return f"{_origin(signals, output)}: {where} holds no number to compare."
    last = _last_number(signals) if _is_exact(output) and output.constant else None
    if last is not None and last.blind:
        return f"{_origin(signals, last)}: the model output {output.layer} comes of these."
    return ""


_OTHER: Final = "Give inputs for which the reference returns finite numbers."


def _origin(signals: Signals, seen: Signal) -> str:
    """Where it begins: a NaN at the first NaN, for a mask may hold infinities on purpose."""
    what = "NaN" if seen.nan else "infinite values"
    first = next((call.layer for call in signals.calls if (call.nan if seen.nan else call.infinite)), seen.layer)
    given = ", and the inputs hold such values already" if signals.fed.nonfinite else ""
    return f"both sides return {what} from {first} on{given}"


def _without_life(signals: Signals) -> str:
    """One value throughout, whatever goes in: dead, saturated, or weights of zero."""
    dead = signals.dead
    weak = [call for call in signals.calls if call.blind or _is_dead(call, signals.fed)]
    if len(weak) > _SHARE * len(signals.calls):
        first = dead[0] if dead else weak[0].layer
        return (
            f"the signal is dead: {len(weak)} of {len(signals.calls)} activations are constant (the first is {first}), "
            f"so that equal numbers show little. {_LIVELIER}"
        )
    lifeless = _lifeless_outputs(signals)
    if lifeless:
        since = f" (the first constant activation is {dead[0]})" if dead else ""
        named = ", ".join(lifeless)
        return f"the signal is dead: {named}, the model's output, is the same whatever goes in{since}. {_LIVELIER}"
    return ""


def _lifeless_outputs(signals: Signals) -> list[str]:
    """Model outputs that don't depend on the inputs; none where one of the others does."""
    lifeless = {output.layer: _is_lifeless(output, signals) for output in signals.outputs}
    if False in lifeless.values():
        return []
    return [name for name, is_lifeless in lifeless.items() if is_lifeless]


_LIVELIER: Final = "Give other inputs, or a model with other weights."


def _is_dead(signal: Signal, fed: Fed) -> bool:
    """Zeros in any case; another value not where the inputs are constant too."""
    return signal.dead and (signal.zero or not fed.constant)


def _is_lifeless(output: Signal, signals: Signals) -> bool | None:
    """Whether a model output doesn't depend on the inputs; None where it can't be told.

    Whole numbers and truth values are judged by the last activation of floating point that they may come from: a few
    classes or a mask are often all the same, without anything being dead.
    """
    fed = signals.fed
    if _is_exact(output):
        last = _last_number(signals)
        return None if output.constant and (last is None or not _is_dead(last, fed)) else output.constant
    if _is_dead(output, fed) or (output.alike and fed.differ):
        return True
    return False if output.telling else None


def _is_exact(signal: Signal) -> bool:
    return signal.exact or signal.truths


def _last_number(signals: Signals) -> Signal | None:
    """The last activation of floating point: what whole numbers behind it are made of."""
    return next((call for call in reversed(signals.calls) if not _is_exact(call)), None)


# --- bounds that are none


def check_factor(factor: float) -> None:
    """Does nothing where a factor times a noise floor can be a bound.

    Raises:
        SpecError: if it can't.
    """
    if not (math.isfinite(factor) and 1.0 <= factor < _FACTOR_LIMIT):
        raise SpecError(
            f"--factor {factor:g}: the tolerance is this many times the noise floor of a layer, which has to be "
            f"1 at least, and less than {_FACTOR_LIMIT:.0f}: from there on even half a unit in the last place of "
            "float32 would allow a relative error of 0.5, which is no bound."
        )


def check_bound(layer: str, bound: float, why: str) -> None:
    """Does nothing where a relative error may not be larger than `bound`, and that is a bound.

    Raises:
        FixtureError: if it is none; `why` says where it comes from.
    """
    if not 0.0 <= bound < NO_BOUND:
        raise FixtureError(
            f"{layer}: a relative error of {bound:g} would be allowed ({why}), and from {NO_BOUND} on that is no "
            "bound: anything would pass. Take a smaller --factor, or record the golden again: "
            "`tracer record MODEL --yes`."
        )
