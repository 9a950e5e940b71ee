"""A matrix of cells as text, Markdown and JSON: environments down, questions across, faults in notes below."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from types import MappingProxyType

from tracer.core.matrix.cells import FAILED, UNTESTABLE, Answer, FaultSummary, ending_of, rows_and_columns
from tracer.records import SCHEMA, Inputs, JsonObject, Side, Status
from tracer.report.phrases import inputs_words
from tracer.report.style import BLANK, Line, Span, Tone, counted, error_number, line, paint

_WORDS = MappingProxyType(
    {
        str(Status.PASS): "same",
        str(Status.WITHIN_TOLERANCE): "same",
        str(Status.DIVERGED): "DIVERGED",
        str(Status.INCONCLUSIVE): "inconclusive",
        UNTESTABLE: "can't tell",
        FAILED: "FAILED",
    }
)
_TONES = MappingProxyType({"same": Tone.GOOD, "DIVERGED": Tone.BAD})
_MESSAGE = 300
_FED = 3  # different inputs that are told: one a model, as a rule


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix in words.

    Attributes:
        headline: the verdict in one line.
        columns: letter and question.
        rows: environment, and the words of each of its cells with the number of its note; "" where nothing was asked.
        notes: number and text: faults and failures, each once.
        inputs: what the models were fed, each once.
    """

    headline: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...] = ()


def table(answers: Sequence[Answer]) -> Table:
    """The words of a matrix."""
    environments, questions = rows_and_columns([answer.cell for answer in answers])
    numbers: dict[str, str] = {}
    for answer in answers:
        if note := note_of(answer):
            numbers.setdefault(note, str(len(numbers) + 1))
    told = {(a.cell.environment, a.cell.column): _words(a, numbers) for a in answers}
    rows = tuple((row, tuple(told.get((row, column), "") for column in questions)) for row in environments)
    columns = tuple((_letter(index), question) for index, question in enumerate(questions))
    notes = tuple((number, note) for note, number in numbers.items())
    fed = dict.fromkeys(filter(None, map(fed_words, answers)))
    return Table(headline(answers), columns, rows, notes, tuple(fed))


def fed_words(answer: Answer) -> str:
    """What both sides of a cell were fed; "" where nothing was compared."""
    return inputs_words(Inputs(**answer.inputs)) if answer.inputs else ""


def headline(answers: Sequence[Answer]) -> str:
    """`DIVERGED: 3 of 8 cells; 4 the same, 1 failed`."""
    counts = Counter(_WORDS[answer.outcome] for answer in answers)
    names = {"same": "the same", "DIVERGED": "diverged", "FAILED": "failed"}
    parts = ", ".join(f"{count} {names.get(word, word)}" for word, count in counts.most_common())
    ended = ending_of(answers)
    verdict = ended.name if ended else "PASS"
    return f"{verdict}: {counted(len(answers), 'cell')}: {parts}"


def _letter(index: int) -> str:
    rest, last = divmod(index, 26)
    return (_letter(rest - 1) if rest else "") + ascii_uppercase[last]


def _words(answer: Answer, numbers: Mapping[str, str]) -> str:
    note = note_of(answer)
    words = _WORDS[answer.outcome]
    if answer.outcome == Status.WITHIN_TOLERANCE:
        return f"{words} to {error_number(answer.worst_error)} ({answer.worst_layer})"
    return f"{words} [{numbers[note]}]" if note else words


def note_of(answer: Answer) -> str:
    """What a cell says beyond its verdict; equal faults have equal notes, so that a large table has few of them."""
    if answer.outcome == Status.DIVERGED and answer.faults:
        return "; ".join(_fault(fault) for fault in answer.faults[:3])
    if answer.outcome == Status.DIVERGED:
        return answer.message or f"from {answer.first_divergence} on, but no layer could be blamed"
    return "" if answer.same else " ".join(answer.message.split())[:_MESSAGE]


def _fault(fault: FaultSummary) -> str:
    known = f", known as {fault['known_issue']}" if fault["known_issue"] else ""
    fixed = f", fixed in {fault['fixed_in']}" if fault["fixed_in"] else ""
    side = "" if fault["side"] == Side.UNKNOWN else f", the {fault['side']} is wrong"
    return f"{fault['layer']} ({fault['class_name']}): {fault['cause']}{side}{known}{fixed}"


