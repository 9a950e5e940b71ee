"""The templates, and the words that they take from the other renderers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tracer.errors import TracerError
from tracer.records import Cause, Fault, LayerReport, Report, Verdict
from tracer.report import phrases
from tracer.report.forms.markup import issue_url
from tracer.report.forms.several import names_words, same_words
from tracer.report.layer import channel_words, finite_words, meaning, named_numbers, worst_words
from tracer.report.matrix import input_lines
from tracer.report.page.blocks import blocks
from tracer.report.page.distribution import distribution_of
from tracer.report.page.small import are_pictures_made, is_sketched, order_words, small_map, small_values, unpictured
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
# Behind what joins the words of a name, of a path, and of a dotted name; not in `0.485`.
_BREAKS: Final = re.compile(r"(?<=[/_])(?=[^\W_])|(?<=\.)(?=[A-Za-z_])")


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
    environment.filters["soft"] = soft
    environment.globals.update({word.__name__: word for word in _words()}, CODE=phrases.CODE)
    return environment


def _words() -> tuple[Callable[..., object], ...]:
    """What templates may call."""
    return (
        are_pictures_made,
        blocks,
        causes,
        phrases.cause_meaning,
        phrases.evidence_kind,
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
        is_sketched,
        issue_url,
        map_of,
        meaning,
        names_words,
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
        unpictured,
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


def causes(report: Report) -> Sequence[Cause]:
    """Why its layers are at fault, each once."""
    return list(dict.fromkeys(fault.cause for fault in report.faults))


def soft(text: str) -> str:
    """The text, escaped, with places between the words of a name where a line may break; none breaks within a word."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_BREAKS.split(text))


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


def numbers(layer: LayerReport, why: str = "") -> Iterator[tuple[str, str]]:
    """Whatever else the report knows of a layer: name and value.

    Args:
        layer: of the report.
        why: there is no picture of its values; "" where there is one.
    """
    yield "output", f"{'×'.join(map(str, layer.shape)) or 'a single value'} {layer.dtype}".rstrip()
    if layer.note and layer.note not in why:
        yield "note", f"{layer.note}{order_words(layer.note)}"
    if layer.verdict is not Verdict.IDENTICAL:
        yield from _difference(layer, why)


def _difference(layer: LayerReport, why: str) -> Iterator[tuple[str, str]]:
    """What is known of one that isn't the same on both sides."""
    if layer.nonfinite_reference or layer.nonfinite_candidate:
        yield "not finite", finite_words(layer)
    if why:
        yield "picture", why
    if math.isfinite(layer.max_abs):
        yield "max abs", f"{plain_number(layer.max_abs)}{worst_words(layer)}"
    yield from ((label, value) for label, value in named_numbers(layer) if value != "-")
    if layer.sample_error:
        yield "worst sample", f"{layer.worst_sample}: {number(layer.sample_error)}"
    if layer.channels:
        yield "channels", channel_words(layer)
