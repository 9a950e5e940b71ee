"""What a report is made of: the verdict on each layer, the faults with their evidence, and what was fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

# Metadata of a field whose record is written into the object that holds it, instead of one of its own.
INLINE: Final[Mapping[str, bool]] = MappingProxyType({"inline": True})
# One element of an array; None where a report says nothing of it.
Scalar: TypeAlias = bool | int | float | complex | str | bytes | None
EvidenceKind: TypeAlias = Literal[
    "state", "config", "weight", "policy", "mask", "output", "wiring", "context", "stale", "lost-config"
]
Phase: TypeAlias = Literal["forward", "training"]
Origin: TypeAlias = Literal["file", "seeded", "given"]
Rule: TypeAlias = Literal["argmax", "threshold"]


class Verdict(StrEnum):
    """What the comparison says of one call site's output."""

    IDENTICAL = "identical"
    CLOSE = "close"
    INHERITED = "inherited"
    INTRODUCED = "introduced"
    MASKED = "masked"
    NONDETERMINISTIC = "nondeterministic"
    INCOMPARABLE = "incomparable"


class Status(StrEnum):
    """What a whole comparison says."""

    PASS = "pass"
    WITHIN_TOLERANCE = "pass-within-tolerance"
    DIVERGED = "diverged"
    INCONCLUSIVE = "inconclusive"


class Side(StrEnum):
    """Which side is wrong."""

    REFERENCE = "reference"
    CANDIDATE = "candidate"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a layer differs."""

    UNSAVED_STATE = "unsaved-state"
    CONFIG = "config"
    WEIGHTS = "weights"
    DTYPE_POLICY = "dtype-policy"
    TOPOLOGY = "topology"
    CALL_CONTEXT = "call-context"
    QUANTIZATION = "quantization"
    TRAINING_CONFIG = "training-config"
    OPTIMIZER_STATE = "optimizer-state"
    IMPLEMENTATION = "implementation"
    UNKNOWN = "unknown"


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
    max_ulp: float
    cosine: float
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing found to differ between the paired layers of a fault.

    Attributes:
        kind: of what differs.
        name: what differs: an attribute, the path of a configuration key, a variable's path.
        reference: the reference's value, shortened for reading.
        candidate: the candidate's value, shortened for reading.
        detail: one line of plain words.
    """

    kind: EvidenceKind
    name: str
    reference: str = ""
    candidate: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Relative L2 errors of the model outputs that show whether the blame holds.

    Attributes:
        healed: of the candidate with the reference's outputs put in at the faults alone; near 0 when the blame holds.
        broken: of the reference with the candidate's outputs put in at the faults alone; near `output_error` when it
            holds.
        output_error: of the candidate as it is.
        holds: whether the two agree with the blame, within tolerance.
        implied: the healed run wasn't made, because it can only be the reference's: every other layer returns the very
            bits that the reference's does, on the reference's inputs.
    """

    healed: float
    broken: float
    output_error: float
    holds: bool
    implied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An innermost call site that is wrong by itself, with why, whose fault, and what helps.

    Attributes:
        layer: layer path of the call site.
        class_name: class of the layer.
        side: who is wrong.
        cause: why.
        evidence: what was found to differ, the strongest first.
        masked: nothing of it reaches a model output.
        known_issue: e.g. `keras#20147`, or None.
        fixed_in: Keras release in which the known issue is fixed, or None.
        remedy: what helps, in words; says so when it was verified.
        proof: both-way proof, or None where it was not asked for or could not be made.
        phase: `forward`, or `training` where it shows in a training step only.
    """

    layer: str
    class_name: str
    side: Side = Side.UNKNOWN
    cause: Cause = Cause.UNKNOWN
    evidence: tuple[Evidence, ...] = ()
    masked: bool = False
    known_issue: str | None = None
    fixed_in: str | None = None
    remedy: str | None = None
    proof: Proof | None = None
    phase: Phase = "forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What both sides were fed.

    Attributes:
        origin: `file`, `seeded` (made to fit the model) or `given` (arrays of the caller's).
        source: the file, or the seed in words; empty where arrays were given.
        samples: size of the first axis.
        shapes: of the arrays as the model got them, by the name of the input.
        dtypes: NumPy's names of them, by the name of the input.
        conversions: every change that was made to what was given, one sentence each: resized, cast, grey to RGB.
    """

    origin: Origin
    source: str = ""
    samples: int = 0
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    conversions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """How many predictions of one model output are others in the candidate.

    Attributes:
        output: layer path that the output comes from, or its number.
        rule: what a prediction is: the index of the largest value (`argmax`), or whether a value is above 0.5
            (`threshold`).
        total: how many were compared; an output has several of a sample where it says something of every pixel.
        changed: how many of them are others.
        samples: the first samples with one that changed, counted over all batches, from 0; at most 8.
    """

    output: str
    rule: Rule
    total: int
    changed: int
    samples: tuple[int, ...] = ()