# ---------------------------------------------------------------------- text


def render_matrix(answers: Sequence[Answer], *, results: str = "", color: bool = False, width: int = 100) -> str:
    """The table for a terminal."""
    del width  # columns are as narrow as they can be: letters, explained above
    return paint(_lines(table(answers), results), color=color)


def _lines(found: Table, results: str) -> Iterator[Line]:
    tone = {"P": Tone.GOOD, "D": Tone.BAD}.get(found.headline[0], Tone.WARN)
    yield line(found.headline, tone)
    yield BLANK
    for letter, question in found.columns:
        yield line(f"  {letter:<3} {question}")
    yield BLANK
    yield from _rows(found)
    yield BLANK
    for number, note in found.notes:
        yield line(f"  [{number}] {note}")
    yield from _inputs(found.inputs)
    if results:
        yield line(f"Answers are kept in {results}: a second run does only what is missing.", Tone.DIM)


def _rows(found: Table) -> Iterator[Line]:
    """The titles of the columns, then an environment a line."""
    corner, letters = "Keras+backend", tuple(letter for letter, _ in found.columns)
    first = max(len(corner), *(len(row) for row, _ in found.rows))
    widths = [max(map(len, column)) for column in zip(letters, *(cells for _, cells in found.rows), strict=True)]
    titles = "  ".join(f"{letter:<{size}}" for letter, size in zip(letters, widths, strict=True))
    yield line(f"  {corner:<{first}}  {titles}", Tone.DIM)
    for row, cells in found.rows:
        spans = [Span(f"  {row:<{first}}")]
        for cell, size in zip(cells, widths, strict=True):
            spans += [Span("  "), Span(f"{cell:<{size}}", _TONES.get(cell.partition(" ")[0], Tone.WARN))]
        yield tuple(spans)


def _inputs(fed: Sequence[str]) -> Iterator[Line]:
    yield from (line(f"  {told}", Tone.DIM) for told in input_lines(fed))


def input_lines(fed: Sequence[str]) -> Iterator[str]:
    """What the models were fed, a line each; most tables have one, and the JSON has all."""
    yield from (f"inputs: {told}" for told in fed[:_FED])
    if len(fed) > _FED:
        yield f"… and {counted(len(fed) - _FED, 'other input')}; --json tells all"


# ---------------------------------------------------------------------- Markdown, JSON


def matrix_to_markdown(answers: Sequence[Answer]) -> str:
    """The table for a page of documentation."""
    found = table(answers)
    short = len(found.columns) == 1
    lines = [f"**{_escaped(found.headline)}**", ""]
    lines += [] if short else [*(f"* {letter}: `{question}`" for letter, question in found.columns), ""]
    titles = [f"`{found.columns[0][1]}`"] if short else [letter for letter, _ in found.columns]
    lines += [f"| Keras+backend | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    lines += [f"| {row} | {' | '.join(_escaped(cell) for cell in cells)} |" for row, cells in found.rows]
    lines += [f"\n[{number}] {_escaped(note)}" for number, note in found.notes]
    lines += [f"\n{_escaped(told)}" for told in input_lines(found.inputs)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    for character in "\\|<>*_`":
        text = text.replace(character, f"\\{character}")
    return text


def cell_class(words: str) -> str:
    """How a cell of the page is coloured; its words say the same."""
    return {"same": "good", "DIVERGED": "bad", "": ""}.get(words.partition(" ")[0], "warn")


def matrix_to_json(answers: Sequence[Answer]) -> str:
    """Every cell with its answer, as JSON that ends in a newline."""
    body = {
        "schema": SCHEMA,
        "status": str(ending_of(answers).status),
        "matches": ending_of(answers) == 0,
        "counts": Counter(answer.outcome for answer in answers),
        "cells": [_flat(answer) for answer in answers],
    }
    return json.dumps(body, indent=2, allow_nan=False) + "\n"


def _flat(answer: Answer) -> JsonObject:
    """The question's few words beside the answer, so that a reader needs no nesting."""
    data = answer.to_dict()
    cell = data.pop("cell")
    named = {
        name: cell[name] for name in ("kind", "model", "release", "backend", "format", "baseline", "golden", "command")
    }
    return {**named, **data, "cell": cell}
