"""`sequential=True`, from the outside: what it can't be had with, and that it says what a plain comparison says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

import tracer
from tracer.errors import SpecError
from tracer.records import Report
from tracer.workflows import roundtrip_formats

_MODEL = "tracer.zoo:tiny_functional"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory_limit": "2GB"}, "never two: leave one of the two options out"),
        ({"inputs": (np.ones((2, 4)) for _ in range(2))}, "load both models again for every batch"),
        ({"same_process": True}, "leave --same-process out"),
    ],
)
def test_what_it_cant_be_had_with_is_said_before_anything_is_loaded(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        tracer.roundtrip(_MODEL, sequential=True, **options)


def test_batches_of_a_file_are_refused_too(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.ones((4, 4), "float32"))
    with pytest.raises(SpecError, match="load both models again"):
        tracer.diff(_MODEL, _MODEL, str(tmp_path / "x.npy"), batch_size=2, sequential=True)


def test_a_live_model_cant_be_unloaded() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    for compared in (lambda: tracer.diff(model, _MODEL, sequential=True),
                     lambda: tracer.diff(_MODEL, model, sequential=True),
                     lambda: tracer.roundtrip(model, sequential=True)):  # fmt: skip
        with pytest.raises(SpecError, match=r"a live model stays in memory.*such as its file"):
            compared()


def _bare(report: Report) -> Report:
    return replace(report, timings={}, notes=tuple(note for note in report.notes if "at a time" not in note))


@pytest.mark.slow
def test_a_round_trip_says_the_same() -> None:
    plain = tracer.roundtrip("tracer.zoo:pretrained_classifier_nested", format="h5")
    found = tracer.roundtrip("tracer.zoo:pretrained_classifier_nested", format="h5", sequential=True)
    assert [fault.layer for fault in found.faults] == ["efficientnetb0/normalization"]
    assert found.faults[0].proof is not None and found.faults[0].proof.holds
    assert any("only one of the two models was loaded at a time" in note for note in found.notes)
    assert _bare(found) == _bare(plain)


@pytest.mark.slow
def test_several_formats_are_a_table_and_what_has_no_layers_is_compared_by_its_outputs() -> None:
    found = roundtrip_formats(_MODEL, ["keras", "savedmodel", "clone"], sequential=True)
    assert found["keras"].matches and found["savedmodel"].matches  # type: ignore[union-attr]
    assert "happens within one process" in str(found["clone"])


@pytest.mark.slow
def test_two_files_and_weights_that_differ(tmp_path: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")])
    model.save(tmp_path / "one.keras")
    model.get_layer("b").kernel.assign(model.get_layer("b").kernel * 1.001)
    model.save(tmp_path / "two.keras")
    sides = str(tmp_path / "one.keras"), str(tmp_path / "two.keras")
    found = tracer.diff(*sides, sequential=True)
    assert [(fault.layer, fault.cause) for fault in found.faults] == [("b", "weights")]
    assert _bare(found) == _bare(tracer.diff(*sides))
