"""check of models given by a specification, and of live ones."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_model import inputs, small

import tracer
from tracer.core.golden.golden import Golden
from tracer.core.spec import parse_spec
from tracer.engine import compat
from tracer.errors import FixtureError, SpecError
from tracer.store import fixtures
from tracer.workflows.goldens import checking
from tracer.workflows.goldens.checks import check_all
from tracer.workflows.goldens.recording import Setting, record
from tracer.workflows.regression import record_live

_MODEL = "MobileNet"


def rewritten(path: Path, target: Path, **changes: Any) -> Path:
    golden: Golden = fixtures.read_golden(path)
    fixtures.write_golden(target, replace(golden, **changes))
    return target


def test_a_model_is_as_it_was_recorded_and_the_inputs_are_in_the_golden(live: Path) -> None:
    report = tracer.check(small(), live)
    assert report.timings["total"] > sum(report.timings.values()) / 2 > 0  # of all, not of the phases alone
    assert report.matches and report.compared == 5 and report.first_divergence is None
    digest = fixtures.read_golden(live).digest
    assert len(digest) == 32
    (used,) = [note for note in report.notes if note.startswith("golden: ")]
    assert used.startswith(f"golden: {live}, recorded by keras-layer-tracer") and digest in used
    assert tracer.check(small(), live, inputs()).matches


def test_a_stale_normalization_is_found_explained_and_put_right(live: Path) -> None:
    model = small()
    layer = model.get_layer("normalization")
    layer.mean, layer.variance = layer.mean * 0, layer.variance * 0 + 1
    report = tracer.check(model, live)
    assert report.to_html().count("a golden holds a sketch of each output") == sum(
        layer.rel_error > 0 for layer in report.layers
    )
    (fault,) = report.faults
    assert (fault.layer, str(fault.cause), str(fault.side)) == ("normalization", "unsaved-state", "candidate")
    assert "verified here" in (fault.remedy or "") and report.first_divergence == "normalization"


def test_configuration_and_weights_are_told_apart(live: Path) -> None:
    (fault,) = tracer.check(small(epsilon=1e-5), live).faults
    assert (fault.layer, str(fault.cause)) == ("bn", "config") and fault.evidence[0].name == "epsilon"
    model = small()
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * (1 + 1e-4), bias])
    (fault,) = tracer.check(model, live).faults
    assert (fault.layer, str(fault.cause)) == ("head", "weights")


_NAMES = ("conv:x", "conv:y", "conv:1", "conv", "head")  # Keras refuses nothing but "/"


def named(scaled: str = "") -> Any:
    keras.utils.set_random_seed(0)
    x = y = keras.Input((6,))
    for name in _NAMES:
        y = keras.layers.Dense(5, activation="tanh", name=name)(y)
    model = keras.Model(x, y)
    if scaled:
        kernel, bias = model.get_layer(scaled).get_weights()
        model.get_layer(scaled).set_weights([kernel * 1.5, bias])
    return model


def test_the_right_layer_is_blamed_whatever_marks_its_name_has(tmp_path: Path) -> None:
    x = np.random.RandomState(0).normal(size=(3, 6)).astype("float32")
    record_live(named(), x, tmp_path / "named.safetensors")
    for name in _NAMES:
        report = tracer.check(named(name), tmp_path / "named.safetensors")
        assert [(fault.layer, fault.cause) for fault in report.faults] == [(name, "weights")]


def test_nan_in_the_candidate_diverges(live: Path) -> None:
    model = small()
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[0, 0, 0, 0] = np.nan
    model.get_layer("conv").set_weights([kernel, bias])
    report = tracer.check(model, live)
    assert report.faults[0].layer == "conv" and str(report.status) == "diverged"


def test_other_inputs_and_another_model_are_trouble(live: Path) -> None:
    with pytest.raises(FixtureError, match="other inputs"):
        tracer.check(small(), live, inputs() + 1)
    x = keras.Input((8, 8, 3))
    other = keras.Model(x, keras.layers.Flatten()(x))
    with pytest.raises(FixtureError, match="another model"):
        tracer.check(other, live)


def test_nothing_to_check_and_wrong_environments(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match="nothing was checked"):
        check_all((), tmp_path)
    with pytest.raises(SpecError, match="environment"):
        record(_MODEL, tmp_path, setting=Setting(reference="newest"))
    with pytest.raises(SpecError, match="--reference"):
        record(f"{_MODEL}@3.4.1", tmp_path)


@pytest.mark.parametrize(
    ("spec", "ran", "here"),
    [
        (_MODEL, {}, True),
        (f"{_MODEL}@HERE", {}, True),
        (f"{_MODEL}@HERE+tensorflow", {}, False),
        (f"{_MODEL}@3.4.1", {}, False),
        (f"{_MODEL}@HERE", {"keras": "3.16.0"}, False),  # a checkout of Keras, which comes before what is installed
        (f"{_MODEL}@HERE", {"backend": "jax"}, False),  # a release that names no backend runs on TensorFlow
    ],
)
def test_a_release_is_checked_in_this_process_only_where_it_is_what_runs_here(
    spec: str, ran: dict[str, str], here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compat.environment()
    monkeypatch.setattr(compat, "environment", lambda: {**real, "backend": "tensorflow", **ran})
    release = importlib.metadata.version("keras")
    assert checking._runs_here(parse_spec(spec.replace("HERE", release))) is here


def test_packages_of_a_check_need_an_environment(live: Path) -> None:
    with pytest.raises(SpecError, match="none is named here"):
        tracer.check("tracer.zoo:tiny_functional", live, packages=["keras-hub==0.26"])
