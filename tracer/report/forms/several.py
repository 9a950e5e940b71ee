"""Reports of several formats as text: a table, then what needs explaining, and what is the same in several once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from tracer.core.outcomes import Outcomes
from tracer.errors import TracerError
from tracer.records import Fault, Report, Status
from tracer.report import phrases, table
from tracer.report.style import BLANK, MIN_WIDTH, Line, Tone, counted, labelled, line, paint
from tracer.report.text import paragraph, report_lines

_Reports: TypeAlias = Mapping[str, Report | TracerError]
_FORMAT: Final = "format"


def render_table(reports: _Reports, *, noun: str = _FORMAT, color: bool = False) -> str:
    """The verdict over several formats in the first line, then one row a format."""
    return paint(_table_lines(reports, noun), color=color)


def render_reports(
    reports: _Reports,
    *,
    noun: str = _FORMAT,
    show_all: bool = False,
    color: bool = False,
    width: int = 100,
    saved_as: str | None = None,
) -> str:
    """The table of several formats, then the report of each format that needs explaining; of all with `show_all`.

    Formats in which the same layers are at fault, for the same causes, are told of once.

    Args:
        reports: a report, or why there is none, by name.
        noun: what the names are of; only what are formats of one model are told of together.
        show_all: tell each in full.
        color: add ANSI codes.
        width: columns to stay within.
        saved_as: where the reports were saved, for the commands at their ends.
    """
    lines = list(_table_lines(reports, noun))
    columns = max(width, MIN_WIDTH)
    telling = {n: r for n, r in reports.items() if isinstance(r, Report) and (show_all or not r.matches)}
    for group in alike(telling, "" if show_all else noun, same_remedy=False):
        (name, first), *others = group.items()
        lines += [BLANK, line(f"== {name} ".ljust(columns, "="), Tone.DIM), *_shared(name, dict(others), columns)]
        lines += report_lines(first, show_all, columns, saved_as, name, _remedies(first, dict(others)))
    return paint(lines, color=color)


def alike(
    reports: Mapping[str, Report], noun: str = _FORMAT, *, same_remedy: bool = True
) -> Sequence[Mapping[str, Report]]:
    """Reports that blame the same layers for the same causes, and differ in nothing else but numbers, together.

    Args:
        reports: by name.
        noun: what the names are of; reports of anything but formats of one model are never together.
        same_remedy: of those that need another remedy, each stands alone.
    """
    groups: dict[object, dict[str, Report]] = defaultdict(dict)
    for name, report in reports.items():
        remedies = tuple(fault.remedy for fault in report.faults) if same_remedy else ()
        groups[(_describe(report), remedies) if noun == _FORMAT else name][name] = report
    return list(groups.values())


def same_words(name: str, others: Sequence[str]) -> str:
    """Which formats the report of one tells of as well."""
    causes = "the same layers, for the same causes"
    return f"The same in {names_words(others)}: {causes}. Evidence and numbers are those of {name}"


def _describe(report: Report) -> object:
    """What is the same where reports are told of once; a report that blames nobody is told alone."""
    blamed = tuple(_story(fault) for fault in (*report.faults, *report.hidden))
    proofs = tuple(fault.proof is not None and fault.proof.holds for fault in report.faults)
    unmatched = tuple(sorted((side, tuple(paths)) for side, paths in report.unmatched.items()))
    story = (report.status, len(report.faults), blamed, proofs, report.first_divergence, unmatched, tuple(report.notes))
    return story if blamed else id(report)


def _story(fault: Fault) -> object:
    evidence = tuple((each.kind, each.name) for each in fault.evidence)
    known = (fault.known_issue, fault.fixed_in)
    return fault.layer, fault.class_name, fault.side, fault.cause, fault.masked, known, evidence


def _shared(name: str, others: Mapping[str, Report], width: int) -> Iterator[Line]:
    """Which formats the report below tells of as well."""
    if others:
        told = f"{same_words(name, list(others))}; --all tells each in full."
        yield from (*paragraph(told, width, indent=0), BLANK)


def _remedies(first: Report, others: Mapping[str, Report]) -> Sequence[Mapping[str, str]]:
    """Of each fault, remedies of other formats that aren't the first one's, with the names of these formats."""
    found = []
    for number, fault in enumerate(first.faults):
        names: dict[str, list[str]] = defaultdict(list)
        for name, report in others.items():
            remedy = report.faults[number].remedy or "none is known"
            if remedy != fault.remedy:
                names[remedy].append(name)
        found.append({remedy: names_words(of) for remedy, of in names.items()})
    return found


def names_words(names: Sequence[str]) -> str:
    """`h5`, `h5 and clone`, `h5, config and clone`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _table_lines(reports: _Reports, noun: str) -> Iterator[Line]:
    yield _headline(reports, noun)
    yield BLANK
    yield from table.format_table(reports)
    fed = next((r.inputs for r in reports.values() if isinstance(r, Report) and r.inputs is not None), None)
    if fed is not None:
        yield from (BLANK, *labelled("inputs", phrases.inputs_words(fed), 100))
    if isinstance(reports, Outcomes) and reports.seconds:
        yield from (*([] if fed is not None else [BLANK]), *labelled("took", f"{reports.seconds:.1f} s in all", 100))
    for name, report in reports.items():
        if isinstance(report, TracerError):
            yield from (BLANK, *labelled(name, f"failed: {report}", 100))


def _headline(reports: _Reports, noun: str) -> Line:
    """A format that failed shows as little as one whose comparison is inconclusive."""
    named: dict[Status, list[str]] = defaultdict(list)
    for name, report in reports.items():
        named[report.status if isinstance(report, Report) else Status.INCONCLUSIVE].append(name)
    diverged, unknown = named[Status.DIVERGED], named[Status.INCONCLUSIVE]
    total = counted(len(reports), noun)
    if diverged:
        return line(f"DIVERGED in {len(diverged)} of {total}: {', '.join(diverged)}", Tone.BAD)
    if unknown or not reports:
        names = ", ".join(unknown) or "none was tried"
        return line(f"INCONCLUSIVE in {len(unknown)} of {total}: {names}{_first_reason(reports)}", Tone.WARN)
    return line(f"PASS in {total}: {', '.join(reports)}", Tone.GOOD)


def _first_reason(reports: _Reports) -> str:
    """Why the first of them shows nothing; it mostly is the same for all."""
    found = next((report.reason for report in reports.values() if isinstance(report, Report) and report.reason), "")
    return f" ({found})" if found else ""
