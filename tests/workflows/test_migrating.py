"""migrate: what is refused before anything runs, and how weights get from one model into the other.

With a real Keras 2: `tests/releases/test_keras2.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.migration.translate import Translation
from tracer.engine.host import LiveHost, from_model
from tracer.errors import ModelError, SpecError
from tracer.workflows.migrating import _notes, carry_weights, share_weights

_X = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")


@pytest.mark.parametrize(
    ("file", "output", "says"),
    [
        ("m.h5", "new.h5", r"new.h5: a migrated model is written as .keras; received '.h5'"),
        ("m.h5", "there.keras", r"there.keras exists already; name another file"),
        ("m.h5", "nowhere/new.keras", r"the folder .*nowhere doesn't exist"),
        ("m.h5@3.4.1", "new.keras", r"m.h5@3.4.1: migrate reads a model with Keras 2, and 3.4.1 isn't one"),
        ("m.h5@latest", "new.keras", r"and latest isn't one; leave it out"),
        ("m.h5@2.7.0", "new.keras", r"Keras 2.7.0 can't be traced: of Keras 2, the releases from 2.11 to 2.15 can"),
        ("m.h5@2.15.0+jax", "new.keras", r"Keras 2.15.0 runs on TensorFlow alone; received jax"),
    ],
)
def test_what_cannot_be_is_refused_at_once(file: str, output: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "there.keras").touch()
    with pytest.raises(SpecError, match=says):
        tracer.migrate(file, tmp_path / output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.keras"]


def host(*held: Any, name: str = "m") -> LiveHost:
    """A source of a sequential model."""
    return from_model(keras.Sequential([keras.Input((4,)), *held], name=name))


def test_weights_are_carried_by_layer_path() -> None:
    norm = layers.Normalization(name="norm")
    norm.adapt(np.random.RandomState(1).normal(5, 3, (50, 4)))
    first = host(norm, layers.Dense(3, name="dense_7"), layers.PReLU(alpha_initializer="ones", name="p"))
    second = host(layers.Normalization(name="norm"), layers.Dense(3, name="dense"), layers.PReLU(name="p"), name="n")
    carry_weights(first, second)
    np.testing.assert_array_equal(first._model(_X), second._model(_X))
    assert second._names["dense"] == "dense_7"


def test_and_back_again() -> None:
    first, second = (host(layers.Dense(3, name="d")) for _ in range(2))
    carry_weights(first, second)
    second.seed(0)
    assert not np.array_equal(first._model(_X), second._model(_X))
    share_weights(second, first)
    np.testing.assert_array_equal(first._model(_X), second._model(_X))


def test_a_layer_that_is_missing_is_named() -> None:
    first, second = host(layers.Dense(4, name="a"), layers.Dense(4, name="b")), host(layers.Dense(4, name="a"))
    with pytest.raises(ModelError, match="b: has weights, and the model in Keras 3 has no such layer"):
        carry_weights(first, second)
    with pytest.raises(ModelError, match="b: has weights, and the model in Keras 2 has no such layer"):
        carry_weights(second, first)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            layers.Dense(3, use_bias=False, name="d"),
            r"d: its variable 'bias' is float32 \(3,\) on one side and nothing",
        ),
        (layers.Dense(2, name="d"), r"d: its variable 'kernel' is float32 \(4, 3\) on one side and float32 \(4, 2\)"),
    ],
)
def test_a_variable_without_a_counterpart_is_named(other: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        carry_weights(host(layers.Dense(3, name="d")), host(other))


def test_the_report_says_what_was_changed_and_whether_the_file_was_kept() -> None:
    translation = Translation(config={}, problems=(), applied={"`alpha` of `LeakyReLU`": 2})
    written, changed = _notes(translation, Path("new.keras"), kept=True)
    assert written == "new.keras was written."
    assert changed == "changed from Keras 2 to Keras 3: `alpha` of `LeakyReLU` (2×)."
    assert "was not written: it would not compute the same" in next(_notes(translation, Path("new.keras"), kept=False))
