"""What comes back without layers is compared by its outputs, and says so."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import zoo
from tracer.core.formats import FORMATS
from tracer.engine import host
from tracer.errors import SpecError
from tracer.workflows.comparing import Options, Timings
from tracer.workflows.outputs import compare_outputs


def two_heads(bias: float = 0.0) -> Any:
    i = keras.Input((3,), name="x")
    x = layers.Dense(4, kernel_initializer="ones", name="hidden")(i)
    one = layers.Dense(2, kernel_initializer="ones", name="one")(x)
    two = layers.Dense(2, kernel_initializer="ones", bias_initializer=keras.initializers.Constant(bias), name="two")(x)
    return keras.Model(i, [one, two], name="two_heads")


def compared(reference: Any, candidate: Any, **options: Any) -> Any:
    sides = host.from_model(reference), host.from_model(candidate)
    return compare_outputs(*sides, np.ones((2, 3), "float32"), Options(format="savedmodel", **options), Timings())


@pytest.mark.parametrize("model", ["tiny_functional", "tiny_multi_io", "tiny_text", "tiny_subclassed"])
def test_a_savedmodel_is_compared_by_its_outputs(model: str) -> None:
    report = tracer.roundtrip(getattr(zoo, model)(), format="savedmodel", same_process=True)
    assert report.matches and report.faults == ()
    assert 0 < report.coverage < 1
    assert "only the model outputs were compared" in report.notes[0]


def test_an_output_that_differs_is_a_divergence_without_a_layer_to_blame() -> None:
    report = compared(two_heads(), two_heads(bias=0.5))
    assert (report.status, report.matches, report.faults) == ("diverged", False, ())
    assert [(layer.layer, str(layer.verdict)) for layer in report.layers] == [
        ("one", "identical"),
        ("two", "inherited"),
    ]
    assert report.first_divergence == "two"
    assert report.coverage == pytest.approx(2 / 3)


def test_an_output_that_differs_has_pictures_where_they_are_asked_for() -> None:
    reference = two_heads()
    asked = compared(reference, two_heads(bias=0.5), pictures=True)
    assert [layer.histogram is not None for layer in asked.layers] == [False, True]
    unasked = compared(reference, two_heads(bias=0.5))
    assert [layer.histogram for layer in unasked.layers] == [None, None]
    missing = compared(reference, keras.Model(reference.inputs, reference.outputs[:1]), pictures=True)
    assert missing.layers[1].histogram is None


def test_a_missing_output_is_a_divergence() -> None:
    reference = two_heads()
    report = compared(reference, keras.Model(reference.inputs, reference.outputs[:1]))
    assert report.status == "diverged"
    assert report.layers[1].note == "2 outputs against 1"


def test_training_is_refused() -> None:
    with pytest.raises(SpecError, match="only does inference"):
        compared(two_heads(), two_heads(), training=True)
    assert FORMATS["savedmodel"].outputs_only
