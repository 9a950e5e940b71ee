"""The fuzzer sees what no mutant may do, and a few mutants of every kind do none of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import fuzz
import pytest

from tracer.errors import InputError


def subject(read: Any, name: str = "x", file: str = "x.json", data: bytes = b'{"a": [1, {"b": "c"}]}') -> fuzz.Subject:
    return fuzz.Subject(name, file, data, read)


def refuse(path: Path) -> None:
    raise InputError("no")


def fail(path: Path) -> None:
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda path: None, "read"),
        (refuse, "refused"),
        (fail, "internal error"),
        (lambda path: (path.parent / "executed").write_text(""), "executed"),
        (lambda path: bytearray(b"x" * (3 << 20)), "memory"),
    ],
)
def test_what_becomes_of_a_mutant_is_told(
    read: Any, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if expected == "memory":
        peaks = iter((0, fuzz.MEMORY + 1))
        monkeypatch.setattr(fuzz, "_peak", lambda: next(peaks))
    assert fuzz.outcome(subject(read), tmp_path / "x.json", tmp_path / "executed") == expected


def test_mutants_are_many_and_the_same_for_the_same_number(tmp_path: Path) -> None:
    chosen = subject(refuse)
    made = [fuzz.mutant(chosen, number, tmp_path / "executed") for number in range(200)]
    assert made == [fuzz.mutant(chosen, number, tmp_path / "executed") for number in range(200)]
    assert len(set(made)) > 150 and all(made)
    assert any(b"os" in one and b"system" in one for one in made) and any(b"[[[[" in one for one in made)


def test_a_table_has_a_line_for_each_kind() -> None:
    lines = fuzz.table(Counter({("png", "read"): 3, ("png", "hung"): 1, ("npz", "refused"): 2})).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["png", "3", "0", "0", "0", "0", "1", "0", "0"],
        ["npz", "0", "2", "0", "0", "0", "0", "0", "0"],
    ]


def test_a_few_mutants_of_each_kind_that_tracer_writes_do_no_harm(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    for number in range(150):
        chosen = fuzz.stored()[number % 3]
        path = tmp_path / chosen.file
        path.write_bytes(fuzz.mutant(chosen, number, marker))
        assert fuzz.outcome(chosen, path, marker) in ("read", "refused"), number


@pytest.mark.slow
def test_mutants_of_every_kind_do_no_harm() -> None:
    counts = fuzz.run(0, 220)
    assert sum(counts.values()) == 220 and not any(found in fuzz.BAD for _, found in counts), fuzz.table(counts)
