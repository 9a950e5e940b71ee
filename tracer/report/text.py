"""Report → text that somebody who never saw one understands: the verdict first, then why, then what to do."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import TypeAlias

from tracer.errors import printable
from tracer.records import Evidence, EvidenceKind, Fault, LayerReport, Proof, Report, Status, Verdict
from tracer.report import phrases, table
from tracer.report.forms.sparkline import sparkline
from tracer.report.style import (
    BLANK,
    LABEL_WIDTH,
    MIN_WIDTH,
    Line,
    Span,
    Tone,
    counted,
    labelled,
    line,
    paint,
    percent,
    wrapped,
)

_NAMES = 8  # names in a list before it is folded
_INNER = 2 + LABEL_WIDTH
_SAVED = "REPORT.json"
_ENDS = " .,;"  # what is left of a sentence whose end was code
# Of each fault, remedies that other formats need, with the names of these formats.
Elsewhere: TypeAlias = Sequence[Mapping[str, str]]


def render(
    report: Report, *, show_all: bool = False, color: bool = False, width: int = 100, saved_as: str | None = None
) -> str:
    """The whole report as text.

    Args:
        report: what to show.
        show_all: unfold every list.
        color: add ANSI codes.
        width: columns to stay within; layer paths and commands are never broken for it.
        saved_as: where the report was saved, for the commands at its end.
    """
    return paint(report_lines(report, show_all, max(width, MIN_WIDTH), saved_as), color=color)


def report_lines(
    report: Report,
    show_all: bool,
    width: int,
    saved_as: str | None,
    format_name: str | None = None,
    elsewhere: Elsewhere = (),
) -> Iterator[Line]:
    """The whole report.

    Args:
        report: what to show.
        show_all: unfold every list.
        width: columns to stay within.
        saved_as: where the report was saved, for the commands at its end.
        format_name: which of several reports it is there, for the same commands.
        elsewhere: of each fault, remedies that other formats need for it.
    """
    yield line(phrases.headline(report), phrases.status_tone(report.status))
    yield BLANK
    yield from _compare(report, width)
    yield from _faults(report, show_all, width, elsewhere)
    yield from _hidden(report, show_all, width)
    yield from _first_divergence(report, width)
    yield from _layers(report, show_all, width)
    yield from _unmatched(report, show_all, width)
    yield from _notes(report, width)
    yield from _next_steps(report, width, saved_as, format_name)


def _compare(report: Report, width: int) -> Iterator[Line]:
    """What was compared, where, and how much of it."""
    for side, spec in report.specs.items():
        yield from labelled(side, spec, width)
    yield from _environments(report, width)
    if report.inputs is not None:
        yield from labelled("inputs", phrases.inputs_words(report.inputs, report.batches), width)
    counts = f": {phrases.verdict_counts(report.layers)}" if report.layers else ""
    outputs = counted(report.compared, "layer output")
    yield from labelled("compared", f"{outputs}, {percent(report.coverage)} of the call sites{counts}", width)
    for words in phrases.predictions_words(report):
        yield from labelled("predictions", words, width)
    yield from _depth(report, width)
    if report.timings:
        yield from labelled("took", f"{table.seconds(report):.1f} s", width)


def _depth(report: Report, width: int) -> Iterator[Line]:
    """The error along depth in a line, and the places at fault below it."""
    drawn = sparkline(report, width - _INNER - 2)
    if drawn is None:
        return
    yield from labelled("by depth", drawn.bars, width)
    if drawn.faults:
        yield line(" " * _INNER + drawn.faults, Tone.BAD)
    yield from labelled("", drawn.legend, width, tone=Tone.DIM)


def _environments(report: Report, width: int) -> Iterator[Line]:
    ran = dict(report.environments)
    if len(ran) > 1 and all(dict(each) == dict(next(iter(ran.values()))) for each in ran.values()):
        ran = {"both sides": list(ran.values())[-1]}  # a golden tells its own in another order
    words = {side: ", ".join(f"{k} {v}" for k, v in env.items()) for side, env in ran.items()}
    for side, environment in words.items():
        yield from labelled("ran with", f"{environment} ({side})", width)


def _faults(report: Report, show_all: bool, width: int, elsewhere: Elsewhere) -> Iterator[Line]:
    full = report.faults if show_all else report.faults[: phrases.FULL_FAULTS]
    layers = {layer.layer: layer for layer in report.layers}
    for number, fault in enumerate(full, 1):
        title, others = f"Fault {number} of {len(report.faults)}", elsewhere[number - 1 : number]
        yield BLANK
        yield from fault_lines(fault, layers.get(fault.layer), title, width, *others)
    yield from _more_faults(report.faults[len(full) :], width)


def _hidden(report: Report, show_all: bool, width: int) -> Iterator[Line]:
    """Layers that aren't the same though these inputs don't show it; all but the first few by name alone."""
    if not report.hidden:
        return
    full = report.hidden if show_all else report.hidden[: phrases.FULL_FAULTS]
    yield BLANK
    yield line("Not the same, though these inputs don't show it", Tone.STRONG)
    for fault in full:
        yield from hidden_lines(fault, width)
    yield from _more_faults(report.hidden[len(full) :], width, "more layer", phrases.hidden_words)


def hidden_lines(fault: Fault, width: int) -> Iterator[Line]:
    """One layer that isn't the same: what of it, and the evidence."""
    yield (Span(f"  {fault.layer}", Tone.BAD), Span(f" ({fault.class_name})", Tone.STRONG))
    yield from labelled("what", phrases.hidden_words(fault), width)
    for evidence in fault.evidence:
        yield from _evidence(evidence, width)


