"""What has to be true of the classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from reviews import reviews, train

from tracer.testing import assert_roundtrip

FILE = Path(__file__).with_name("model.keras")
TEXTS, _ = reviews(5, seed=1)


@pytest.fixture
def model() -> keras.Model:
    return keras.models.load_model(FILE)


def test_the_loss_falls(tmp_path: Path) -> None:
    history, checkpoint = train(str(tmp_path / "model.keras"))
    losses = history.history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert history.history["verified"] == [1.0] * len(losses)
    assert [str(verdict.outcome) for verdict in checkpoint.verdicts.values()] == ["verified"]


def test_it_comes_back_from_its_file(model: keras.Model) -> None:
    assert_roundtrip(model, TEXTS, format="keras")


def test_it_computes_what_it_did(model: keras.Model, activation_regression: Any) -> None:
    activation_regression.check(model, TEXTS)
