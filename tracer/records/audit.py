"""What a model file says of itself: what loading loses of it, and what it is exposed to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from tracer.records.plain import JsonObject, to_plain

FindingKind: TypeAlias = Literal[
    "array-not-loaded",
    "array-differs",
    "variable-not-in-file",
    "config-lost",
    "config-default",
    "config-missing",
    "load-refused",
    "stale-state",
    "not-adapted",
    "optimizer-not-restored",
    "values",
    "not-as-expected",
    "computes-otherwise",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a file, or with what comes of it.

    Attributes:
        kind: of what.
        place: path in the file, configuration key, or layer path.
        detail: what it is, in one sentence.
        remedy: what helps; empty where nothing is known.
    """

    kind: FindingKind
    place: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One change under which the model may give the predictions that were expected of it.

    Attributes:
        change: in words; the first one is none.
        error: relative L2 error of the model outputs, the largest of them; None where it couldn't be tried.
        gives: whether the predictions come back.
        note: why it couldn't be tried; else empty.
    """

    change: str
    error: float | None
    gives: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A model file, looked at without its original.

    Attributes:
        file: its path.
        format: `keras` or `h5`.
        writer: release of Keras that wrote it; empty where the file doesn't say.
        reader: release of Keras that it was loaded with.
        backend: that it was loaded on.
        arrays: of the file that were followed into the loaded model.
        settings: values of its configuration that were followed.
        findings: what is wrong.
        notes: what to know besides, and what was not looked at.
        exposure: known defects of the writer or the reader that a model like this one may have met: issue, what.
        trials: what was tried to get the expected predictions back; empty where none were given.
    """

    file: str
    format: str
    writer: str
    reader: str
    backend: str
    arrays: int
    settings: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    exposure: tuple[tuple[str, str], ...] = ()
    trials: tuple[Trial, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether something was followed, and nothing was found."""
        return self.arrays + self.settings > 0 and not self.findings

    def to_dict(self) -> JsonObject:
        """Plain types only, schema 1."""
        body: JsonObject = {field.name: to_plain(getattr(self, field.name)) for field in fields(self)}
        return {"schema": 1, "ok": self.ok, **body}
