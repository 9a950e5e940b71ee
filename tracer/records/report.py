"""The report: the result of one comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from tracer.errors import DivergenceError, FixtureError, TracerError
from tracer.records.layers import INLINE, Difference, LayerReport
from tracer.records.parts import Cause, Fault, Inputs, Predictions, Status, Verdict
from tracer.records.plain import (
    JsonObject,
    fault_from,
    inputs_from,
    layer_from,
    predictions_from,
    timings_from,
    to_plain,
)
from tracer.records.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = 1
_NAMED = 3  # faults that a `repr` names, and the first line of an exception
_EVIDENCE: Final = 2  # pieces of it that an exception tells, for each fault


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Shown):
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
        command: the command line that made it, quoted for a shell; empty where it was made in Python.
        date: when it was made, ISO 8601 in UTC; empty likewise.
        predictions: how many predictions of each model output changed, where it makes some.
        batches: that were compared, one after the other. The numbers of a layer are those of its worst batch, the
            shapes in `inputs` those of the first one.
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
    command: str = ""
    date: str = ""
    predictions: tuple[Predictions, ...] = ()
    batches: int = 1

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

    def to_dict(self) -> JsonObject:
        """The JSON report, schema 1: plain types only; non-finite numbers are null."""
        body: JsonObject = {f.name: to_plain(getattr(self, f.name)) for f in fields(self)}
        body["matches"] = self.matches
        body["schema"] = SCHEMA
        return body

    def to_dataframe(self) -> pd.DataFrame:
        """The layers as a table, one row each in execution order, with the columns that the JSON report has.

        Raises:
            TracerError: if pandas isn't installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise TracerError("to_dataframe needs pandas: pip install pandas.") from error
        names = list(_columns())
        rows = [[_cell(getattr(layer, name)) for name in names] for layer in self.layers]
        return pd.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        named = ", ".join(repr(fault.layer) for fault in self.faults[:_NAMED])
        more = ", …" if len(self.faults) > _NAMED else ""
        return (
            f"<Report {self.status}: {self.compared} layer outputs compared, faults [{named}{more}], "
            f"first divergence {self.first_divergence!r}>"
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """The report that `to_dict` wrote.

        Raises:
            FixtureError: if `data` isn't a report of this schema.
        """
        if data.get("schema") != SCHEMA:
            raise FixtureError(f"not a tracer report of schema {SCHEMA}: its `schema` is {data.get('schema')!r}.")
        try:
            return cls(
                status=Status(data["status"]),
                compared=int(data["compared"]),
                coverage=float(data["coverage"]),
                first_divergence=data["first_divergence"],
                faults=tuple(map(fault_from, data["faults"])),
                layers=tuple(map(layer_from, data["layers"])),
                unmatched={side: tuple(paths) for side, paths in data.get("unmatched", {}).items()},
                environments=data.get("environments", {}),
                specs=data.get("specs", {}),
                timings=timings_from(data.get("timings", {})),
                notes=tuple(data.get("notes", ())),
                hidden=tuple(map(fault_from, data.get("hidden", ()))),
                inputs=inputs_from(data.get("inputs")),
                reason=data.get("reason", ""),
                command=data.get("command", ""),
                date=data.get("date", ""),
                predictions=tuple(map(predictions_from, data.get("predictions", ()))),
                batches=int(data.get("batches", 1)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FixtureError(f"the tracer report is damaged: {type(error).__name__}: {error}") from error


def _columns() -> Iterator[str]:
    """The attributes of `LayerReport`, those of its difference among them; a picture is no value of a cell."""
    for each in fields(LayerReport):
        if each.name in ("histogram", "error_map"):
            continue
        if each.metadata == INLINE:
            yield from (part.name for part in fields(Difference))
        else:
            yield each.name


def _cell(value: object) -> object:
    """A verdict as its word: pandas would show it as an enumeration's member."""
    return str(value) if isinstance(value, Verdict) else value


def _summary(report: Report) -> str:
    """A few lines for an exception: verdict, faults, first divergence."""
    lines = [f"{report.status}: {_named(report)}{report.reason or f'{report.compared} layer outputs compared'}"]
    for fault in report.faults:
        lines.append(f"  fault: {fault.layer} ({fault.class_name}), cause {fault.cause}, {fault.side} is wrong")
        lines.extend(f"    {reason}" for reason in _reasons(fault))
    for fault in report.hidden:
        told = "which only training shows" if fault.cause is Cause.OPTIMIZER_STATE else "these inputs don't show it"
        lines.append(f"  differs: {fault.layer} ({fault.class_name}), cause {fault.cause}, {told}")
        lines.extend(f"    {reason}" for reason in _reasons(fault))
    if report.first_divergence is not None:
        lines.append(f"  first divergence: {report.first_divergence}")
    lines.extend(f"  {note}" for note in report.notes)
    return "\n".join(lines)


def _named(report: Report) -> str:
    """The layers and causes, for whoever sees the first line alone, as in the short summary of a test run."""
    found = list(dict.fromkeys(f"{fault.layer} ({fault.cause})" for fault in (*report.faults, *report.hidden)))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{', '.join(found[:_NAMED])}{more}; " if found else ""


def _reasons(fault: Fault) -> Iterator[str]:
    """The strongest evidence, and what helps."""
    for evidence in fault.evidence[:_EVIDENCE]:
        values = f"{evidence.name}: {evidence.reference} in the reference, {evidence.candidate} in the candidate"
        yield evidence.detail or values
    if fault.remedy:
        yield f"remedy: {fault.remedy}"
