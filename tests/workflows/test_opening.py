"""How models are opened: whatever runs in a process of its own is started before anything is built."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tracer.core.spec import ModelSpec
from tracer.errors import ModelError
from tracer.workflows import diff, opening


class Worker:
    """Notes what is done with it."""

    def __init__(self, spec: ModelSpec, noted: list[str]) -> None:
        self._noted, self.spec = noted, ""
        noted.append(f"start {spec.text}")

    def build(self, target: str, **_: Any) -> None:
        self._noted.append(f"build {target}")


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(opening, "open_worker", lambda spec, *_: Worker(spec, found))
    return found


def test_a_worker_is_started_at_once_and_builds_when_it_is_asked_to(noted: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        build = opening.start_source("MobileNet@3.4.1", opening.Way(stack))
        assert noted == ["start MobileNet@3.4.1"]
        assert build().spec == "MobileNet@3.4.1"
    assert noted[1:] == ["build MobileNet"]


def test_opening_is_both(noted: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        assert opening.open_source("MobileNet@3.4.1", opening.Way(stack)).spec == "MobileNet@3.4.1"
    assert noted == ["start MobileNet@3.4.1", "build MobileNet"]


def test_both_sides_of_a_diff_import_their_keras_at_the_same_time(noted: list[str], monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ModelError("can't be built")

    monkeypatch.setattr(Worker, "build", broken)
    with pytest.raises(ModelError, match="can't be built"):
        diff("MobileNet@3.4.1", "MobileNet@3.6.0")
    assert noted == ["start MobileNet@3.4.1", "start MobileNet@3.6.0"]
