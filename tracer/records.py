"""The nouns: frozen records that every other module speaks in.  NumPy and the standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from tracer.errors import DivergenceError, FixtureError

SCHEMA = 1
# One element of an array; None where a report says nothing of it.
Scalar: TypeAlias = bool | int | float | complex | str | bytes | None


class Verdict(StrEnum):
    """What the comparison says of one call site's output (DESIGN vocabulary)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One output of one call site, compared.

    Attributes:
        layer: layer path, `outer/inner#call:output`.
        class_name: class of the layer or operation.
        verdict: see `Verdict`.
        rel_error: relative L2 error of the output as it came, `inf` where no number can be given.
        local_error: the candidate's layer fed the reference's inputs, against the reference's output; None where it
            could not be taken.
        tolerance: the bound that both were held against.
        shape: of the reference's output (of the candidate's where the reference has none).
        dtype: likewise.
        note: one line of plain words where the numbers don't say it all, else empty.
        sample_error: see `Difference`; a single sample has a bound of its own (`tracer.core.numbers.tolerance`).
        worst_sample: see `Difference`.
    """

    layer: str
    class_name: str
    verdict: Verdict
    rel_error: float
    local_error: float | None
    tolerance: float
    max_abs: float = 0.0
    max_ulp: float = 0.0
    cosine: float = 1.0
    worst_index: tuple[int, ...] = ()
    worst_reference: Scalar = None
    worst_candidate: Scalar = None
    nonfinite_reference: int = 0
    nonfinite_candidate: int = 0
    channels: tuple[tuple[int, float], ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    note: str = ""
    sample_error: float | None = None
    worst_sample: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing found to differ between the paired layers of a fault.

    Attributes:
        kind: `state`, `config`, `weight`, `policy`, `mask`, `output`, `wiring`, `context`, `stale` or `lost-config`.
        name: what differs: an attribute, the path of a configuration key, a variable's path.
        reference: the reference's value, shortened for reading.
        candidate: the candidate's value, shortened for reading.
        detail: one line of plain words.
    """

    kind: str
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
    """

    healed: float
    broken: float
    output_error: float
    holds: bool


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
    phase: str = "forward"


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

    origin: str
    source: str = ""
    samples: int = 0
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    conversions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of one comparison.

    Attributes:
        status: see `Status`.
        compared: number of layer outputs that were compared.
        coverage: compared call sites over all call sites seen on either side, 0.0 … 1.0.
        first_divergence: layer path of the first call site, in execution order, that differs beyond tolerance; *not*
            necessarily a fault.
        faults: in execution order.
        hidden: paired layers that aren't the same, though these inputs don't show it, as faults; of their causes
            `weights` makes the sides diverge, what has no effect here is told.
        layers: in execution order.
        unmatched: layer paths without a partner, by side.
        environments: by side: versions of Keras, its backend, Python, NumPy, and the platform.
        specs: by side: what was compared, in words.
        timings: seconds by phase.
        notes: what the reader has to know to weigh the verdict (dead signal, parts that could not be seen, …).
        inputs: what both sides were fed; None in reports of old.
        reason: why an inconclusive comparison shows nothing, in one sentence; empty for every other status.
    """

    status: Status
    compared: int
    coverage: float
    first_divergence: str | None
    faults: tuple[Fault, ...]
    layers: tuple[LayerReport, ...]
    unmatched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    specs: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    hidden: tuple[Fault, ...] = ()
    inputs: Inputs | None = None
    reason: str = ""

    @property
    def matches(self) -> bool:
        """Whether the two sides are the same, within tolerance. False when nothing was compared."""
        return self.compared > 0 and self.status in (Status.PASS, Status.WITHIN_TOLERANCE)

    def raise_for_divergence(self) -> None:
        """Does nothing when the sides match.

        Raises:
            DivergenceError: with the first lines of the report as its message, and the report on it.
        """
        if not self.matches:
            raise DivergenceError(_summary(self), self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON report, schema 1: plain types only; non-finite numbers are null."""
        body = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        body["matches"] = self.matches
        body["schema"] = SCHEMA
        return body

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """The report that `to_dict` wrote.

        Raises:
            FixtureError: if `data` isn't a report of this schema.
        """
        if data.get("schema") != SCHEMA:
            raise FixtureError(f"not a tracer report of schema {SCHEMA}: its `schema` is {data.get('schema')!r}.")
        try:
            return _report_from(data)
        except (KeyError, TypeError, ValueError) as error:
            raise FixtureError(f"the tracer report is damaged: {type(error).__name__}: {error}") from error


def _summary(report: Report) -> str:
    """A few lines for an exception: verdict, faults, first divergence."""
    lines = [f"{report.status}: {report.reason or f'{report.compared} layer outputs compared'}"]
    for fault in report.faults:
        lines.append(f"  fault: {fault.layer} ({fault.class_name}), cause {fault.cause}, {fault.side} is wrong")
    for fault in report.hidden:
        told = "these inputs don't show it"
        lines.append(f"  differs: {fault.layer} ({fault.class_name}), cause {fault.cause}, {told}")
    if report.first_divergence is not None:
        lines.append(f"  first divergence: {report.first_divergence}")
    lines.extend(f"  {note}" for note in report.notes)
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """Records, tuples and mappings as plain JSON types; what JSON can't say of a number is null."""
    if value is None or isinstance(value, (bool, int, str)):
        return str(value) if isinstance(value, StrEnum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return list(map(_plain, value))
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    # A NumPy scalar says its number; of anything else a report holds the text.
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def _number(value: Any, missing: float = math.inf) -> float:
    return missing if value is None else float(value)


def _layer_from(data: Mapping[str, Any]) -> LayerReport:
    known = {f.name: data[f.name] for f in fields(LayerReport) if f.name in data}
    local = known.get("local_error")
    known.update(
        verdict=Verdict(known["verdict"]),
        rel_error=_number(known["rel_error"]),
        tolerance=_number(known["tolerance"]),
        max_abs=_number(known.get("max_abs", 0.0)),
        max_ulp=_number(known.get("max_ulp", 0.0), math.nan),
        cosine=_number(known.get("cosine", 1.0), math.nan),
        local_error=None if local is None else float(local),
        worst_index=tuple(known.get("worst_index", ())),
        channels=tuple((int(c), float(s)) for c, s in known.get("channels", ())),
        shape=tuple(known.get("shape", ())),
    )
    return LayerReport(**known)


def _fault_from(data: Mapping[str, Any]) -> Fault:
    known = {f.name: data[f.name] for f in fields(Fault) if f.name in data}
    proof = known.get("proof")
    known.update(
        side=Side(known["side"]),
        cause=Cause(known["cause"]),
        evidence=tuple(Evidence(**e) for e in known.get("evidence", ())),
        proof=None
        if proof is None
        else Proof(
            healed=_number(proof["healed"]),
            broken=_number(proof["broken"]),
            output_error=_number(proof["output_error"]),
            holds=bool(proof["holds"]),
        ),
    )
    return Fault(**known)


def _inputs_from(data: Mapping[str, Any] | None) -> Inputs | None:
    if data is None:
        return None
    known = {f.name: data[f.name] for f in fields(Inputs) if f.name in data}
    shapes = {str(name): tuple(shape) for name, shape in known.get("shapes", {}).items()}
    return Inputs(**{**known, "shapes": shapes, "conversions": tuple(known.get("conversions", ()))})


def _report_from(data: Mapping[str, Any]) -> Report:
    return Report(
        status=Status(data["status"]),
        compared=int(data["compared"]),
        coverage=float(data["coverage"]),
        first_divergence=data["first_divergence"],
        faults=tuple(_fault_from(f) for f in data["faults"]),
        layers=tuple(_layer_from(layer) for layer in data["layers"]),
        unmatched={k: tuple(v) for k, v in data.get("unmatched", {}).items()},
        environments=data.get("environments", {}),
        specs=data.get("specs", {}),
        timings=data.get("timings", {}),
        notes=tuple(data.get("notes", ())),
        hidden=tuple(_fault_from(f) for f in data.get("hidden", ())),
        inputs=_inputs_from(data.get("inputs")),
        reason=data.get("reason", ""),
    )
