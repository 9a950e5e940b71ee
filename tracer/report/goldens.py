"""Goldens for reading: what a fixture holds, what a check of several found, metrics and a plot of the error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from tracer.core.numbers.tolerance import share_of_tolerance
from tracer.core.outcomes import Outcomes
from tracer.errors import FixtureError, TracerError, printable
from tracer.records import Inputs, JsonObject, LayerReport, Report, Status
from tracer.report.json import worst_status
from tracer.report.phrases import status_tone, status_words
from tracer.report.style import BLANK, MIN_WIDTH, Line, Tone, counted, labelled, line, paint
from tracer.report.table import aligned
from tracer.report.text import render

if TYPE_CHECKING:  # it needs NumPy, which reading a saved report doesn't
    from tracer.core.golden.golden import Golden, GoldenSite

_TITLES = ("model", "verdict", "faults", "worst layer, in tolerances", "first divergence")
_SITE_TITLES = ("layer", "class", "shape", "rms", "noise floor", "tolerance")
_FED = 4  # different inputs that are told
_NAMED = 3  # layers that differ by themselves in a witness, largest first
_SHOWN = 24  # layer outputs in a table that isn't unfolded
_WIDTH, _HEIGHT, _MARGIN = 900, 260, 50  # pixels of a plot
_DECADES = (-3, 3)  # of the error in units of the tolerance, on its vertical axis


# --- what a check of several found


def render_checked(
    reports: Mapping[str, Report | TracerError],
    *,
    goldens: str = "",
    show_all: bool = False,
    color: bool = False,
    width: int = 100,
    saved_as: str | None = None,
) -> str:
    """One report, or a table with a row a model and the reports of those that didn't pass.

    Args:
        reports: by model; what failed, as its error.
        goldens: which ones were checked against; a single report says it by itself.
        show_all: show every layer and fault, and the reports of those that passed.
        color: with ANSI colours.
        width: columns.
        saved_as: the JSON file that was written.
    """
    if len(reports) == 1:
        (report,) = reports.values()
        if isinstance(report, Report):
            return render(report, show_all=show_all, color=color, width=width, saved_as=saved_as)
    text = paint(_table(reports, goldens), color=color)
    for name, report in reports.items():
        if isinstance(report, Report) and (show_all or not report.matches):
            told = render(report, show_all=show_all, color=color, width=width, saved_as=saved_as)
            text += f"\n== {name} ".ljust(max(width, MIN_WIDTH), "=") + f"\n{told}"
    return text


def _table(reports: Mapping[str, Report | TracerError], goldens: str) -> Iterator[Line]:
    yield _verdict_line(reports)
    if goldens:
        yield line(f"goldens: {goldens}", Tone.DIM)
    yield from _fed_lines([report.inputs for report in reports.values() if isinstance(report, Report)])
    yield BLANK
    titles, *rows = aligned([_TITLES, *(_row(name, report) for name, report in reports.items())])
    yield line(titles, Tone.DIM)
    yield from map(line, rows)
    if isinstance(reports, Outcomes) and reports.seconds:
        yield from (BLANK, *labelled("took", f"{reports.seconds:.1f} s in all", 100))
    for name, report in reports.items():
        if not isinstance(report, Report):
            yield BLANK
            yield from labelled(name, f"failed: {report}", 100)


def _verdict_line(reports: Mapping[str, Report | TracerError]) -> Line:
    total = counted(len(reports), "model")
    worst = worst_status(reports)
    verdict = {Status.DIVERGED: "DIVERGED", Status.INCONCLUSIVE: "INCONCLUSIVE"}.get(worst)
    if verdict is None:
        return line(f"PASS in {total}", status_tone(worst))
    bad = [name for name, report in reports.items() if not (isinstance(report, Report) and report.matches)]
    return line(f"{verdict} in {len(bad)} of {total}: {', '.join(bad)}", status_tone(worst))


def _fed_lines(inputs: Sequence[Inputs | None]) -> Iterator[Line]:
    fed = list(dict.fromkeys(_fed(each) for each in inputs if each is not None))
    if fed:
        more = f" and {len(fed) - _FED} more" if len(fed) > _FED else ""
        yield line(f"inputs: as they were recorded ({'; '.join(fed[:_FED])}{more})", Tone.DIM)


def _fed(inputs: Inputs) -> str:
    return f"{inputs.source or 'given as arrays'}: {counted(inputs.samples, 'sample')}"


def _row(name: str, report: Report | TracerError) -> tuple[str, ...]:
    if not isinstance(report, Report):
        return name, "FAILED", "-", "-", "-"
    layer, share = worst_share(report)
    return (
        name,
        status_words(report.status),
        str(len(report.faults)),
        f"{share:.3g} ({layer})",
        report.first_divergence or "-",
    )


def share_of(layer: LayerReport) -> float:
    """The error of a layer's output in units of its tolerance."""
    return share_of_tolerance(layer.rel_error, layer.tolerance)


