"""`tracer.store.cells`: what was answered is found again; what is damaged is asked again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tracer.core.matrix.cells import Answer, Cell, CellTemplate, key
from tracer.errors import TracerError
from tracer.store.cells import digest, read, write

CELL = Cell(model="m.keras", release="3.4.1", backend="tensorflow", question=CellTemplate(formats=("h5",)))
ANSWER = Answer(cell=CELL, outcome="pass", compared=3)


def test_what_was_written_is_found(tmp_path: Path) -> None:
    assert read(tmp_path / "new", CELL) is None
    write(tmp_path / "new", ANSWER)
    assert read(tmp_path / "new", CELL) == ANSWER
    assert read(tmp_path / "new", replace(CELL, question=replace(CELL.question, seed=1))) is None
    assert [file.name for file in (tmp_path / "new").iterdir()] == [f"{key(CELL)}.json"]


def test_a_file_cut_off_anywhere_is_no_answer(tmp_path: Path) -> None:
    write(tmp_path, ANSWER)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for size in range(0, len(whole) - 2, 7):
        file.write_bytes(whole[:size])
        assert read(tmp_path, CELL) is None
    for other in (b"[]", b"null", b'{"cell": 1}', b"\xff", whole.replace(b"m.keras", b"n.keras")):
        file.write_bytes(other)
        assert read(tmp_path, CELL) is None


@pytest.mark.parametrize("text", ["[[[[", "[" * 100_000, "[]", '{"cell": []}', "7", "null"])
def test_what_is_no_answer_is_asked_again(text: str, tmp_path: Path) -> None:
    write(tmp_path, ANSWER)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert read(tmp_path, CELL) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", "no such outcome"),
        ("outcome", []),
        ("faults", [{"layer": "a"}]),
        ("worst_error", "0.1"),
        ("environments", {"candidate": 3}),
        ("inputs", {"origin": "file", "shapes": 3}),
        ("message", None),
        ("cell", {}),
    ],
)
def test_an_answer_of_other_types_is_asked_again(name: str, value: object, tmp_path: Path) -> None:
    """Whoever prints a table of it would stumble over it."""
    write(tmp_path, ANSWER)
    (file,) = tmp_path.iterdir()
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, name: data[name]}))
    assert read(tmp_path, CELL) == ANSWER
    file.write_text(json.dumps({**data, name: value}))
    assert read(tmp_path, CELL) is None


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TracerError, match=r"can.t make the folder .* Give --results"):
        write(tmp_path / "file" / "cells", ANSWER)


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = digest([tmp_path, tmp_path / "missing"])
    assert before == digest([tmp_path, tmp_path / "missing"])
    (tmp_path / "a.py").write_text("2")
    assert digest([tmp_path, tmp_path / "missing"]) != before
