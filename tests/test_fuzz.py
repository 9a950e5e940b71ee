"""The fuzzer sees what no mutant may do, and some mutants of every kind do none of it."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import fuzz
import fuzz_files
import fuzz_mutants
import h5py
import numpy as np
import pytest
from fuzz_files import Subject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracer.errors import FixtureError, InputError


def subject(read: Any, file: str = "x.json", data: bytes = b'{"a": [1, {"b": "c"}]}') -> Subject:
    return Subject("x", file, data, read, fuzz_mutants.in_json)


def refuse(path: Path) -> None:
    raise InputError("no")


def fail(path: Path) -> None:
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda path: None, "read"),
        (lambda path: "a layer\nand another", "read"),
        (refuse, "refused"),
        (fail, "internal error"),
        (lambda path: (path.parent / "executed").write_text("") and None, "executed"),
        (lambda path: f"layer a\n  {fuzz_mutants.FORGED}\n", "forged"),
        (lambda path: f"  remedy      a\n{'':14}{fuzz_mutants.FORGED}\n", "read"),
        (lambda path: "a\x1b[2Jb", "forged"),
        (lambda path: "a\x9b2Jb", "forged"),
    ],
)
def test_what_becomes_of_a_mutant_is_told(read: Any, expected: str, tmp_path: Path) -> None:
    assert fuzz.outcome(subject(read), tmp_path / "x.json", tmp_path / "executed") == expected
    assert not (tmp_path / "executed").exists()


def test_memory_is_counted_for_each_mutant_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "MEMORY", 64 << 20)

    def greedy(path: Path) -> None:
        bytearray(b"x" * (80 << 20))

    for read, expected in ((greedy, "memory"), (lambda path: None, "read"), (greedy, "memory")):
        assert fuzz.outcome(subject(read), tmp_path / "x.json", tmp_path / "executed") == expected


def test_mutants_are_many_and_the_same_for_the_same_number(tmp_path: Path) -> None:
    data = json.dumps({"a": [1, {"b": "c"}]}).encode()
    made = [fuzz_mutants.mutant(data, fuzz_mutants.in_json, number, tmp_path) for number in range(200)]
    assert made == [fuzz_mutants.mutant(data, fuzz_mutants.in_json, number, tmp_path) for number in range(200)]
    assert len(set(made)) > 150 and all(made)
    assert any(b"os" in one and b"system" in one for one in made) and any(b"[[[[" in one for one in made)


def changed(data: bytes, change: fuzz_mutants.Change, marker: Path) -> list[bytes]:
    return [change(data, random.Random(number), marker) for number in range(150)]


def test_arrays_are_mutants_that_would_run_code_where_they_are_unpickled(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.savez(whole, x=np.ones(3))
    marker = tmp_path / "executed"
    pickled = [data for data in changed(whole.getvalue(), fuzz_mutants.in_npz, marker) if str(marker).encode() in data]
    assert pickled
    with np.load(io.BytesIO(pickled[0]), allow_pickle=True) as arrays:
        arrays["x"]
    assert marker.exists()


def test_hdf5_files_stay_hdf5_and_point_elsewhere(tmp_path: Path) -> None:
    links, configs = 0, set()
    for data in changed(fuzz_files.keras_2_file(), fuzz_mutants.in_hdf5, tmp_path):
        with h5py.File(io.BytesIO(data), "r") as file:
            configs.add(str(file.attrs["model_config"]))
            names = ["model_weights/dense/dense/kernel:0", "model_weights/dense/dense/bias:0"]
            found = [file.get(name, getlink=True) for name in names if "model_weights/dense/dense" in file]
            links += any(isinstance(link, (h5py.ExternalLink, h5py.SoftLink)) for link in found)
    assert links and len(configs) > 30


def test_a_keras_file_gets_other_members(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("config.json", '{"class_name": "x", "config": {}}')
        archive.writestr("model.weights.h5", fuzz_files.keras_2_file())
    outside = 0
    for data in changed(whole.getvalue(), fuzz_mutants.in_keras_file, tmp_path):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {"config.json", "model.weights.h5"} <= set(archive.namelist())
            outside += "/outside" in archive.namelist()
    assert outside


def test_a_golden_s_digest_follows_what_is_changed(tmp_path: Path) -> None:
    """Or every one would be refused for its digest alone."""
    golden, said = fuzz_files.stored()[0], []
    for number in range(40):
        path = tmp_path / golden.file
        path.write_bytes(fuzz_mutants.in_golden(golden.data, random.Random(number), tmp_path))
        try:
            golden.read(path)
            said.append("read")
        except FixtureError as error:
            said.append(str(error))
    assert said.count("read") > 3 and not any("digest that it was written with" in text for text in said)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.integers(0, 2), number=st.integers(0, 1 << 60))
def test_mutants_of_what_tracer_writes_do_no_harm(kind: int, number: int, tmp_path: Path) -> None:
    chosen, marker = fuzz_files.stored()[kind], tmp_path / "executed"
    path = tmp_path / chosen.file
    path.write_bytes(fuzz_mutants.mutant(chosen.data, chosen.change, number, marker))
    assert fuzz.outcome(chosen, path, marker) in ("read", "refused")


def test_every_file_is_read_where_nothing_is_changed(tmp_path: Path) -> None:
    """What is refused whole would be refused for the same reason whatever is changed."""
    for chosen in fuzz_files.subjects():
        folder = tmp_path / chosen.name
        folder.mkdir()
        (folder / chosen.file).write_bytes(chosen.data)
        assert fuzz.outcome(chosen, folder / chosen.file, folder / "executed") == "read", chosen.name


def test_a_table_has_a_line_for_each_kind_and_one_for_all() -> None:
    lines = fuzz.table(Counter({("png", "read"): 3, ("png", "hung"): 1, ("npz", "refused"): 2})).splitlines()
    assert lines[0].count("|") == lines[1].count("|") == 11
    assert lines[2:] == [
        "| png | 3 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |",
        "| npz | 0 | 2 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |",
        "| all | 3 | 2 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |",
    ]


_CHILD = """
import os, sys, tempfile, time
sys.path.insert(0, {tests!r})
import fuzz, fuzz_files
def read(path):
    number = int(path.read_bytes())
    if number == 2: os.abort()
    if number == 3: open(os.path.join(tempfile.gettempdir(), "left"), "w")
    while number == 4: pass
