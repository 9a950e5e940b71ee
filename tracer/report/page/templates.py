"""The templates, and the words that they take from the other renderers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracer.errors import TracerError
from tracer.records import Fault, LayerReport, Report, Verdict
from tracer.report import phrases
from tracer.report.forms.markup import issue_url
from tracer.report.forms.several import same_words
from tracer.report.layer import channel_words, finite_words, meaning, named_numbers, worst_words
from tracer.report.matrix import input_lines
from tracer.report.page.blocks import blocks
from tracer.report.page.distribution import distribution_of
from tracer.report.page.small import small_map, small_values
from tracer.report.page.space import map_of, space_of, space_words
from tracer.report.phrases import error_words
from tracer.report.style import percent, plain_number
from tracer.report.table import seconds

if TYPE_CHECKING:
    import jinja2

# The same shapes as in the chart: a verdict never is a colour alone.
_GLYPHS: Final = MappingProxyType(
    {
        Verdict.IDENTICAL: "●",
        Verdict.CLOSE: "●",
        Verdict.INHERITED: "■",
        Verdict.INTRODUCED: "▲",
        Verdict.MASKED: "◆",
        Verdict.NONDETERMINISTIC: "✚",
        Verdict.INCOMPARABLE: "▼",
    }
)


def render(name: str, **values: object) -> str:
    """A template as text that ends in a newline; every value in it is escaped.

    Raises:
        TracerError: if jinja2 isn't installed.
    """
    return _environment().get_template(name).render(**values) + "\n"


def _environment() -> jinja2.Environment:
    try:
        import jinja2
    except ImportError as error:
        raise TracerError("HTML needs jinja2: pip install 'keras-layer-tracer[html]'.") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update({word.__name__: word for word in _words()}, CODE=phrases.CODE)
    return environment


def _words() -> tuple[Callable[..., object], ...]:
    """What templates may call."""
    return (
        blocks,
        phrases.cause_meaning,
        phrases.fixed_words,
        phrases.headline,
        phrases.headline_detail,
        phrases.inputs_words,
        phrases.predictions_words,
        phrases.proof_lines,
        phrases.proof_verdict,
        phrases.side_words,
        phrases.status_words,
        phrases.verdict_counts,
        distribution_of,
        environments,
        error_of,
        faulty,
        glyph,
        input_lines,
        issue_url,
        map_of,
        meaning,
        number,
        numbers,
        percent,
        pieces,
        same_words,
        seconds,
        small_map,
        small_values,
        space_of,
        space_words,
        verdicts,
    )


def check_pages() -> None:
    """Does nothing where pages can be written.

    Raises:
        TracerError: if jinja2 or vl-convert-python isn't installed.
    """
    for module, name in (("jinja2", "jinja2"), ("vl_convert", "vl-convert-python")):
        if find_spec(module) is None:
            raise TracerError(f"a page needs {name}: pip install 'keras-layer-tracer[html]'.")


def number(value: float | None) -> str:
    """A relative error with three digits, so that a table sorts as it should."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.2e}" if math.isfinite(value) else "inf"


def glyph(verdict: Verdict) -> str:
    """The shape that a verdict has in the chart."""
    return _GLYPHS[verdict]


def verdicts(report: Report) -> Sequence[Verdict]:
    """Those that the report has, in the order of `Verdict`."""
    there = {layer.verdict for layer in report.layers}
    return [verdict for verdict in Verdict if verdict in there]


def pieces(text: str) -> Sequence[tuple[bool, str]]:
    """Words of ours in pieces, and whether each is code: what stands between backticks."""
    return [(bool(number % 2), piece) for number, piece in enumerate(re.split(r"`([^`]+)`", text)) if piece]


def faulty(report: Report) -> frozenset[str]:
    """Layer paths of the faults."""
    return frozenset(fault.layer for fault in report.faults)


def error_of(report: Report, fault: Fault) -> str:
    """How far the layer of a fault is off, beside what is allowed; "" where that wasn't measured."""
    return next((error_words(layer) for layer in report.layers if layer.layer == fault.layer), "")


def environments(report: Report) -> Iterator[tuple[str, str, str]]:
    """What ran on the reference's and on the candidate's side, by name."""
    here, there = (report.environments.get(side, {}) for side in ("reference", "candidate"))
    for name in dict.fromkeys((*here, *there)):
        yield name, here.get(name, ""), there.get(name, "")


def numbers(layer: LayerReport) -> Iterator[tuple[str, str]]:
    """Whatever else the report knows of a layer: name and value."""
    yield "output", f"{'×'.join(map(str, layer.shape)) or 'a single value'} {layer.dtype}".rstrip()
    if layer.note:
        yield "note", layer.note
    if layer.verdict is Verdict.IDENTICAL:
        return
    yield "max abs", f"{plain_number(layer.max_abs)}{worst_words(layer)}"
    yield from named_numbers(layer)
    if layer.sample_error is not None:
        yield "worst sample", f"{layer.worst_sample}: {number(layer.sample_error)}"
    if layer.nonfinite_reference or layer.nonfinite_candidate:
        yield "not finite", finite_words(layer)
    if layer.channels:
        yield "channels", channel_words(layer)
