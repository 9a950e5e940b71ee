"""Foreign names in Markdown: code spans and escapes that nothing in them can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~$&])")
_ISSUE: Final = re.compile(r"keras#(\d+)(?:/[\w-]+)?")
_COMMIT: Final = re.compile(r"keras@([0-9a-f]{7,40})")
_KERAS: Final = "https://github.com/keras-team/keras"


def plain(text: str) -> str:
    """The text as it is, in one line: nothing in it is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", _one_line(text))


def code(text: str) -> str:
    """A code span, also in the cell of a table; fenced by more backticks than the text has in a row."""
    told = _one_line(text).strip().replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", told)), default=0) + 1)
    space = " " if told.startswith("`") or told.endswith("`") else ""
    return f"{fence}{space}{told}{space}{fence}" if told else ""


def sentence(text: str, names: Iterable[str]) -> str:
    """Words in which the names are code spans: GitHub would make a link to an issue of `block/dense#1`."""
    known = sorted({name for name in names if name}, key=len, reverse=True)
    if not known:
        return plain(text)
    parts = re.split(rf"(?<![\w/#])({'|'.join(map(re.escape, known))})(?![\w/#])", text)
    return "".join(code(part) if part in known else plain(part) for part in parts)


def prose(text: str) -> str:
    """Words of ours about foreign names: what stands between backticks is a code span, and nothing else is Markdown."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(code(part) if number % 2 else plain(part) for number, part in enumerate(parts))


def issue_url(known_issue: str | None) -> str | None:
    """Where a known issue is told: `keras#20147` is a thread of Keras' repository, `keras@7dae3e9` a commit."""
    if known_issue is None:
        return None
    if found := _ISSUE.fullmatch(known_issue):
        return f"{_KERAS}/issues/{found[1]}"
    found = _COMMIT.fullmatch(known_issue)
    return f"{_KERAS}/commit/{found[1]}" if found else None


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are Markdown already."""
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
