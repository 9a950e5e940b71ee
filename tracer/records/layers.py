"""How far one output of one layer is apart on both sides, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from tracer.records.parts import Verdict

# Metadata of a field whose record is written into the object that holds it, instead of one of its own.
INLINE: Final[Mapping[str, bool]] = MappingProxyType({"inline": True})
# One element of an array; None where a report says nothing of it.
Scalar: TypeAlias = bool | int | float | complex | str | bytes | None


def shown_as(label: str, digits: int | None = None) -> Mapping[str, object]:
    """Metadata of a number that every report of a layer shows under this label, where it isn't None.

    Args:
        label: in one or two words of at most 11 letters together, which is what its column holds.
        digits: behind the point; None for as many as are worth reading.
    """
    return MappingProxyType({"label": label, "digits": digits})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a candidate array is from its reference array of the same shape.

    Attributes:
        rel_error: ‖candidate − reference‖₂ / ‖reference‖₂; `inf` where the reference is all zero and the candidate
            isn't, or where one side has a non-finite value that the other doesn't have.
            For strings and other non-numeric values: the share of elements that differ.
        max_abs: largest absolute difference, in the units of the activation.
        max_ulp: largest difference in units in the last place of the reference's dtype; `nan` for exact dtypes.
        cosine: cosine of the angle between the two, 1.0 for parallel ones.
        worst_index: where `max_abs` is, as an index into the array.
        worst_reference: the reference's value there.
        worst_candidate: the candidate's value there.
        nonfinite_reference: count of NaN and infinities.
        nonfinite_candidate: the same of the candidate.
        channels: (index on the last axis, share of the squared error), largest first, at most 8.
        sample_error: the largest relative L2 error of a single sample; None where samples weren't told apart.
        worst_sample: index of that sample on the first axis.
        worst_batch: number of the batch that all these are of, from 0, where several were compared and this one is the
            worst; else None.
    """

    rel_error: float
    max_abs: float
    max_ulp: float = field(metadata=shown_as("max ulp"))
    cosine: float = field(metadata=shown_as("cosine", digits=9))
    worst_index: tuple[int, ...] = ()
    worst_reference: Scalar = None
    worst_candidate: Scalar = None
    nonfinite_reference: int = 0
    nonfinite_candidate: int = 0
    channels: tuple[tuple[int, float], ...] = ()
    sample_error: float | None = None
    worst_sample: int | None = None
    worst_batch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How the values of both sides are distributed: finite ones, at most some 65,000 of each side, evenly spread.

    Attributes:
        low: where the first bin begins, in the units of the activation.
        high: where the last bin ends; all are equally wide.
        reference: the reference's values in each bin.
        candidate: the candidate's.
    """

    low: float
    high: float
    reference: tuple[int, ...]
    candidate: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMap:
    """Where in an output of shape (samples, height, width, channels) the two sides differ.

    Attributes:
        height: positions on the second axis.
        width: positions on the third axis.
        fields: mean absolute difference in each field of a grid of at most 32 by 32, row by row; `nan` for no number.
    """

    height: int
    width: int
    fields: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One output of one call site, compared.

    In JSON, what `difference` says is written beside the other keys, under the names of its attributes.

    Attributes:
        layer: layer path, `outer/inner#call:output`.
        class_name: class of the layer or operation.
        verdict: see `Verdict`.
        difference: of the output as it came. Its `rel_error` is `inf` where no number can be given, and its
            `sample_error` has a bound of its own (`tracer.core.numbers.tolerance`).
        local_error: relative L2 error of the candidate's layer fed the reference's inputs, against the reference's
            output; None where it could not be taken.
        tolerance: the bound that both errors were held against.
        shape: of the reference's output (of the candidate's where the reference has none).
        dtype: NumPy's name of that output's dtype.
        note: one line of plain words where the numbers don't say it all, else empty.
        inbound: where the reference's layer gets its inputs from, as layer paths, when it is part of a graph; empty
            where that isn't known. `inner<input 0>` is an input of the nested model `inner`, `<input 0>` of the model.
        histogram: of the outputs as they came, where the layer has introduced an error, or pictures were asked for.
        error_map: likewise, where the outputs have four axes; of the first few layers that have introduced an error.
    """

    layer: str
    class_name: str
    verdict: Verdict
    difference: Difference = field(metadata=INLINE)
    local_error: float | None
    tolerance: float
    shape: tuple[int, ...] = ()
    dtype: str = ""
    note: str = ""
    inbound: tuple[str, ...] = ()
    histogram: Histogram | None = None
    error_map: ErrorMap | None = None

    @property
    def rel_error(self) -> float:
        """See `Difference`."""
        return self.difference.rel_error

    @property
    def max_abs(self) -> float:
        """See `Difference`."""
        return self.difference.max_abs

    @property
    def max_ulp(self) -> float:
        """See `Difference`."""
        return self.difference.max_ulp

    @property
    def cosine(self) -> float:
        """See `Difference`."""
        return self.difference.cosine

    @property
    def worst_index(self) -> tuple[int, ...]:
        """See `Difference`."""
        return self.difference.worst_index

    @property
    def worst_reference(self) -> Scalar:
        """See `Difference`."""
        return self.difference.worst_reference

    @property
    def worst_candidate(self) -> Scalar:
        """See `Difference`."""
        return self.difference.worst_candidate

    @property
    def nonfinite_reference(self) -> int:
        """See `Difference`."""
        return self.difference.nonfinite_reference

    @property
    def nonfinite_candidate(self) -> int:
        """See `Difference`."""
        return self.difference.nonfinite_candidate

    @property
    def channels(self) -> tuple[tuple[int, float], ...]:
        """See `Difference`."""
        return self.difference.channels

    @property
    def sample_error(self) -> float | None:
        """See `Difference`."""
        return self.difference.sample_error

    @property
    def worst_sample(self) -> int | None:
        """See `Difference`."""
        return self.difference.worst_sample

    @property
    def worst_batch(self) -> int | None:
        """See `Difference`."""
        return self.difference.worst_batch
