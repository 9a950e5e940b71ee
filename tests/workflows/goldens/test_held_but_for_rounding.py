"""Nobody is blamed in a check for what its layer makes of inputs and weights that count as the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.numbers import rounding
from tracer.records import Cause, Report, Status, Verdict
from tracer.store import fixtures
from tracer.store.fixtures import read_golden
from tracer.workflows.goldens.checking import check
from tracer.workflows.regression import record_live

_ROWS = np.random.RandomState(0).uniform(1.05, 1.2, (4, 8)).astype("float32")


class Cancels(layers.Layer):
    """Returns `x * w - least`: next to nothing for 1, so that it multiplies what is rounded; off by so much of it."""

    off = 0.0  # no setting: what another release's code does

    def __init__(self, least: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.least = least

    def build(self, shape: Any) -> None:
        del shape
        self.w = self.add_weight(shape=(), initializer=keras.initializers.Constant(1.0001), name="w")

    def call(self, x: Any) -> Any:
        return (x * self.w - self.least) * (1.0 + Cancels.off)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "least": self.least}


def model(least: float = 1.0) -> Any:
    x = keras.Input((8,), name="x")
    y = layers.Activation("linear", name="after")(Cancels(least, name="cancels")(x))
    return keras.Model(x, layers.Rescaling(2.0, name="end")(y))


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    yield
    Cancels.off = 0.0


def checked(tmp_path: Path, off: float, least: float = 1.0, by: float = 0.0, now: float | None = None) -> Report:
    record_live(model(least), _ROWS, tmp_path / "m.safetensors")
    Cancels.off, other = off, model(least if now is None else now)
    other.get_layer("cancels").w.assign(1.0001 * (1 + by))
    return check(other, tmp_path / "m.safetensors", _ROWS)


def test_a_layer_that_multiplies_rounding_is_close_and_so_is_what_it_feeds(tmp_path: Path) -> None:
    report = checked(tmp_path, 1e-5)
    assert report.status is Status.WITHIN_TOLERANCE and not report.faults
    said = {layer.layer: layer for layer in report.layers}
    assert all(layer.verdict is Verdict.CLOSE for layer in report.layers)
    assert said["cancels"].note.startswith("rounding, up to 1.") and said["cancels"].rel_error > 5e-6
    assert said["end"].note == "" and said["end"].tolerance == said["cancels"].tolerance


def test_where_nobody_knows_the_weights_no_error_is_excused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures, "read_golden", lambda path: replace(read_golden(path), identities={}))
    assert [fault.layer for fault in checked(tmp_path, 1e-5).faults] == ["cancels"]


def test_a_layer_may_multiply_what_came_in_within_its_own_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "_FURTHER", 1.4)  # so that it is what came in that makes the difference

    def built(gain: float) -> Any:
        x = keras.Input((8,), name="x")
        y = layers.Rescaling(gain, name="before")(x)
        return keras.Model(x, layers.Rescaling(1.0, offset=-1.0, name="cancels")(y))

    record_live(built(1.00013), _ROWS, tmp_path / "m.safetensors")
    other = built(1.00013)
    other.get_layer("before").scale = 1.00013 * (1 + 1.6e-6)  # no setting that anybody could see, nor a weight
    report = check(other, tmp_path / "m.safetensors", _ROWS)
    assert report.status is Status.WITHIN_TOLERANCE and not report.faults, report
    assert report.layers[-1].rel_error > 5e-6 and report.layers[-1].note.startswith("rounding, ")


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        ({"off": 1e-3}, Cause.UNKNOWN),  # more than inputs that count as the same would do
        ({"off": 2e-5, "least": 0.25}, Cause.UNKNOWN),  # where it multiplies nothing
        ({"off": 0.0, "by": 4e-6}, Cause.WEIGHTS),
        ({"off": 0.0, "now": 1.000003}, Cause.CONFIG),
    ],
)
def test_what_has_another_reason_is_a_fault(known: dict[str, float], cause: Cause, tmp_path: Path) -> None:
    report = checked(tmp_path, **known)
    assert [(fault.layer, fault.cause) for fault in report.faults] == [("cancels", cause)]
