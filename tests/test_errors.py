"""What an error says may hold anything that a file holds, and is shown on terminals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.errors import ModelError, TracerError, WorkerError
from tracer.store.fixtures import read_golden
from tracer.store.reports import read_report, read_reports


@pytest.mark.parametrize("kind", [TracerError, ModelError, WorkerError])
def test_what_a_message_holds_moves_no_cursor(kind: type[TracerError]) -> None:
    said = str(kind("layer \x1b[2J\x07 and \x9b2J, \ud800, \r\tgröße\nlast words"))
    assert said == "layer \\x1b[2J\\x07 and \\x9b2J, \\ud800, \\r\\tgröße\nlast words"


@pytest.mark.parametrize("read", [read_report, read_reports, read_golden])
def test_the_name_of_a_file_begins_no_line_of_its_own(read: Callable[[str], object], tmp_path: Path) -> None:
    """A pattern of the shell may name a stranger's files."""
    for path in (tmp_path / "none\nPASS: all is well", tmp_path / "there\nPASS: all is well"):
        if path.name.startswith("there"):
            path.write_text("no such thing")
        with pytest.raises(TracerError, match=r"\\nPASS: all is well") as raised:
            read(str(path))
        assert "\n" not in str(raised.value)


def test_what_can_be_printed_is_as_it_was() -> None:
    assert str(TracerError("größer, 数 'x' \\n")) == "größer, 数 'x' \\n"
    assert str(TracerError()) == "" and TracerError("a\x1b").args == ("a\x1b",)
