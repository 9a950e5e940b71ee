"""What has to be true of the U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from discs import build, pictures, train

from tracer.testing import assert_roundtrip

PICTURES, _ = pictures(2, seed=1)


@pytest.fixture
def model() -> keras.Model:
    """With weights that depend on no release of Keras, so that a golden holds for all of them."""
    model, random = build(), np.random.RandomState(0)
    for variable in model.weights:
        if variable.ndim > 1:
            scale = np.sqrt(2.0 / np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0.0, scale, variable.shape))
    return model


def test_the_loss_falls_and_the_best_file_is_a_verified_one(tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    history, checkpoint = train(str(path), epochs=2)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    assert str(checkpoint.verdicts[str(path)].outcome) == "verified"
    assert not list(tmp_path.glob("*failed*"))


@pytest.mark.parametrize("format", ["keras", "h5"])
def test_it_comes_back_from_its_file(model: keras.Model, format: Any) -> None:
    assert_roundtrip(model, PICTURES, format=format)


def test_it_computes_what_it_did(model: keras.Model, activation_regression: Any) -> None:
    activation_regression.check(model, PICTURES)
