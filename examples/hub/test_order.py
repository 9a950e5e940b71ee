"""What has to be true of the BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from order import LENGTH, build, sequences, train

import tracer
from tracer.testing import assert_roundtrip


def test_the_loss_falls_and_the_file_is_the_model(tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    history, checkpoint = train(str(path), epochs=2)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    assert {str(verdict.outcome) for verdict in checkpoint.verdicts.values()} == {"verified"}
    assert path.exists()


def test_it_comes_back_from_its_file_padding_and_all() -> None:
    x, _ = sequences(4, seed=1)
    assert (x["padding_mask"].sum(axis=1) < LENGTH).any()
    assert_roundtrip(build(), x, format="keras")


def test_it_computes_what_it_did(activation_regression: Any) -> None:
    """With weights that depend on no release of Keras, so that the golden holds for all of them."""
    model, random = build(), np.random.RandomState(0)
    for variable in model.weights:
        if variable.ndim > 1:
            variable.assign(random.normal(0.0, variable.shape[0] ** -0.5, variable.shape))
    activation_regression.check(model, sequences(4, seed=1)[0])


def test_padding_is_no_part_of_what_is_said() -> None:
    """What stands where the mask says padding changes nothing; and two runs of one model agree in every batch."""
    model = build()
    x, _ = sequences(8, seed=1)
    other = {**x, "token_ids": np.where(x["padding_mask"] > 0, x["token_ids"], 7)}
    same = keras.ops.convert_to_numpy(model(x)), keras.ops.convert_to_numpy(model(other))
    np.testing.assert_allclose(*same, atol=1e-5)
    report = tracer.diff(model, model, x, batch_size=4)
    assert report.matches and report.batches == 2
