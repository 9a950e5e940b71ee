"""A report as Markdown: short enough for a comment, and for the summary of a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tracer.errors import TracerError
from tracer.records import Evidence, Fault, LayerReport, Report, Status, Verdict
from tracer.report import phrases
from tracer.report.forms.markup import code, issue_url, plain, prose, sentence, table
from tracer.report.forms.several import alike, same_words
from tracer.report.json import worst_status
from tracer.report.phrases import error_words
from tracer.report.style import counted, error_number
from tracer.report.table import seconds

_MARKS: Final = MappingProxyType(
    {Status.PASS: "✅", Status.WITHIN_TOLERANCE: "✅", Status.DIVERGED: "❌", Status.INCONCLUSIVE: "⚠️"}
)
_LAYERS = 40  # layers in the folded table; GitHub cuts the summary of a step at 1 MiB
_TITLES = ("layer", "class", "verdict", "rel. error", "local error", "tolerance")


def report_to_markdown(report: Report) -> str:
    """The verdict, both sides, each fault with its evidence, and the layers around them in a folded table."""
    return "\n".join(_report_lines(report, "###")) + "\n"


def outcomes_to_markdown(outcomes: Mapping[str, Report | TracerError], noun: str = "format") -> str:
    """A table with a row for each format or model, then the report of each that needs explaining.

    Args:
        outcomes: a report, or why there is none, by name.
        noun: what the names are of.
    """
    lines = [_outcomes_title(outcomes, noun), ""]
    titles = (noun, "verdict", "faults", "first divergence", "worst error", "compared")
    lines += table(titles, (_outcome_row(name, each) for name, each in outcomes.items()))
    for name, each in outcomes.items():
        if isinstance(each, TracerError):
            lines += ["", f"{code(name)} failed: {plain(str(each))}"]
    telling = {name: each for name, each in outcomes.items() if isinstance(each, Report) and not each.matches}
    lines += [line for group in alike(telling, noun) for line in _group_lines(group)]
    return "\n".join(lines) + "\n"


def _outcomes_title(outcomes: Mapping[str, Report | TracerError], noun: str) -> str:
    """`### ❌ DIVERGED in 2 of 3 formats`."""
    worst = worst_status(outcomes)
    bad = [name for name, each in outcomes.items() if not (isinstance(each, Report) and each.matches)]
    told = f"in {len(bad)} of {counted(len(outcomes), noun)}" if bad else f"in {counted(len(outcomes), noun)}"
    return f"### {_MARKS[worst]} {phrases.status_words(worst)} {told}"


def _group_lines(group: Mapping[str, Report]) -> Iterator[str]:
    """The first of several reports that tell the same, and the names of all."""
    first, *others = group
    yield from ("", f"### {', '.join(map(code, group))}")
    if others:
        yield from ("", f"{plain(same_words(first, others))}.")
    yield from ("", *_report_lines(group[first], "####"))


def _outcome_row(name: str, outcome: Report | TracerError) -> Sequence[str]:
    if not isinstance(outcome, Report):
        return code(name), "⚠️ FAILED", "", "", "", ""
    worst = phrases.worst_layer(outcome)
    return (
        code(name),
        f"{_MARKS[outcome.status]} {phrases.status_words(outcome.status)}",
        ", ".join(code(fault.layer) for fault in outcome.faults[: phrases.FULL_FAULTS]) or "none",
        code(outcome.first_divergence or "") or "none",
        error_number(worst.rel_error if worst is not None else 0.0),
        str(outcome.compared),
    )


def _report_lines(report: Report, heading: str) -> Iterator[str]:
    yield f"{heading} {_MARKS[report.status]} {sentence(phrases.headline(report), _names(report))}"
    yield ""
    yield from _sides(report)
    if report.inputs is not None:
        yield f"\nInputs: {plain(phrases.inputs_words(report.inputs, report.batches))}"
    yield from (f"\nPredictions: {plain(words)}" for words in phrases.predictions_words(report))
    for number, fault in enumerate(report.faults[: phrases.FULL_FAULTS], 1):
        yield from _fault_lines(report, fault, f"Fault {number} of {len(report.faults)}")
    for fault in report.hidden[: phrases.FULL_FAULTS]:
        yield from _fault_lines(report, fault, "Not the same, though these inputs don't show it", hidden=True)
    left = (*report.faults[phrases.FULL_FAULTS :], *report.hidden[phrases.FULL_FAULTS :])
    if left:
        yield f"\n{counted(len(left), 'more layer')}: {', '.join(code(fault.layer) for fault in left)}"
    yield from _unmatched(report)
    yield from _layer_lines(report)
    yield from (f"\n> {prose(note)}" for note in report.notes)


def _names(report: Report) -> Iterator[str]:
    """Layer paths that the headline may name."""
    yield from (fault.layer for fault in (*report.faults, *report.hidden))
    worst = phrases.worst_layer(report)
    yield worst.layer if worst is not None else ""
    yield report.first_divergence or ""


def _sides(report: Report) -> Iterator[str]:
    """Both sides next to each other; what differs between their environments is in bold."""
    here, there = (report.environments.get(side, {}) for side in ("reference", "candidate"))
    rows = [("model", *(plain(report.specs.get(side, "")) for side in ("reference", "candidate")))]
    for name in dict.fromkeys((*here, *there)):
        values = plain(here.get(name, "")), plain(there.get(name, ""))
        rows.append((plain(name), *(f"**{v}**" if v and values[0] != values[1] else v for v in values)))
    yield from table(("", "reference", "candidate"), rows)
    took = f", {seconds(report):.1f} s" if report.timings else ""
    yield f"\n{counted(report.compared, 'layer output')} compared{took}."


def _fault_lines(report: Report, fault: Fault, title: str, *, hidden: bool = False) -> Iterator[str]:
    yield f"\n**{title}: {code(fault.layer)}** ({plain(fault.class_name)})\n"
    yield f"* {plain(phrases.hidden_words(fault) if hidden else phrases.cause_words(fault))}"
    if not hidden:
        yield from _effect(report, fault)
    yield from (f"* {_evidence(evidence)}" for evidence in fault.evidence)
    if fault.known_issue is not None:
        yield f"* known as {_known(fault)}"
    if fault.remedy:
        yield f"* remedy: {prose(fault.remedy)}"
    if not hidden:
        yield f"* proof: {phrases.proof_words(fault.proof)}"


def _effect(report: Report, fault: Fault) -> Iterator[str]:
    """How far the layer is off, and whether that reaches an output."""
    yield from (f"* error: {error_words(layer)}" for layer in report.layers if layer.layer == fault.layer)
    if fault.masked:
        yield "* masked: nothing of it reaches a model output for these inputs"


def _known(fault: Fault) -> str:
    told, url = plain(fault.known_issue or ""), issue_url(fault.known_issue)
    return f"{f'[{told}]({url})' if url else told}, {plain(phrases.fixed_words(fault))}"


def _evidence(evidence: Evidence) -> str:
    sides = " → ".join(code(value) or "(none)" for value in (evidence.reference, evidence.candidate))
    told = f": {sides}" if evidence.reference or evidence.candidate else ""
    detail = f" ({prose(evidence.detail)})" if evidence.detail else ""
    return f"{plain(phrases.evidence_kind(evidence))} {code(evidence.name)}{told}{detail}"


def _unmatched(report: Report) -> Iterator[str]:
    for side, paths in report.unmatched.items():
        if paths:
            more = ", …" if len(paths) > _LAYERS else ""
            yield f"\nOnly in the {side} ({len(paths)}): {', '.join(map(code, paths[:_LAYERS]))}{more}"


def _layer_lines(report: Report) -> Iterator[str]:
    differing = [layer for layer in report.layers if layer.verdict is not Verdict.IDENTICAL]
    if not differing:
        return
    title = f"{counted(len(report.layers), 'layer output')}: {phrases.verdict_counts(report.layers)}"
    yield f"\n<details><summary>{title}</summary>\n"
    yield from table(_TITLES, map(_layer_row, differing[:_LAYERS]))
    if len(differing) > _LAYERS:
        yield f"\n… and {counted(len(differing) - _LAYERS, 'other layer output')} that differ"
    yield "\n</details>"


def _layer_row(layer: LayerReport) -> Sequence[str]:
    numbers = map(error_number, (layer.rel_error, layer.local_error, layer.tolerance))
    return code(layer.layer), plain(layer.class_name), str(layer.verdict), *numbers
