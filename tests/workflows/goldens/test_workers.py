"""The workers that goldens are recorded in: started early, ended when their part is done, and whatever happens."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tracer.errors import ModelError
from tracer.workflows.goldens import recording
from tracer.workflows.goldens.recording import Setting, Workers, record


class Worker:
    """Notes when it is started, built in, and closed; nothing can be built in it."""

    def __init__(self, environment: str, noted: list[str]) -> None:
        self._environment, self._noted = environment, noted
        noted.append(f"start {environment}")

    def build(self, *_: Any, **__: Any) -> None:
        self._noted.append(f"build {self._environment}")
        raise ModelError("can't be built")

    def close(self) -> None:
        self._noted.append(f"close {self._environment}")


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def opened(environment: str, stack: contextlib.ExitStack) -> Worker:
        worker = Worker(environment, found)
        stack.callback(worker.close)
        return worker

    monkeypatch.setattr(recording, "_opened", opened)
    return found


def test_a_worker_that_was_started_early_is_the_one_that_is_used(noted: list[str]) -> None:
    workers = Workers(keep=False)
    workers.start("a")
    with workers.of("a"):
        assert noted == ["start a"]
    assert noted == ["start a", "close a"]


def test_a_worker_that_is_in_use_isnt_given_to_anybody_else(noted: list[str]) -> None:
    workers = Workers(keep=False)
    with workers.of("a") as one, workers.of("a") as other:
        assert one is not other
    assert sorted(noted) == ["close a", "close a", "start a", "start a"]


def test_workers_that_are_kept_are_closed_at_the_end_alone(noted: list[str]) -> None:
    workers = Workers()
    for _ in range(2):
        with workers.of("a"):
            pass
    assert noted == ["start a"]
    workers.close()
    assert noted == ["start a", "close a"]


def test_witnesses_import_their_keras_while_the_reference_runs_and_are_closed_if_it_fails(
    noted: list[str], tmp_path: Path
) -> None:
    setting = Setting(reference="r", witnesses=("v", "w"))
    told: list[str] = []
    with pytest.raises(ModelError, match="can't be built"):
        record("MobileNet", tmp_path, setting=setting, progress=lambda phase, done, total: told.append(phase))
    assert [phase for phase in told if "opening" in phase] == [f"MobileNet in {name}, opening" for name in "rvw"]
    assert noted[:4] == ["start r", "start v", "start w", "build r"]
    assert {"close r", "close v", "close w"} <= set(noted)


def test_workers_of_somebody_else_are_left_open(noted: list[str], tmp_path: Path) -> None:
    workers = Workers()
    with pytest.raises(ModelError, match="can't be built"):
        record("MobileNet", tmp_path, setting=Setting(reference="r", witnesses=()), workers=workers)
    assert noted == ["start r", "build r"]
