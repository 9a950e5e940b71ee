"""Where an error enters, the model is run once more, stopped there alone, and asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from small_model import inputs, small

from tracer.core.golden.golden import FACTOR
from tracer.core.golden.match import Match, hold
from tracer.engine import host
from tracer.records import Cause, Side
from tracer.store import fixtures
from tracer.workflows.goldens.explaining import differs_from_itself, explain_culprits
from tracer.workflows.regression import record_live


def asked_of(model: Any, golden_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Any]:
    """Paths of the call sites whose layers were asked for facts, and the faults."""
    golden, source, asked = fixtures.read_golden(golden_path), host.from_model(model), []
    original = type(source).facts

    def facts(self: Any, path: str) -> Any:
        asked.append(path)
        return original(self, path)

    monkeypatch.setattr(type(source), "facts", facts)
    held: Sequence[Match] = hold(golden, source.fingerprints(inputs()), factor=FACTOR)
    culprits = [one for one in held if one.entered]
    faults = explain_culprits(source, inputs(), golden, culprits, masked=False)
    source.close()
    return asked, faults


def test_only_where_an_error_enters_anybody_is_asked(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * 1.5, bias])
    asked, (fault,) = asked_of(model, live, monkeypatch)
    assert asked == ["head"]
    assert (fault.layer, fault.cause, fault.side, fault.masked) == ("head", Cause.WEIGHTS, Side.CANDIDATE, False)


def test_stale_state_is_derived_anew_and_held_against_the_golden(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    layer = model.get_layer("normalization")
    layer.mean = layer.mean * 0
    stale, (fault,) = asked_of(model, live, monkeypatch)
    assert stale == ["normalization"]
    assert fault.cause == Cause.UNSAVED_STATE and "verified here" in str(fault.remedy)


def test_state_that_is_wrong_even_if_derived_anew_has_no_remedy_that_was_verified(
    live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small()
    layer = model.get_layer("normalization")
    layer.adapt_mean.assign([5.0, 5.0, 5.0])
    layer.finalize_state()
    _, (fault,) = asked_of(model, live, monkeypatch)
    assert fault.layer == "normalization" and "verified here" not in str(fault.remedy)


class Noisy(layers.Layer):
    """Draws anew whenever it is called."""

    def call(self, x: Any) -> Any:
        return x + np.random.uniform(0.1, 1.0, x.shape).astype("float32")

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


def test_what_differs_from_itself_is_told_from_what_doesnt(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    drawn = Noisy(name="noise")(layers.Dense(3, name="before")(x))
    model = keras.Model(x, [drawn, layers.Dense(2, name="beside")(x)])
    rows = np.random.RandomState(0).normal(size=(2, 4)).astype("float32")
    record_live(model, rows, tmp_path / "m.safetensors")
    golden, source = fixtures.read_golden(tmp_path / "m.safetensors"), host.from_model(model)
    sites = source.fingerprints(rows)
    assert differs_from_itself(source, rows, golden, sites, FACTOR) == {"noise"}
    source.close()
