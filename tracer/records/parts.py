"""What a report is made of: the verdict on each layer, the faults with their evidence, and what was fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["forward", "training"]
Origin: TypeAlias = Literal["file", "seeded", "given"]
Rule: TypeAlias = Literal["argmax", "threshold"]


class EvidenceKind(StrEnum):
    """What an observation is of."""

    STATE = "state"
    CONFIG = "config"
    WEIGHT = "weight"
    POLICY = "policy"
    MASK = "mask"
    OUTPUT = "output"
    WIRING = "wiring"
    CONTEXT = "context"
    STALE = "stale"
    LOST_CONFIG = "lost-config"


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
        batch: number of the batch that it was proved on, of many; None where there is one.
    """

    healed: float
    broken: float
    output_error: float
    holds: bool
    implied: bool = False
    batch: int | None = None


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
