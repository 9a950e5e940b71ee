"""What has to be true of the classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from shapes import build, pictures, train

import tracer
from tracer.testing import assert_roundtrip

PICTURES, _ = pictures(4, seed=1)


def test_the_loss_falls_and_the_file_is_the_model(tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    history, checkpoint = train(str(path), epochs=2)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    assert {str(verdict.outcome) for verdict in checkpoint.verdicts.values()} == {"verified"}
    assert path.exists()


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """With the statistics of some pictures, as its normalization has them after `weights="imagenet"`."""
    model = build()
    encoder = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    norm = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.Normalization))
    norm.set_weights([np.array([0.48, 0.46, 0.41]), np.array([0.05, 0.05, 0.05]), np.array(0)])
    norm.finalize_state()
    return model


def test_it_computes_what_it_did(model: keras.Model, activation_regression: Any) -> None:
    """With weights that depend on no release of Keras, so that the golden holds for all of them."""
    before, random = model.get_weights(), np.random.RandomState(0)
    for variable in model.trainable_variables:
        if variable.ndim > 1:
            scale = np.sqrt(2.0 / np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0.0, scale, variable.shape))
    activation_regression.check(model, PICTURES)
    model.set_weights(before)


def test_it_comes_back_from_its_file(model: keras.Model) -> None:
    assert_roundtrip(model, PICTURES, format="keras")


def test_the_legacy_format_loses_its_normalization(model: keras.Model) -> None:
    """Of a nested model, in Keras 3.15: once this fails, the defect is mended, and both formats are fine."""
    report = tracer.roundtrip(model, PICTURES, format="h5", prove=False)
    assert [(fault.class_name, str(fault.cause)) for fault in report.faults] == [("Normalization", "unsaved-state")]
