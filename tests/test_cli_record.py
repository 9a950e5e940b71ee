"""`tracer record`: what is said of a golden that was replaced only after asking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tracer.cli import app
from tracer.core.golden.golden import Golden
from tracer.core.source import Outline
from tracer.store import fixtures
from tracer.workflows.goldens import recording
from tracer.workflows.goldens.recording import Recorded


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recording takes minutes and two releases; here it has just found other numbers than those on disk."""
    path = tmp_path / "m.safetensors"
    provenance = {"model": {"spec": "m"}, "witnesses": []}
    golden = Golden(sites=(), outline=Outline("m", "Model", "model"), identities={}, provenance=provenance)
    recorded = Recorded(spec="m", path=path, written=False, golden=golden, changed=(("dense", "1.0e-03 relative"),))
    monkeypatch.setattr(recording, "record", lambda *args, **options: recorded)
    monkeypatch.setattr("tracer.cli.commands.goldens._told", lambda found, waiting=False: "m would change")
    monkeypatch.setattr(fixtures, "write_golden", lambda path, golden: path.write_text("written"))
    return path


def test_a_golden_that_was_replaced_after_asking_was_written(found: Path) -> None:
    result = CliRunner().invoke(app, ["record", "m", "--json", str(found.with_suffix(".json"))], input="y\n")
    assert result.exit_code == 0, result.output
    assert found.read_text() == "written"
    assert json.loads(found.with_suffix(".json").read_text())["recorded"][0]["written"] is True


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_is_written_and_the_exit_code_is_trouble(found: Path, answer: str) -> None:
    result = CliRunner().invoke(app, ["record", "m"], input=answer)
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert not found.exists()


_FICKLE = """
import keras

def build():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="m")
"""


def test_a_model_that_is_another_each_time_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fickle.py").write_text(_FICKLE)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["record", "fickle:build", "--no-witness", "--yes"])
    assert result.exit_code == 2
    assert "has other weights" in result.output and "keras.utils.set_random_seed(0)" in result.output
    assert not list(tmp_path.rglob("*.safetensors"))
