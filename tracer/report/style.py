"""The only place that knows how a report looks: tones, ANSI codes, numbers, wrapping, harmless characters."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from tracer.errors import printable
from tracer.records import Scalar

LABEL_WIDTH = 12
MIN_WIDTH = 60


class Tone(Enum):
    """How a piece of text is meant; the value is the ANSI code that shows it where colour is wanted."""

    PLAIN = ""
    STRONG = "1"
    DIM = "2"
    GOOD = "32"
    WARN = "33"
    BAD = "1;31"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]
BLANK: Line = ()


def line(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """A line in a single tone."""
    return (Span(text, tone),)


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as one text that ends in a newline, with ANSI codes only where `color` is set."""
    return "".join(f"{_painted(spans, color)}\n" for spans in lines)


def _painted(spans: Line, color: bool) -> str:
    if not color:
        return "".join(printable(span.text) for span in spans).rstrip()
    parts = []
    for span in spans:
        text = printable(span.text)
        parts.append(f"\x1b[{span.tone.value}m{text}\x1b[0m" if span.tone.value and text.strip() else text)
    return "".join(parts).rstrip()


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`; words, thus layer paths and commands, are never broken."""
    return [
        piece
        for paragraph in text.splitlines() or [""]
        for piece in textwrap.wrap(paragraph, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]
    ]


def labelled(label: str, text: str, width: int, *, indent: int = 2, tone: Tone = Tone.PLAIN) -> Iterator[Line]:
    """A dim label with wrapped text in a column beside it; line breaks stay, what else can't be printed is escaped."""
    margin = indent + LABEL_WIDTH
    told = "\n".join(map(printable, text.split("\n")))
    for number, piece in enumerate(wrapped(told, width - margin)):
        head = f"{' ' * indent}{label:<{LABEL_WIDTH}}" if number == 0 else " " * margin
        yield (Span(head, Tone.DIM), Span(piece, tone))


def error_number(value: float | None) -> str:
    """A relative error with as many digits as mean something."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.1e}" if math.isfinite(value) else "inf"


def beside(value: float | None, bound: float) -> tuple[str, str]:
    """An error and its bound with digits enough to tell them apart: never "2.0e-06, 2.0e-06 allowed"."""
    told = error_number(value), error_number(bound)
    if value is None or value == bound or not (math.isfinite(value) and math.isfinite(bound)):
        return told
    for digits in range(2, 17):
        if told[0] != told[1]:
            break
        told = f"{value:.{digits}e}", f"{bound:.{digits}e}"
    return told


def plain_number(value: float) -> str:
    """A number for reading, not for reckoning."""
    return "-" if math.isnan(value) else f"{value:.6g}"


def cell_value(value: Scalar, *, nonfinite: bool) -> str:
    """One element of an activation; JSON has no NaN, so that a missing value may stand for one."""
    if value is None:
        return "not finite" if nonfinite else "-"
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value)


def percent(share: float) -> str:
    """A share of the whole; nothing short of all of it is ever called 100%."""
    if math.isnan(share):
        return "an unknown share"
    return "100%" if share >= 1 else f"{math.floor(share * 1000) / 10:g}%"


def counted(count: int, noun: str) -> str:
    """`1 layer`, `3 layers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
