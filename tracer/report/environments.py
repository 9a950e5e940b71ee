"""The environments that were made, as text and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence

from tracer.records import SCHEMA
from tracer.report.style import BLANK, Line, Tone, counted, line, paint

Row = tuple[str, tuple[str, ...], int, float]  # name, requirements, bytes, last use


def render_environments(
    rows: Sequence[Row], told: Mapping[str, Sequence[str]], folder: str, *, color: bool = False, width: int = 100
) -> str:
    """What was removed, then a line an environment: size, last use, what it was made of."""
    del width  # a line isn't broken: names are there to be copied
    return paint(_lines(rows, told, folder), color=color)


def environments_to_json(rows: Sequence[Row], told: Mapping[str, Sequence[str]]) -> str:
    """The same as JSON that ends in a newline."""
    body = [
        {"name": name, "requirements": list(requirements), "bytes": size, "last_use": _when(used)}
        for name, requirements, size, used in rows
    ]
    return json.dumps({"schema": SCHEMA, "environments": body, **told}, indent=2) + "\n"


def _lines(rows: Sequence[Row], told: Mapping[str, Sequence[str]], folder: str) -> Iterator[Line]:
    for name in told["removed"]:
        yield line(f"removed {name}", Tone.GOOD)
    for name in told["in_use"]:
        yield line(f"in use, kept: {name}", Tone.WARN)
    if told["removed"] or told["in_use"]:
        yield BLANK
    yield line(f"{counted(len(rows), 'environment')} in {folder}", Tone.STRONG)
    for _, requirements, size, used in rows:
        yield line(f"  {size / 1e9:5.1f} GB  last used {_when(used)}  {', '.join(requirements)}")
    if rows:
        yield line("Files that uv keeps in its own cache take no room twice on one file system.", Tone.DIM)


def _when(used: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(used))
