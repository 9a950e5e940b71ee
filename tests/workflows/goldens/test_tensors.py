"""record --tensors: the activations of a golden, and of no other model."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from tracer.cli import app
from tracer.core.golden.fingerprint import fingerprint
from tracer.core.golden.golden import relative
from tracer.core.source import Value
from tracer.errors import FixtureError
from tracer.store import fixtures
from tracer.workflows.goldens.recording import Setting, record
from tracer.workflows.goldens.tensors import record_tensors

_HERE = f"{importlib.metadata.version('keras')}+tensorflow=={importlib.metadata.version('tensorflow')}"
_MODEL = "MobileNetV3Small"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    setting = Setting(reference=_HERE, witnesses=(), image_size=32, seed=7)
    return record(_MODEL, tmp_path_factory.mktemp("goldens"), setting=setting).path


@pytest.mark.slow
def test_every_activation_is_the_one_that_the_golden_is_of(golden: Path, tmp_path: Path) -> None:
    target = tmp_path / "m.safetensors"
    done = CliRunner().invoke(app, ["record", _MODEL, "--fixtures", str(golden.parent), "--tensors", str(target)])
    assert done.exit_code == 0, done.output
    assert "wrote" in done.output and list(tmp_path.iterdir()) == [target]
    found, recorded = load_file(target), fixtures.read_golden(golden)
    assert list(found) and set(found) == {site.path for site in recorded.sites}
    for site in recorded.sites:
        array = found[site.path]
        assert array.dtype == np.float32 and array.shape == site.truth.shape
        assert relative(site.truth, fingerprint(Value(array=array))) < 1.2e-7  # rounded to float32


@pytest.mark.slow
def test_the_activations_of_something_else_are_not_written(golden: Path, tmp_path: Path) -> None:
    recorded, target = fixtures.read_golden(golden), tmp_path / "m.safetensors"
    site = recorded.sites[5]
    off = replace(site, truth=replace(site.truth, sketch=site.truth.sketch * (1 + 1e-6)))
    sites = (*recorded.sites[:5], off, *recorded.sites[6:])
    fixtures.write_golden(tmp_path / "other" / "x.safetensors", replace(recorded, sites=sites))
    with pytest.raises(FixtureError, match=rf"{site.path} isn't what was recorded \(1\.0e-06"):
        record_tensors(_MODEL, tmp_path / "other" / "x.safetensors", target)
    told = {**recorded.provenance, "model": {**recorded.provenance["model"], "seed": 1}}
    fixtures.write_golden(tmp_path / "other" / "y.safetensors", replace(recorded, provenance=told))
    with pytest.raises(FixtureError, match="other weights or inputs"):
        record_tensors(_MODEL, tmp_path / "other" / "y.safetensors", target)
    with pytest.raises(FixtureError, match="not a golden that"):
        record_tensors("MobileNet", golden, target)
    assert not target.exists() and [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_the_golden_has_cannot_be_chosen_again(tmp_path: Path) -> None:
    words = ["record", _MODEL, "--tensors", str(tmp_path / "m"), "--seed", "3", "--image-size", "64"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and not list(tmp_path.iterdir())
