"""`tracer.workflows.doctor`: what is installed, what works, and what is known to be wrong with it."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import pytest

from tracer.core.diagnosis import known_issues
from tracer.errors import WorkerError
from tracer.records import Report, Status
from tracer.report import render_checks
from tracer.workflows.doctor import doctor
from tracer.workflows.tracing import roundtrip as round_trips


def found(status: Status = Status.PASS) -> Report:
    return Report(status=status, compared=1, coverage=1.0, first_divergence=None, faults=(), layers=())


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The round trip takes a process, and seconds: what it returns, or raises, is the first of the list."""
    ends: list[Any] = [found()]

    def roundtrip(model: str, *, format: str) -> Report:
        assert (model, format) == ("tracer.zoo:tiny_functional", "keras")
        if isinstance(ends[0], Exception):
            raise ends[0]
        return ends[0]  # type: ignore[no-any-return]

    monkeypatch.setattr(round_trips, "roundtrip", roundtrip)
    return ends


def lines(status: str | None = None) -> dict[str, str]:
    """What was found, by name."""
    return {what: detail for kind, what, detail in doctor().lines if status in (None, kind)}


def test_versions_are_those_that_run_here(works: list[Any]) -> None:
    told = lines("ok")
    assert told["Keras"] == keras.__version__
    backend = keras.backend.backend()
    assert told["backend"] == f"{backend} {version(backend)}"
    assert told["round trip"] == "a tiny model, saved and loaded in a fresh process: pass"
    assert told["pytest"] == version("pytest")
    assert doctor().ok


def test_a_round_trip_that_does_not_come_out_well_is_bad(works: list[Any]) -> None:
    for works[0] in (found(Status.DIVERGED), found(Status.INCONCLUSIVE), WorkerError("no process can be started.")):
        checked = doctor()
        assert not checked.ok
        (bad,) = [line for line in checked.lines if line[0] == "bad"]
        assert bad[1] == "round trip"
    assert bad[2] == "no process can be started."
    text = render_checks(checked.lines, ok=checked.ok)
    assert text.startswith("TROUBLE: 1 ") and "no process can be started." in text


def test_every_known_defect_of_the_installed_keras_is_a_warning(works: list[Any]) -> None:
    exposed = known_issues.exposure(keras.__version__, keras.backend.backend())
    assert set(known_issues.exposure(keras.__version__)) > set(exposed)  # what only other backends have isn't said
    told = lines("warn")
    assert {issue.thread for issue in exposed} <= set(told)
    for issue in exposed:
        assert issue.title in " ".join(detail for _, what, detail in doctor().lines if what == issue.thread)
    assert render_checks(doctor().lines, ok=True).startswith("OK: tracer works here, ")


def test_goldens_are_counted_where_they_lie(works: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fixtures").mkdir()
    for name in ("One", "Two"):
        (tmp_path / "fixtures" / f"{name}.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert lines("ok")["goldens"].startswith("2 in ")


def test_a_tool_that_is_not_installed_is_a_warning_that_says_what_it_is_for(
    works: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = importlib.import_module("tracer.workflows.doctor")  # `tracer.workflows.doctor` is the function
    monkeypatch.setattr(module, "_OPTIONAL", (("no-such-tool", "does things; pip install it"),))
    assert lines("warn")["no-such-tool"] == "not installed; does things; pip install it"
    (tmp_path / "no-such-tool").write_text("#!/bin/sh\n")
    (tmp_path / "no-such-tool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert lines("ok")["no-such-tool"] == "found on the path"