def _more_faults(
    faults: Sequence[Fault], width: int, noun: str = "more fault", why: Callable[[Fault], str] = phrases.cause_words
) -> Iterator[Line]:
    if not faults:
        return
    yield BLANK
    yield line(f"{counted(len(faults), noun)} (--all tells each in full)", Tone.STRONG)
    for cause, group in groupby(sorted(faults, key=why), why):
        members = list(group)
        yield from paragraph(f"{counted(len(members), 'layer')}: {cause}", width)
        yield from paragraph(", ".join(fault.layer for fault in members), width, indent=4)


def fault_lines(
    fault: Fault, layer: LayerReport | None, title: str, width: int, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Line]:
    """One fault: what is wrong, by how much, the evidence, the remedy, other remedies by format, the proof."""
    yield (
        Span(f"{title}: ", Tone.STRONG),
        Span(fault.layer, Tone.BAD),
        Span(f" ({fault.class_name})", Tone.STRONG),
    )
    yield from labelled("what", phrases.cause_words(fault), width)
    if fault.masked:
        yield from labelled("masked", "nothing of it reaches a model output for these inputs", width)
    if layer is not None:
        yield from labelled("rel. error", phrases.error_words(layer), width)
    for evidence in fault.evidence:
        yield from _evidence(evidence, width)
    if fault.known_issue is not None:
        yield from labelled("known as", f"{fault.known_issue}, {phrases.fixed_words(fault)}", width)
    yield from _remedy(fault.remedy or "none is known", width)
    for text, names in elsewhere.items():
        yield from labelled("", f"in {names}:", width, tone=Tone.DIM)
        yield from _remedy(text, width, label="")
    yield from _proof(fault.proof, width)


def _remedy(text: str, width: int, label: str = "remedy") -> Iterator[Line]:
    """The remedy; a command or a piece of code in it has a line of its own, whatever the width, to be copied."""
    for number, (is_code, piece) in enumerate(_with_code_apart(text)):
        if is_code:
            yield line(" " * (_INNER + 2) + piece, Tone.STRONG)
        elif number == 0 or piece.strip(_ENDS):
            yield from labelled(label, piece.strip() if number == 0 else piece.lstrip(_ENDS), width)
            label = ""


def _with_code_apart(text: str) -> Iterator[tuple[bool, str]]:
    """Words, and between them the code that is long; what is between two short pieces of code isn't code."""
    words = ""
    for number, piece in enumerate(text.split("`")):
        if number % 2 and len(piece) >= phrases.CODE:
            yield False, words
            yield True, piece
            words = ""
        else:
            words += f"`{piece}`" if number % 2 else piece
    yield False, words


def _evidence(evidence: Evidence, width: int) -> Iterator[Line]:
    detail = f": {evidence.detail}" if evidence.detail else ""
    yield from labelled(
        "evidence", f"{phrases.evidence_kind(evidence)} {evidence.name}{detail}".rstrip(), width, tone=Tone.STRONG
    )
    values = {"reference": evidence.reference, "candidate": evidence.candidate}
    # What one side lacks is told, except where the evidence is about one side alone.
    if evidence.kind == EvidenceKind.STALE or not any(values.values()):
        values = {side: value for side, value in values.items() if value}
    for side, value in values.items():
        yield from labelled(side, value or "(none)", width, indent=_INNER)