def worst_share(report: Report) -> tuple[str, float]:
    """The layer whose error is largest, in units of its tolerance."""
    worst = max(report.layers, key=share_of)
    return worst.layer, share_of(worst)


# --- for DVC: numbers and a picture


def metrics(reports: Mapping[str, Report | TracerError]) -> str:
    """The worst layer of each model as JSON, in units of the tolerance: in others `dvc metrics` would print 0.0."""
    found = {name: _metrics_of(report) for name, report in reports.items() if isinstance(report, Report)}
    body = next(iter(found.values())) if len(found) == 1 else found
    return json.dumps(body, indent=2) + "\n"


def _metrics_of(report: Report) -> JsonObject:
    layer, share = worst_share(report)
    return {
        "status": str(report.status),
        "worst_layer": layer,
        "faults": len(report.faults),
        "worst_error_in_tolerances": round(share, 4) if math.isfinite(share) else None,
        "first_divergence": report.first_divergence or "",
        "compared": report.compared,
    }


def depth_plot(reports: Mapping[str, Report | TracerError]) -> str:
    """The error along depth, in units of the tolerance, as an SVG that needs nothing else; one panel a model."""
    panels = [(name, r) for name, r in reports.items() if isinstance(r, Report) and r.layers]
    height = _HEIGHT * max(len(panels), 1)
    body = "".join(_panel(name, report, number * _HEIGHT) for number, (name, report) in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
    )


def _panel(name: str, report: Report, top: int) -> str:
    points = [(i, share_of(layer), layer.layer) for i, layer in enumerate(report.layers)]
    layer, share = worst_share(report)
    title = f"{name}: error along depth, in units of the tolerance; worst {share:.3g} at {layer}"
    ticks = "".join(
        f'<line x1="{_MARGIN}" x2="{_WIDTH - 10}" y1="{_y(10.0**d, top):.1f}" y2="{_y(10.0**d, top):.1f}" '
        f'stroke="{"#c00" if d == 0 else "#ddd"}"/>'
        f'<text x="{_MARGIN - 6}" y="{_y(10.0**d, top) + 4:.1f}" text-anchor="end">{10.0**d:g}</text>'
        for d in range(_DECADES[0], _DECADES[1] + 1)
    )
    width = (_WIDTH - 10 - _MARGIN) / max(len(points), 1)
    dots = "".join(
        f'<circle cx="{_MARGIN + (i + 0.5) * width:.1f}" cy="{_y(value, top):.1f}" r="2" '
        f'fill="{"#c00" if value > 1 else "#06c"}"><title>{escape(path)}: {value:.3g}</title></circle>'
        for i, value, path in points
    )
    return f'<text x="{_MARGIN}" y="{top + 18}" font-weight="bold">{escape(title)}</text>{ticks}{dots}'


def _y(value: float, top: int) -> float:
    low, high = _DECADES
    exponent = min(max(math.log10(value), low), high) if value > 0.0 else low
    return top + 30 + (_HEIGHT - 50) * (high - exponent) / (high - low)


# --- what was recorded


def recorded_to_json(entries: Sequence[JsonObject]) -> str:
    """What `tracer record` did, model by model, as JSON that ends in a newline."""
    return json.dumps({"schema": 1, "recorded": list(entries)}, indent=2) + "\n"


def witness_words(golden: Golden) -> Iterator[str]:
    """How far each witness agreed, and which layers differ by themselves where it wasn't bit for bit or nearly so."""
    for number, witness in enumerate(golden.provenance.get("witnesses", ())):
        where = f" ({witness['layer']})" if witness["layer"] else ""
        how = f"to {witness['worst']:.1e}{where}" if witness["worst"] else "bit for bit"
        agreed = f"{_words(witness['environment'])}: agrees in float64 {how}"
        local = sorted(golden.local_errors(number).items(), key=lambda pair: -pair[1])
        if local:
            named = ", ".join(f"{path} {error:.1e}" for path, error in local[:_NAMED])
            more = ", …" if len(local) > _NAMED else ""
            agreed += f"; {counted(len(local), 'layer output')} differ by themselves beyond 1e-10: {named}{more}"
        yield agreed


def golden_to_json(golden: Golden) -> str:
    """A golden as JSON, without its sketches."""
    body = {"provenance": dict(golden.provenance), "layers": [_plain(golden, site) for site in golden.sites]}
    return json.dumps({"schema": 1, **body}, indent=2) + "\n"


