"""Cells of a matrix: one question about one model in one environment each, and the answer to it."""

from __future__ import annotations

import hashlib
import json
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypedDict

from tracer.core.environment import Wanted, mismatches, pins_for
from tracer.core.numbers.tolerance import share_of_tolerance
from tracer.core.outcomes import Ending, ending
from tracer.records import Cause, Fault, JsonObject, Report, Shown, Status

FAILED = "failed"
UNTESTABLE = "untestable"


class Kind(StrEnum):
    """What a cell asks."""

    ROUNDTRIP = "roundtrip"
    DIFF = "diff"
    CHECK = "check"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTemplate:
    """What is asked of a model, in one environment or in many.

    Attributes:
        formats: of round trips.
        baseline: specification of the reference of a diff; a user may also write a release, with a backend or without.
        golden: file of a check; a user may also write a folder that has one by the model's name, or `shipped`.
        command: of the user's; exit code 0 is good, 125 can't be tested, every other one is bad.
        inputs: a file, or None for seeded ones.
        seed: of weights and inputs.
        batch: samples in seeded inputs; None for the usual number, and beside inputs that are given.
        training: handed on to the models; None for nothing, as people call them.
        packages: requirements for the environment.
        custom_objects: modules to import first.
        trust: load model files with all that they contain.
    """

    formats: tuple[str, ...] = ()
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

    @property
    def kind(self) -> Kind:
        """What it comes to."""
        if self.command is not None:
            return Kind.RUN
        if self.golden is not None:
            return Kind.CHECK
        return Kind.ROUNDTRIP if self.baseline is None else Kind.DIFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A question about one model in one environment. All that its answer depends on is in it, or in `content`.

    Attributes:
        model: what is built, without release and backend; "" for a command.
        release: of Keras, a real one.
        backend: `tensorflow`, `jax` or `torch`.
        question: with real releases and files; a round trip has exactly one format.
        content: digest of the model's file or module and of this package.
    """

    model: str
    release: str
    backend: str
    question: CellTemplate
    content: str = ""

    @property
    def kind(self) -> Kind:
        """What it asks."""
        return self.question.kind

    @property
    def format(self) -> str | None:
        """Of a round trip; None for every other kind."""
        return self.question.formats[0] if self.kind is Kind.ROUNDTRIP else None

    @property
    def spec(self) -> str:
        """The model in its environment, as on the command line."""
        return f"{self.model}@{self.release}+{self.backend}"

    @property
    def wanted(self) -> Wanted:
        """What has to run it."""
        packages = pins_for(self.backend, self.question.packages)
        return Wanted(keras=self.release, backend=self.backend, packages=packages)

    @property
    def wanted_reference(self) -> Wanted | None:
        """What has to run the reference; None where the cell doesn't say."""
        if self.kind is Kind.ROUNDTRIP:
            return self.wanted
        if self.kind is not Kind.DIFF or self.question.baseline is None:
            return None
        release, _, backend = self.question.baseline.rpartition("@")[2].partition("+")
        packages = pins_for(backend or "tensorflow", self.question.packages)
        return Wanted(keras=release, backend=backend, packages=packages)

    @property
    def column(self) -> str:
        """Of a table: what of the cell isn't the environment."""
        asked = self.question
        if self.kind is Kind.RUN:
            return str(asked.command)
        told = self.format if self.kind is Kind.ROUNDTRIP else f"against {asked.baseline or asked.golden}"
        return f"{self.model} {told}"

    @property
    def environment(self) -> str:
        """The row of a table."""
        return f"{self.release}+{self.backend}"

    def to_dict(self) -> JsonObject:
        """Plain types, without nesting."""
        asked = {name: value for name, value in asdict(self.question).items() if name != "formats"}
        where = {"model": self.model, "release": self.release, "backend": self.backend}
        return {"kind": str(self.kind), **where, "format": self.format, **asked, "content": self.content}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """What `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: if it is something else.
        """
        asked = {f.name: data[f.name] for f in fields(CellTemplate) if f.name != "formats"}
        asked.update({name: tuple(asked[name]) for name in ("packages", "custom_objects")})
        question = CellTemplate(**asked, formats=() if data["format"] is None else (data["format"],))
        if question.kind is not Kind(data["kind"]):
            raise ValueError(f"a cell of kind {data['kind']} that asks for a {question.kind}")
        where = {name: data[name] for name in ("model", "release", "backend", "content")}
        return cls(**where, question=question)


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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Matrix(Shown):
    """Cells that were answered.

    Attributes:
        answers: one a cell, in the order of the question.
        reused: so many of them were there already.
        results: the folder that they are in.
        timings: seconds by phase.
    """

    answers: tuple[Answer, ...]
    reused: int
    results: str
    timings: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        same = sum(answer.same for answer in self.answers)
        return f"<Matrix of {len(self.answers)} cells: {same} the same, {self.reused} answered before>"


def key(cell: Cell) -> str:
    """A file name for a cell: readable, and different for every other question."""
    text = json.dumps(cell.to_dict(), sort_keys=True)
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", f"{cell.kind} {cell.column[:60]} {cell.environment}").strip("-")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def answer(cell: Cell, report: Report, seconds: float) -> Answer:
    """What a report says of a cell."""
    plain = report.to_dict()
    shares = [share_of_tolerance(layer.rel_error, layer.tolerance) for layer in report.layers]
    differing = [(share, layer) for share, layer in zip(shares, plain["layers"], strict=True) if share > 0]
    worst = max(differing, key=operator.itemgetter(0), default=(0.0, None))[1]
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


def rows_and_columns(cells: Sequence[Cell]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Environments and columns, in the order in which they were asked."""
    rows = dict.fromkeys(cell.environment for cell in cells)
    return tuple(rows), tuple(dict.fromkeys(cell.column for cell in cells))


def ending_of(answers: Sequence[Answer]) -> Ending:
    """How a command ends that has these answers."""
    return ending(
        diverged=any(answer.outcome == Status.DIVERGED for answer in answers),
        same=bool(answers) and all(answer.same for answer in answers),
    )