def _proof(proof: Proof | None, width: int) -> Iterator[Line]:
    told = phrases.proof_verdict(proof)
    if proof is None:
        yield from labelled("proof", told, width, tone=Tone.WARN)
        return
    errors = "Relative error of the model outputs:" if proof.holds else "Their relative error:"
    yield from labelled("proof", f"{told}. {errors}", width, tone=Tone.PLAIN if proof.holds else Tone.WARN)
    for value, meaning in phrases.proof_lines(proof):
        yield from labelled(value, meaning, width, indent=_INNER)


def _first_divergence(report: Report, width: int) -> Iterator[Line]:
    if report.first_divergence is None:
        return
    if any(fault.layer == report.first_divergence for fault in report.faults):
        told = "where the sides differ first, in execution order; a fault itself"
    else:
        told = "where the sides differ first, in execution order; not itself at fault"
    yield BLANK
    yield from paragraph(f"First divergence: {report.first_divergence} ({told})", width, indent=0)


def _layers(report: Report, show_all: bool, width: int) -> Iterator[Line]:
    lines = list(table.layer_table(report, show_all=show_all, width=width))
    if not lines:
        return
    yield BLANK
    folds = not show_all and any(spans[0].text.startswith("   …") for spans in lines)
    legend = [table.LEGEND] if report.faults or report.first_divergence else []
    legend += ["--all unfolds"] if folds else []
    told = f" ({'; '.join(legend)})" if legend else ""
    yield line(f"Layers, in execution order{told}", Tone.STRONG)
    yield from lines


def _unmatched(report: Report, show_all: bool, width: int) -> Iterator[Line]:
    sides = {side: paths for side, paths in report.unmatched.items() if paths}
    if not sides:
        return
    yield BLANK
    yield line("Layers without a partner (reported, never compared with another)", Tone.STRONG)
    for side, paths in sides.items():
        named = paths if show_all else paths[:_NAMES]
        more = f" … and {len(paths) - len(named)} more (--all)" if len(named) < len(paths) else ""
        yield from paragraph(f"only in the {side} ({len(paths)}): {', '.join(named)}{more}", width)


def _notes(report: Report, width: int) -> Iterator[Line]:
    if report.notes:
        yield BLANK
        yield line("Notes", Tone.STRONG)
    for note in report.notes:
        yield from paragraph(f"- {note}", width)


def _next_steps(report: Report, width: int, saved_as: str | None, format_name: str | None) -> Iterator[Line]:
    steps = [(step, "") for step in dict.fromkeys(phrases.next_steps(report))]
    steps += _drill_down(report, saved_as, format_name)
    if not steps:
        return
    yield BLANK
    yield line("What to do next", Tone.STRONG)
    for number, (step, command) in enumerate(steps, 1):
        yield from paragraph(f"{number}. {step}", width)
        if command:
            # A line of its own, whatever the width: it is there to be copied.
            yield line(f"       {command}", Tone.STRONG)


def _drill_down(report: Report, saved_as: str | None, format_name: str | None) -> Iterator[tuple[str, str]]:
    layer = _layer_to_look_at(report)
    if report.status is not Status.DIVERGED or not layer:
        return
    command = f"tracer show {shlex.quote(saved_as or _SAVED)} {shlex.quote(layer)}"
    if format_name:
        command += f" --format {shlex.quote(format_name)}"
    saved = "" if saved_as else f"Save this report by adding `--json {_SAVED}` to the command; then every"
    yield f"{saved or 'Every'} number of that layer:", command


def _layer_to_look_at(report: Report) -> str | None:
    blamed = (*report.faults, *report.hidden)
    return blamed[0].layer if blamed else report.first_divergence or _first_incomparable(report)


def _first_incomparable(report: Report) -> str | None:
    """Where to look in a report that blames nothing."""
    return next((layer.layer for layer in report.layers if layer.verdict is Verdict.INCOMPARABLE), None)


def paragraph(text: str, width: int, *, indent: int = 2) -> Iterator[Line]:
    """The text in lines, those after the first indented by two more."""
    # In one: a name with a line break in it must not begin a line, where it could be taken for a verdict.
    for number, piece in enumerate(wrapped(printable(text), width - indent - 2)):
        yield line(" " * (indent if number == 0 else indent + 2) + piece)