def _plain(golden: Golden, site: GoldenSite) -> JsonObject:
    truth = site.truth
    return {
        "layer": site.path,
        "class_name": site.class_name,
        "shape": list(truth.shape),
        "dtype": truth.dtype,
        "mean": truth.mean,
        "rms": truth.rms,
        "min": truth.minimum,
        "max": truth.maximum,
        "nonfinite": truth.nonfinite,
        "floor": site.floor,
        "tolerance": golden.tolerance(site),
        "digest": truth.digest,
        "local_errors": list(site.locals),
    }


def render_golden(
    golden: Golden,
    path: str,
    *,
    layer: str | None = None,
    show_all: bool = False,
    color: bool = False,
    width: int = 100,
) -> str:
    """What a fixture holds; with a layer, every number of it.

    Raises:
        FixtureError: if the golden has no such layer.
    """
    if layer is None:
        return paint(_golden_lines(golden, path, show_all, width), color=color)
    site = next((site for site in golden.sites if site.path == layer), None)
    if site is None:
        near = [s.path for s in golden.sites if layer in s.path][:5]
        hint = f" Did you mean {', '.join(near)}?" if near else f" The first is {golden.sites[0].path}."
        raise FixtureError(f"{path}: holds no layer {layer!r}.{hint}")
    return paint(_site_lines(golden, site, width), color=color)


def _golden_lines(golden: Golden, path: str, show_all: bool, width: int) -> Iterator[Line]:
    yield line(f"golden of {golden.name}: {counted(len(golden.sites), 'layer output')} in {path}", Tone.STRONG)
    yield BLANK
    yield from _provenance_lines(golden, width)
    yield BLANK
    shown = golden.sites if show_all else golden.sites[:_SHOWN]
    yield from map(line, aligned([_SITE_TITLES, *(_site_row(golden, site) for site in shown)]))
    if len(shown) < len(golden.sites):
        yield line(f"  … {len(golden.sites) - len(shown)} more (--all unfolds)", Tone.DIM)


def _provenance_lines(golden: Golden, width: int) -> Iterator[Line]:
    for label, text in _provenance_words(golden):
        yield from labelled(label, printable(text), width)  # a value with a line break in it must not begin a line


def _provenance_words(golden: Golden) -> Iterator[tuple[str, str]]:
    """A label and what it labels."""
    told = golden.provenance
    yield "model", ", ".join(f"{key} {value}" for key, value in told.get("model", {}).items() if value is not None)
    yield "truth", f"{told.get('truth', '?')}, {_words(told.get('environment', {}))}"
    for agreed in witness_words(golden):
        yield "witness", agreed
    if not told.get("witnesses"):
        yield "witness", "none was asked"
    yield "recorded by", str(told.get("tool", "?"))
    yield "digests", f"weights {told.get('weights', '?')}, inputs {told.get('inputs', '?')}"


def _site_row(golden: Golden, site: GoldenSite) -> tuple[str, ...]:
    shape = "×".join(map(str, site.truth.shape))
    numbers = f"{site.truth.rms:.3g}", f"{site.floor:.1e}", f"{golden.tolerance(site):.1e}"
    return site.path, site.class_name, shape, *numbers


def _site_lines(golden: Golden, site: GoldenSite, width: int) -> Iterator[Line]:
    truth = site.truth
    yield line(f"{site.path} ({site.class_name})", Tone.STRONG)
    yield from labelled("shape", f"{truth.shape}, {truth.dtype}", width)
    yield from labelled("inputs", ", ".join(site.wiring or ("not known",)), width)
    for name, value in (("mean", truth.mean), ("rms", truth.rms), ("min", truth.minimum), ("max", truth.maximum)):
        yield from labelled(name, f"{value:.17g}", width)
    yield from labelled("noise floor", ", ".join(f"{floor:.2e}" for floor in site.floors) or "not known", width)
    yield from labelled("tolerance", f"{golden.tolerance(site):.2e}", width)
    yield from _local_error_lines(golden, site, width)
    yield from labelled("digest", truth.digest or "none", width)
    yield from labelled("samples", ", ".join(f"{value:.6g}" for value in truth.samples), width)
    yield from labelled("means", ", ".join(f"{value:.4g}" for value in truth.means), width)


def _local_error_lines(golden: Golden, site: GoldenSite, width: int) -> Iterator[Line]:
    for witness, error in zip(golden.provenance.get("witnesses", ()), site.locals, strict=False):
        told = f"{error:.2e}" if error else "1e-10 at most"
        words = f"{told} in float64, of this layer alone, {_words(witness['environment'])}"
        yield from labelled("local error", printable(words), width)


def _words(environment: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in environment.items())
