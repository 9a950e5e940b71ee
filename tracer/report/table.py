"""Tables in plain text: the layers of a report with long runs folded, and one row a format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tracer.errors import TracerError
from tracer.records import LayerReport, Report, Status
from tracer.report import phrases
from tracer.report.style import Line, Span, Tone, beside, counted, error_number, line

_AROUND = 2  # layers shown before and after one that matters
_FOCUSED_FAULTS = 5  # more faults than these would make the table the whole model again
_TITLES = ("layer", "class", "verdict", "rel. error", "local error", "tolerance")
LEGEND = "x: at fault, >: first divergence"
_FORMAT_TITLES = ("format", "verdict", "faults", "first divergence", "worst error", "compared", "seconds")


def layer_table(report: Report, *, show_all: bool, width: int) -> Iterator[Line]:
    """The layers around the faults and the first divergence; every layer where `show_all` is set."""
    layers = report.layers
    shown = set(range(len(layers))) if show_all else _visible(report)
    if not shown:
        return
    # Against a golden no layer is called again, and a column without a number says nothing.
    unasked = () if any(layer.local_error is not None for layer in layers) else (_TITLES.index("local error"),)
    titles = _without(_TITLES, unasked)
    rows = {index: _without(_cells(layers[index]), unasked) for index in sorted(shown)}
    widths = _widths([titles, *rows.values()], width - 3)
    yield line(f"   {_row(titles, widths)}", Tone.DIM)
    position = 0
    for index in sorted(shown):
        yield from _fold(layers[position:index])
        yield from _layer_lines(report, layers[index], rows[index], widths)
        position = index + 1
    yield from _fold(layers[position:])


def _visible(report: Report) -> set[int]:
    """Indices of the rows that a folded table shows."""
    places = {layer.layer: index for index, layer in enumerate(report.layers)}
    shown: set[int] = set()
    for place in (places[path] for path in _in_focus(report) if path in places):
        shown.update(range(max(0, place - _AROUND), min(len(places), place + _AROUND + 1)))
    # A fold takes a line itself: it must hide two layers or more to be worth one.
    beside = shown | {-1, len(report.layers)}  # at an end there is nothing that the fold could hide as well
    lonely = {i for i in range(len(report.layers)) if i not in shown and {i - 1, i + 1} <= beside}
    return shown | lonely if shown else shown


def _in_focus(report: Report) -> Iterator[str]:
    """Layer paths that a folded table is about."""
    yield from (fault.layer for fault in report.faults[:_FOCUSED_FAULTS])
    if report.first_divergence is not None:
        yield report.first_divergence
    worst = phrases.worst_layer(report)
    if report.status is not Status.DIVERGED and worst is not None:
        yield worst.layer


def _cells(layer: LayerReport) -> tuple[str, ...]:
    own, allowed = beside(layer.rel_error if layer.local_error is None else layer.local_error, layer.tolerance)
    errors = (own, "-") if layer.local_error is None else (error_number(layer.rel_error), own)
    return (layer.layer, layer.class_name, str(layer.verdict), *errors, allowed)


def _without(cells: Sequence[str], columns: Sequence[int]) -> tuple[str, ...]:
    return tuple(cell for index, cell in enumerate(cells) if index not in columns)


def _widths(rows: Sequence[Sequence[str]], available: int) -> list[int]:
    """Widths of the columns; the first one gives way, so that the others stay within the terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rest = sum(widths[1:]) + 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(available - rest, len(_TITLES[0])))
    return widths


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _layer_lines(report: Report, layer: LayerReport, cells: Sequence[str], widths: Sequence[int]) -> Iterator[Line]:
    """The row of a layer; a path that is too long gets a line of its own, because paths are there to be copied."""
    path, *others = cells
    mark = _mark(report, layer)
    if len(path) > widths[0]:
        yield (Span(mark, Tone.BAD), Span(path))
        mark, path = "   ", ""
    before = _row((path, others[0]), widths[:2])
    gap = sum(widths[:2]) + 4 - len(before)
    yield (
        Span(mark, Tone.BAD),
        Span(f"{before}{' ' * gap}"),
        Span(f"{others[1]:<{widths[2]}}", phrases.verdict_tone(layer.verdict)),
        Span("  " + _row(others[2:], widths[3:])),
    )
    if layer.note:
        yield line(f"      {layer.note}", Tone.DIM)


def _mark(report: Report, layer: LayerReport) -> str:
    """The gutter, explained by `LEGEND`."""
    fault = any(fault.layer == layer.layer for fault in report.faults)
    return ("x" if fault else " ") + ("> " if layer.layer == report.first_divergence else "  ")


def _fold(hidden: Sequence[LayerReport]) -> Iterator[Line]:
    if not hidden:
        return
    verdicts = Counter(layer.verdict for layer in hidden)
    if len(verdicts) == 1:
        yield line(f"   … {counted(len(hidden), 'layer')} {hidden[0].verdict} …", Tone.DIM)
    else:
        yield line(f"   … {counted(len(hidden), 'layer')}: {phrases.verdict_counts(tuple(hidden))} …", Tone.DIM)


def format_table(reports: Mapping[str, Report | TracerError]) -> Iterator[Line]:
    """One row a format; a format that failed has a row too, and its reason below the table."""
    rows = [_format_cells(name, report) for name, report in reports.items()]
    widths = [max(map(len, column)) for column in zip(_FORMAT_TITLES, *rows, strict=True)]
    yield line(f"  {_row(_FORMAT_TITLES, widths)}", Tone.DIM)
    for row, report in zip(rows, reports.values(), strict=True):
        tone = phrases.status_tone(report.status) if isinstance(report, Report) else Tone.WARN
        yield (
            Span(f"  {row[0]:<{widths[0]}}  "),
            Span(f"{row[1]:<{widths[1]}}", tone),
            Span("  " + _row(row[2:], widths[2:])),
        )


def _format_cells(name: str, report: Report | TracerError) -> tuple[str, ...]:
    if not isinstance(report, Report):
        return (name, "FAILED", "-", "-", "-", "-", "-")
    worst = phrases.worst_layer(report)
    return (
        name,
        phrases.status_words(report.status),
        str(len(report.faults)),
        report.first_divergence or "-",
        error_number(worst.rel_error if worst is not None else 0.0),
        str(report.compared),
        f"{seconds(report):.1f}",
    )


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines, indented, with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return (f"  {_row(row, widths)}" for row in rows)


def seconds(report: Report) -> float:
    """How long the comparison took: its phases added up, unless the total itself was measured."""
    return report.timings.get("total", sum(report.timings.values()))
