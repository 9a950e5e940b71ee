"""Goldens of live models: what is the truth, what is kept, and what isn't recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.core.golden.golden import Golden
from tracer.errors import FixtureError
from tracer.workflows.regression import check_live, record_live

_X = np.random.RandomState(0).normal(size=(3, 4)).astype("float32")


def model(**changes: Any) -> Any:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(2, name="head", **changes)(layers.Dense(5, activation="tanh", name="a")(x)))


def recorded(live: Any, inputs: Any, folder: Path) -> Golden:
    golden = record_live(live, inputs, folder / "m.safetensors")
    assert check_live(live, inputs, folder / "m.safetensors").matches
    return golden


def test_the_truth_is_a_copy_in_float64_with_the_floor_of_the_model_itself(tmp_path: Path) -> None:
    golden = recorded(model(), _X, tmp_path)
    assert golden.is_double and golden.provenance["truth"] == "float64" and "why" not in golden.provenance
    assert golden.provenance["floors"] == [golden.provenance["environment"]]
    assert [site.path for site in golden.sites] == ["a", "head"]
    assert all(0 < max(site.floors) < 1e-6 for site in golden.sites)


class Own(layers.Layer):
    """Its configuration doesn't say how it was made."""

    def __init__(self, factor: Any = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factor = factor

    def call(self, x: Any) -> Any:
        return x * self._factor

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


def with_own(factor: Any) -> Any:
    x = keras.Input((4,), name="x")
    return keras.Model(x, Own(factor, name="own")(x))


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (lambda: model(dtype="float16"), "the model doesn't compute in float32 alone"),
        (lambda: with_own(3.0), "its float64 copy is another model: own differs by "),
    ],
)
def test_without_a_copy_that_is_the_same_the_activations_themselves_are_the_truth(
    live: Any, why: str, tmp_path: Path
) -> None:
    golden = recorded(live(), _X, tmp_path)
    assert not golden.is_double and golden.provenance["floors"] == []
    assert golden.provenance["why"].startswith(why)
    report = tracer.check(live(), tmp_path / "m.safetensors", _X)
    assert any(why in note for note in report.notes)


def test_small_inputs_are_kept_and_others_have_to_be_given_again(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    (kept,) = recorded(model(), _X, tmp_path).inputs
    np.testing.assert_array_equal(kept, _X)
    assert tracer.check(model(), path).matches
    large = np.ones(((1 << 18) // 4 + 1, 4), "float32") * np.float32(0.1)
    assert recorded(model(), large, tmp_path).inputs == ()
    with pytest.raises(FixtureError, match="recorded with inputs that it doesn't hold"):
        tracer.check(model(), path)
    assert recorded(model(), {"x": _X}, tmp_path).inputs  # one array has one place, whatever it is called


def test_an_activation_that_is_no_number_is_not_recorded_and_what_was_there_stays(tmp_path: Path) -> None:
    recorded(model(), _X, tmp_path)
    before = (tmp_path / "m.safetensors").read_bytes()
    broken = model()
    broken.get_layer("head").set_weights([np.full((5, 2), np.nan), np.zeros(2)])
    with pytest.raises(FixtureError, match="head"):
        record_live(broken, _X, tmp_path / "m.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    assert (tmp_path / "m.safetensors").read_bytes() == before
