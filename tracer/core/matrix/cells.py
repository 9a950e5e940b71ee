"""Cells of a matrix: one question about one model in one environment each, and the answer to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, TypedDict

from tracer.core.environment import Wanted, mismatches, pins_for
from tracer.records import Cause, Fault, JsonObject, Report, Status

FAILED = "failed"
UNTESTABLE = "untestable"


class Kind(StrEnum):
    """What a cell asks."""

    ROUNDTRIP = "roundtrip"
    DIFF = "diff"
    CHECK = "check"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One question. Everything that its answer depends on is in it, or in `content`.

    Attributes:
        kind: a round trip, a diff against a baseline, a check against a golden, or a command of the user's.
        model: what is built, without release and backend; "" for a command.
        release: of Keras, a real one.
        backend: `tensorflow`, `jax` or `torch`.
        format: of a round trip.
        baseline: specification of the reference of a diff.
        golden: file of a check.
        command: of the user's; exit code 0 is good, 125 can't be tested, every other one is bad.
        inputs: a file, or None for seeded ones.
        seed: of weights and inputs.
        batch: samples in seeded inputs; None for the usual number, and beside inputs that are given.
        training: handed on to the models; None for nothing, as people call them.
        packages: requirements for the environment.
        custom_objects: modules to import first.
        trust: load model files with all that they contain.
        content: digest of the model's file or module and of this package.
    """

    kind: Kind
    model: str
    release: str
    backend: str
    format: str | None = None
    baseline: str | None = None
    golden: str | None = None
    command: str | None = None
    inputs: str | None = None
    seed: int = 0
    batch: int | None = None
    training: bool | None = False
    packages: tuple[str, ...] = ()
    custom_objects: tuple[str, ...] = ()
    trust: bool = False
    content: str = ""

    @property
    def spec(self) -> str:
        """The model in its environment, as on the command line."""
        return f"{self.model}@{self.release}+{self.backend}"

    @property
    def wanted(self) -> Wanted:
        """What has to run it."""
        return Wanted(keras=self.release, backend=self.backend, packages=pins_for(self.backend, self.packages))

    @property
    def wanted_reference(self) -> Wanted | None:
        """What has to run the reference; None where the cell doesn't say."""
        if self.kind is Kind.ROUNDTRIP:
            return self.wanted
        if self.kind is not Kind.DIFF or self.baseline is None:
            return None
        release, _, backend = self.baseline.rpartition("@")[2].partition("+")
        packages = pins_for(backend or "tensorflow", self.packages)
        return Wanted(keras=release, backend=backend, packages=packages)

    @property
    def question(self) -> str:
        """What of it isn't the environment: the column of a table."""
        if self.kind is Kind.RUN:
            return str(self.command)
        return (
            f"{self.model} {self.format if self.kind is Kind.ROUNDTRIP else f'against {self.baseline or self.golden}'}"
        )

    @property
    def environment(self) -> str:
        """The row of a table."""
        return f"{self.release}+{self.backend}"

    def to_dict(self) -> JsonObject:
        """Plain types."""
        return {**asdict(self), "kind": str(self.kind)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """What `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: if it is something else.
        """
        known = {f.name: data[f.name] for f in fields(cls)}
        known.update({name: tuple(known[name]) for name in ("packages", "custom_objects")}, kind=Kind(known["kind"]))
        return cls(**known)


class FaultSummary(TypedDict):
    """What an answer keeps of a fault; see `tracer.records.Fault`."""

    layer: str
    class_name: str
    side: str
    cause: str
    masked: bool
    known_issue: str | None
    fixed_in: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one cell; small, because there may be a hundred thousand.

    Attributes:
        cell: the question.
        outcome: a `Status` for comparisons; `pass`, `diverged` or `untestable` for a command; `failed` where the
            question could not be answered.
        faults: layer, class, cause, side, known issue and release that fixes it, of each layer at fault.
        first_divergence: layer path, or None.
        worst_layer: the layer nearest to its tolerance, or farthest beyond it; None when none differs.
        worst_error: its relative L2 error; None where it has no number.
        compared: layer outputs.
        environments: by side, what really ran.
        inputs: what both sides were fed, as in the JSON of a report; None where nothing was compared.
        message: why it failed, or the last words of a command.
        seconds: all that it took, starting processes included.
    """

    cell: Cell
    outcome: str
    faults: tuple[FaultSummary, ...] = ()
    first_divergence: str | None = None
    worst_layer: str | None = None
    worst_error: float | None = None
    compared: int = 0
    environments: JsonObject | None = None
    inputs: JsonObject | None = None
    message: str = ""
    seconds: float = 0.0

    @property
    def same(self) -> bool:
        """Answered, and nothing differs."""
        return self.outcome in (Status.PASS, Status.WITHIN_TOLERANCE)

    @property
    def answered(self) -> bool:
        """It is a yes or a no."""
        return self.same or self.outcome == Status.DIVERGED

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What ran and isn't what its cell names, in words; nothing where nothing ran, which is no answer at all."""
        if self.outcome in (FAILED, UNTESTABLE):
            return ()
        wanted = {"candidate": self.cell.wanted, "reference": self.cell.wanted_reference}
        ran = self.environments or {}
        return tuple(
            f"{side}: {told}"
            for side, asked in wanted.items()
            if asked is not None
            for told in mismatches(asked, ran.get(side) or {})
        )

    def to_dict(self) -> JsonObject:
        """Plain types."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "cell": self.cell.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Answer:
        """What `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: if it is something else.
        """
        known = {f.name: data[f.name] for f in fields(cls)}
        return cls(**{**known, "cell": Cell.from_dict(data["cell"]), "faults": tuple(data["faults"])})


def key(cell: Cell) -> str:
    """A file name for a cell: readable, and different for every other question."""
    text = json.dumps(cell.to_dict(), sort_keys=True)
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", f"{cell.kind} {cell.question[:60]} {cell.environment}").strip("-")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def answer(cell: Cell, report: Report, seconds: float) -> Answer:
    """What a report says of a cell."""
    plain = report.to_dict()
    differing = [layer for layer in plain["layers"] if _share_of_tolerance(layer) > 0]
    worst = max(differing, key=_share_of_tolerance, default=None)
    return Answer(
        cell=cell,
        outcome=str(report.status),
        faults=tuple(map(_summary, _blamed(report))),
        first_divergence=report.first_divergence,
        worst_layer=None if worst is None else worst["layer"],
        worst_error=0.0 if worst is None else worst["rel_error"],
        compared=report.compared,
        environments=plain["environments"],
        inputs=plain["inputs"],
        message=report.reason,
        seconds=round(seconds, 2),
    )


def _blamed(report: Report) -> Sequence[Fault]:
    """The faults; where nothing is at fault, the layers whose weights differ though these inputs don't show it."""
    return report.faults or [fault for fault in report.hidden if fault.cause is Cause.WEIGHTS]


def _summary(fault: Fault) -> FaultSummary:
    return FaultSummary(
        layer=fault.layer,
        class_name=fault.class_name,
        side=str(fault.side),
        cause=str(fault.cause),
        masked=fault.masked,
        known_issue=fault.known_issue,
        fixed_in=fault.fixed_in,
    )


def _share_of_tolerance(layer: JsonObject) -> float:
    error, bound = layer["rel_error"], layer["tolerance"]
    if error is None or bound is None:  # JSON has no infinity
        return float("inf")
    return float(error / bound) if bound else float(error)


def rows_and_columns(cells: Sequence[Cell]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Environments and questions, in the order in which they were asked."""
    rows = dict.fromkeys(cell.environment for cell in cells)
    return tuple(rows), tuple(dict.fromkeys(cell.question for cell in cells))
