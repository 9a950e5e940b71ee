"""`tracer.engine.inputs.given`, given what is rare: names twice, axes elsewhere, tensors without numbers."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers

from tracer.engine.inputs.given import fit_inputs, load_inputs
from tracer.errors import InputError


def rows_model(dtype: str = "float32") -> Any:
    x = keras.Input((4,), dtype=dtype, name="x")
    return keras.Model(x, layers.Dense(1)(x))


def picture_model(shape: tuple[int, ...], batch: int | None = None) -> Any:
    x = keras.Input(batch_shape=(batch, *shape), name="image")
    return keras.Model(x, layers.Conv2D(2, 3)(x))


def refusal(model: Any, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        fit_inputs(model, value)
    return str(caught.value)


def test_two_arrays_under_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.npz"
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what is wanted here
        for value in (0.0, 1.0):
            buffer = io.BytesIO()
            np.save(buffer, np.full((2, 4), value))
            archive.writestr("x.npy", buffer.getvalue())
    with pytest.raises(InputError, match="holds x more than once"):
        load_inputs(rows_model(), file)
    assert "hold '1' twice" in refusal(rows_model(), {1: np.zeros((2, 4)), "1": np.ones((2, 4))})


def test_a_placeholder_has_no_numbers() -> None:
    assert "which has no numbers to read" in refusal(rows_model(), keras.Input((4,)))


def test_rows_in_a_list_are_not_taken_for_inputs() -> None:
    said = refusal(rows_model(), [np.ones(4), np.ones(4)])
    assert said == "this model takes 1 input (x); received 2. Samples of one input belong in one array (numpy.stack)."


@pytest.mark.parametrize(
    ("shape", "given", "says"),
    [
        ((8, 8, 1), (3, 8, 8), "The last axis seems to be missing: add it, as in array[..., None]."),
        ((8, 8, 1), (8, 8, 1), "It looks like a single sample"),
        ((8, 6, 3), (2, 3, 8, 6), "The channels seem to be on another axis: numpy.moveaxis(array, 1, 3)."),
        ((8, 6, 3), (2, 9, 9, 3), "Arrays aren't resized; a picture file is."),
    ],
)
def test_a_shape_that_does_not_fit_comes_with_what_was_probably_meant(
    shape: tuple[int, ...], given: tuple[int, ...], says: str
) -> None:
    said = refusal(picture_model(shape), np.zeros(given, "float32"))
    assert said.endswith(f"received {given}. {says}") or says in said


def test_the_advice_on_channels_gives_what_fits() -> None:
    array = np.random.RandomState(0).normal(size=(2, 3, 8, 6)).astype("float32")
    assert fit_inputs(picture_model((8, 6, 3)), np.moveaxis(array, 1, 3)).arrays.shape == (2, 8, 6, 3)


def test_half_precision_that_becomes_infinite_is_refused() -> None:
    large = np.full((2, 4), 1e30, ml_dtypes.bfloat16)
    assert "become infinite" in refusal(rows_model("float16"), large)
    assert fit_inputs(rows_model(), large).told.conversions == ("x was cast from bfloat16 to float32.",)


def test_whole_numbers_that_float64_can_not_hold_are_told() -> None:
    for value, said in [(2**53 + 1, ", rounded"), (2**53, "")]:
        feed = fit_inputs(rows_model("float64"), np.full((2, 4), value))
        assert feed.told.conversions == (f"x was cast from int64 to float64{said}.",)


def test_a_picture_fills_a_batch_that_the_model_fixes(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    keras.utils.save_img(tmp_path / "p.png", np.arange(192.0).reshape(8, 8, 3), scale=False)
    feed = load_inputs(picture_model((8, 8, 3), batch=4), tmp_path / "p.png")
    assert feed.arrays.shape == (4, 8, 8, 3) and np.array_equal(feed.arrays[0], feed.arrays[3])
    assert feed.told.conversions[0] == "The single picture was made a batch of 4."


def test_a_model_that_was_built_by_a_call_takes_another_number_of_samples() -> None:
    model = keras.Sequential([layers.Dense(2)])
    model(np.zeros((1, 7), "float32"))
    assert model(np.zeros((41, 7), "float32")).shape == (41, 2)
    assert fit_inputs(model, np.ones((41, 7), "float32")).told.samples == 41
