"""record: what is written, what is kept, and what is refused."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tracer
from tracer.core.golden.golden import Golden
from tracer.envs import uv
from tracer.errors import FixtureError, WorkerError
from tracer.store import fixtures
from tracer.workflows.goldens.checks import check_all
from tracer.workflows.goldens.recording import Setting, record

_HERE = f"{importlib.metadata.version('keras')}+tensorflow=={importlib.metadata.version('tensorflow')}"


_SETTING = Setting(reference=_HERE, witnesses=(_HERE,), image_size=32)


_MODEL = "MobileNet"


def rewritten(path: Path, target: Path, **changes: Any) -> Path:
    golden: Golden = fixtures.read_golden(path)
    fixtures.write_golden(target, replace(golden, **changes))
    return target


@pytest.mark.slow
def test_a_specification_is_recorded_with_a_witness_and_checked(tmp_path: Path) -> None:
    found = record(_MODEL, tmp_path, setting=_SETTING)
    assert found.written and found.changed is None
    assert found.golden.provenance["witnesses"][0]["worst"] == 0.0
    before = found.path.read_bytes()
    again = record(_MODEL, tmp_path, setting=_SETTING)
    assert not again.written and again.changed == () and found.path.read_bytes() == before
    declined = record(_MODEL, tmp_path, setting=replace(_SETTING, seed=1), agree=lambda new: False)
    assert declined.changed and not declined.written and found.path.read_bytes() == before
    outcomes = check_all((), tmp_path)
    assert list(outcomes) == [_MODEL] and outcomes[_MODEL].matches
    told = {**found.golden.provenance, "model": {**found.golden.provenance["model"], "seed": 5}}
    wrong = rewritten(found.path, tmp_path / "x.safetensors", provenance=told)
    with pytest.raises(FixtureError, match="other"):
        tracer.check(_MODEL, wrong)
    with pytest.raises(FixtureError, match="not for MobileNetV2"):
        tracer.check("MobileNetV2", found.path)


def test_the_python_of_a_reference_is_the_python_that_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find_python(version: str = "") -> str:
        asked.append(version)
        raise WorkerError("there is none")

    monkeypatch.setattr(uv, "find_python", find_python)
    with pytest.raises(WorkerError, match="there is none"):
        record(_MODEL, tmp_path, setting=Setting(reference="3.4.1+tensorflow==2.17.1+python3.12", witnesses=()))
    assert asked == ["3.12"]