fuzz.subjects = lambda: (fuzz_files.Subject("x", "x.json", b"", read),)
fuzz.mutant = lambda data, change, number, marker: str(number).encode()
fuzz._child(int(sys.argv[3]), int(sys.argv[3]) + int(sys.argv[5]), "")
"""


def test_a_process_that_crashes_hangs_or_leaves_something_is_told_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "child.py"
    script.write_text(_CHILD.format(tests=os.path.dirname(fuzz.__file__)))
    monkeypatch.setattr(fuzz, "__file__", str(script))
    monkeypatch.setattr(fuzz, "SECONDS", 0.5)
    counts = fuzz.run(0, 6)
    assert counts == {("x", "read"): 4, ("x", "crashed"): 1, ("x", "left behind"): 1, ("x", "hung"): 1}


@pytest.mark.slow
def test_mutants_of_every_kind_do_no_harm() -> None:
    counts = fuzz.run(0, 280)
    assert sum(counts.values()) == 280 and not any(found in fuzz.BAD for _, found in counts), fuzz.table(counts)


@pytest.mark.slow
@pytest.mark.nightly
def test_twenty_thousand_mutants_do_no_harm() -> None:
    counts = fuzz.run(0, 20_000)
    print(fuzz.table(counts))
    assert sum(counts.values()) == 20_000 and not any(found in fuzz.BAD for _, found in counts), fuzz.table(counts)


_BUSY = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass\n"
_IN_ANOTHER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize(
    ("script", "seconds", "speaks"),
    [
        (_BUSY.format(2.5) + "print()", 60.0, True),  # slow, on a machine that is: it computes all the time
        (_BUSY.format(30), 0.5, False),
        ("import time; time.sleep(30)", 60.0, False),
    ],
    ids=["slow", "without end", "stuck"],
)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["itself", "what it started"])
def test_a_process_that_is_slow_is_waited_for_and_one_that_is_stuck_is_not(
    script: str, seconds: float, speaks: bool, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", seconds)
    monkeypatch.setattr(fuzz, "_NEVER", 1.5)
    command = [sys.executable, "-c", *([_IN_ANOTHER] if elsewhere else []), script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            assert fuzz._speaks(child, waiting=True) is speaks
        finally:
            os.killpg(child.pid, signal.SIGKILL)
