"""The table of model kinds × ways back.  `python tests/quality/kinds_table.py` measures it and writes the document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from kinds import KINDS, TRAINING

from tracer import workflows
from tracer.core.formats import ALL, FORMATS
from tracer.engine.model.save_formats import lacking
from tracer.records import Report, Status

DOCUMENT = Path(__file__).parents[2] / "docs" / "model-kinds.md"
_MARKS = {Status.PASS: "=", Status.WITHIN_TOLERANCE: "≈", Status.DIVERGED: "✗", Status.INCONCLUSIVE: "?"}
_REFUSED, _NONE = "!", "–"
_LEGACY = {"h5", "h5-weights", "h5-by-name"}
_SET_WEIGHTS = {"config", "from-config", "clone"}
_ARCHIVE = {"keras", "keras-dir", "checkpoint", "pickle", "copy"}
_WEIGHT_FILES = {"weights", "sharded", "checkpoint-weights"}
# What Keras 3.15.1 really loses, by kind: the ways, and the layers that are at fault.
LOST: Mapping[str, tuple[set[str], tuple[str, ...]]] = {
    "nested_normalization": (_LEGACY | _SET_WEIGHTS, ("inner/norm",)),
    "text_adapted": (_LEGACY | _SET_WEIGHTS | _WEIGHT_FILES, ("vectorize",)),
    "stateful_rnn": (_LEGACY | _SET_WEIGHTS | _WEIGHT_FILES | _ARCHIVE, ("lstm", "gru")),
    "shared_across_depths": (_ARCHIVE, ("inner/shared", "inner/inside", "head")),
}
# What Keras 3.15.1 refuses, with a part of the reason.
REFUSED: Mapping[str, Mapping[str, str]] = {
    "nested_three_deep": dict.fromkeys(_LEGACY, "name already exists"),
    "operators": {"h5": "Unknown layer: 'Mean'"},
    "masks": {"h5": "Unknown layer: 'NotEqual'"},
    "attention": {"h5": "score_mode"},
    **{kind: {"savedmodel": "only does inference"} for kind in TRAINING},
    "shared_across_depths": {
        **dict.fromkeys(_WEIGHT_FILES, "could not be loaded"),
        **dict.fromkeys(_SET_WEIGHTS, "set_weights"),
    },
}
_HEAD = """# Every kind of model, every way back

Measured with Keras {keras} on the {backend} backend by `python tests/quality/kinds_table.py`; the table is held against
a fresh run by `tests/quality/test_kinds.py`, kind by kind. Every model is saved, loaded in a fresh process and traced
call by call (`copy`, `from-config` and `clone` stay in the process, as they do for whoever uses them).

`=` bit for bit the same · `≈` within tolerance · `✗` diverged: a real loss of Keras, named below · `!` Keras refuses ·
`–` doesn't exist for this kind (`keras-compiled`: the model isn't compiled). *Sites* are the layer outputs that were
compared, *seen* the share of all call sites; a SavedModel has no layers: there only the model outputs are compared.

"""


@dataclass(frozen=True)
class Row:
    """One kind: its call sites, the share that was seen, and a mark and a reason by way."""

    kind: str
    sites: int
    coverage: float
    marks: Mapping[str, str]
    reasons: Mapping[str, str]
    faults: Mapping[str, tuple[str, ...]]

    def line(self) -> str:
        cells = " | ".join(self.marks[way] for way in FORMATS)
        return f"| {self.kind} | {self.sites} | {self.coverage:.0%} | {cells} |"

    def notes(self) -> list[str]:
        """One line a reason, with the ways that it holds for."""
        ways: dict[str, list[str]] = {}
        for way, reason in self.reasons.items():
            if self.marks[way] != _NONE or way != "keras-compiled":
                ways.setdefault(reason, []).append(way)
        return [f"* {self.kind}, {', '.join(names)}: {reason}" for reason, names in ways.items()]


def measured(kind: str) -> Row:
    """Every way back of one kind."""
    model = KINDS[kind]()
    found = workflows.roundtrip_formats(model, [ALL], training=kind in TRAINING)
    missing = lacking(model)
    traced = found["keras"]
    assert isinstance(traced, Report), f"{kind}: {traced}"
    return Row(
        kind=kind,
        sites=traced.compared,
        coverage=traced.coverage,
        marks={way: _mark(found.get(way)) for way in FORMATS},
        reasons={
            way: _reason(found.get(way), missing.get(way, "")) for way in FORMATS if _mark(found.get(way)) in "✗!–"
        },
        faults={
            way: tuple(f.layer for f in r.faults) for way, r in found.items() if isinstance(r, Report) and r.faults
        },
    )


def _mark(outcome: Any) -> str:
    if outcome is None:
        return _NONE
    return _MARKS[outcome.status] if isinstance(outcome, Report) else _REFUSED


def _reason(outcome: Any, missing: str) -> str:
    if isinstance(outcome, Report):
        return ", ".join(
            f"`{f.layer}` {f.cause}{f' ({f.known_issue})' if f.known_issue else ''}" for f in outcome.faults
        )
    if outcome is None:
        return missing
    text = re.sub(r"^.*?(can't be saved|can't be loaded again|failed)( as [\w-]+)?: ", r"\1: ", str(outcome))
    first = re.split(r"(?<=[.)])\s", text.replace("|", "/"))[0]
    return f"{first[:150]}{'…' if len(first) > 150 else ''}"


def document(rows: Iterable[Row]) -> str:
    """The whole page."""
    rows = list(rows)
    head = _HEAD.format(keras=keras.__version__, backend=keras.backend.backend())
    title = ["| model | sites | seen | " + " | ".join(FORMATS) + " |", "|---|---|---|" + "---|" * len(FORMATS)]
    table = [*title, *(row.line() for row in rows)]
    notes = [note for row in rows for note in row.notes()]
    ways = [f"* `{way.name}`: {way.words}" for way in FORMATS.values()]
    return head + "\n".join([*table, "", "## Reasons", "", *notes, "", "## The ways", "", *ways]) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(measured(kind) for kind in KINDS), encoding="utf-8")
