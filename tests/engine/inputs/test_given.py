"""`tracer.engine.inputs.given`, `casting`, `pictures`: inputs that were given, matched, checked, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.inputs.specs import leaves
from tracer.engine.inputs.given import fit_inputs, load_inputs
from tracer.engine.inputs.made import make_inputs
from tracer.engine.inputs.signature import signature
from tracer.errors import InputError


def image_model(*front: Any, shape: tuple[int | None, ...] = (16, 16, 3), dtype: str = "float32") -> Any:
    x = y = keras.Input(shape, dtype=dtype, name="image")
    for layer in front:
        y = layer(y)
    return keras.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(y)))


def ids_model(dtype: str = "int32", size: int = 9) -> Any:
    x = keras.Input((4,), dtype=dtype, name="ids")
    return keras.Model(x, layers.Embedding(size, 2)(x))


def flat_model(dtype: str = "float32") -> Any:
    x = keras.Input((4,), dtype=dtype, name="x")
    return keras.Model(x, keras.ops.cast(x, "float32") * 2.0)


def two_inputs(as_dict: bool) -> Any:
    left, right = keras.Input((4,), name="left"), keras.Input((3,), dtype="int32", name="right")
    y = layers.Concatenate()([left, layers.Flatten()(layers.Embedding(9, 2)(right))])
    return keras.Model({"right": right, "left": left} if as_dict else [left, right], layers.Dense(1)(y))


class Own(keras.Model):
    """Without a graph, and with operations that say nothing of dtypes."""

    def call(self, x: Any) -> Any:
        return keras.ops.cast(x, "float32") * 2.0


def test_a_single_array_fits_a_single_input_under_any_key(tmp_path: Path) -> None:
    rows = np.arange(12, dtype="float32").reshape(3, 4)
    np.savez(tmp_path / "named.npz", anything=rows)
    for feed in (fit_inputs(flat_model(), {"anything": rows}), load_inputs(flat_model(), tmp_path / "named.npz")):
        assert np.array_equal(feed.arrays, rows)
        assert dict(feed.told.shapes) == {"x": (3, 4)} and feed.told.samples == 3 and feed.told.conversions == ()


def test_fit_inputs_accepts_every_way_of_giving_them() -> None:
    model, left, right = two_inputs(False), np.ones((5, 4)), np.ones((5, 3), "int64")
    for given in ([left, right], (left, right), {"left": left, "right": right}, {"arr_0": left, "arr_1": right}):
        feed = fit_inputs(model, given)
        assert [x.dtype for x in feed.arrays] == [np.float32, np.int32]
        assert feed.told.conversions == (
            "left was cast from float64 to float32.",
            "right was cast from int64 to int32.",
        )
    assert set(fit_inputs(two_inputs(True), {"left": left, "right": right}).arrays) == {"left", "right"}
    single = image_model()
    image = np.zeros((1, 16, 16, 3), "float32")
    for value in (image, [image], {"image": image}, image.tolist(), keras.ops.convert_to_tensor(image)):
        assert fit_inputs(single, value).arrays.shape == image.shape


def test_what_is_given_is_told() -> None:
    told = fit_inputs(flat_model(), np.ones((41, 4), "float32")).told
    assert (told.origin, told.source, told.samples, dict(told.dtypes)) == ("given", "", 41, {"x": "float32"})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([np.ones((2, 4))], "takes 2 inputs (left, right); received 1"),
        ({"left": np.ones((2, 4)), "rihgt": np.ones((2, 3))}, "missing right, unknown rihgt"),
        ({"left": np.ones((2, 4)), "right": np.ones((2, 3)), "more": np.ones(2)}, "missing none, unknown more"),
        ({"left": np.ones((2, 4))}, "missing right, unknown none"),
        ([np.ones((2, 5)), np.ones((2, 3))], "input 'left': expected shape (any, 4), received (2, 5)"),
        ([np.ones(4), np.ones((2, 3))], "received (4,). It looks like a single sample: add the batch dimension"),
        ([np.ones((2, 4)), np.full((2, 3), 0.5)], "input 'right': expected int32, received float64, with values"),
        ([np.full((2, 4), "a"), np.ones((2, 3))], "input 'left': expected float32, received <U1"),
        ([np.ones((2, 4)), np.ones((3, 3))], "different numbers of samples: left 2, right 3"),
        ([np.ones((0, 4)), np.ones((0, 3))], "input 'left': holds no samples"),
        ([np.array([[{}] * 4]), np.ones((1, 3))], "an array of Python objects"),
        ([np.ones((2, 4)), [[1, 2, 3], [4]]], "input 'right': no array can be made of it"),
        (iter([np.ones((2, 4))]), "the inputs are of type list_iterator"),
        ((x for x in ()), "the inputs are of type generator"),
        ([np.ma.masked_equal(np.ones((2, 4)), 1), np.ones((2, 3))], "masked NumPy array"),
        (object(), "the inputs are of type object, which is no array"),
    ],
)
def test_fit_inputs_says_what_does_not_fit(value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_inputs(two_inputs(False), value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "value", "says"),
    [
        ("float32", np.full((2, 4), 1e300), "values as large as 1e+300 become infinite"),
        ("float16", np.full((2, 4), 1e5, "float32"), "values as large as 1e+05 become infinite"),
        ("int32", np.full((2, 4), 2**31), "values go from 2147483648 to 2147483648, beyond its range"),
        ("int32", np.full((2, 4), 3e10), "beyond its range"),
        ("uint8", np.full((2, 4), -1), "beyond its range"),
        ("int32", np.full((2, 4), np.nan), "aren't whole numbers"),
        ("int32", np.full((2, 4), np.inf), "aren't whole numbers"),
        ("bool", np.full((2, 4), 2), "values other than 0 and 1"),
    ],
)
def test_a_cast_that_loses_what_was_given_is_refused(dtype: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_inputs(flat_model(dtype), value)
    assert says in str(caught.value)


def test_ids_that_rounding_changes_are_refused() -> None:
    with pytest.raises(InputError, match="ids become others by rounding"):
        fit_inputs(ids_model("float32", size=2**25), np.full((1, 4), 2**24 + 1))
    (said,) = fit_inputs(flat_model(), np.full((1, 4), 2**24 + 1)).told.conversions
    assert said == "x was cast from int64 to float32, rounded."


def test_a_cast_that_only_rounds_is_told() -> None:
    for value, said in [
        (np.full((2, 4), 0.1), ("x was cast from float64 to float32.",)),
        (np.full((2, 4), 0.1, ">f4"), ()),
        (
            np.array([[0.0, 1e-300, 1, np.nan]]),
            ("x was cast from float64 to float32; 1 value too small for it became 0.",),
        ),
        (np.ones((2, 4), bool), ("x was cast from bool to float32.",)),
    ]:  # fmt: skip
        feed = fit_inputs(flat_model(), value)
        assert feed.told.conversions == said
        assert feed.arrays.dtype == np.float32 and feed.arrays.dtype.isnative
    whole = fit_inputs(ids_model(), np.full((2, 4), 3.0))
    assert whole.arrays.dtype == np.int32 and whole.told.conversions == ("ids was cast from float64 to int32.",)


def test_a_model_that_declares_no_dtype_gets_the_numbers_as_they_are() -> None:
    model = Own()
    model(np.ones((1, 4), "int32"))
    assert fit_inputs(model, np.ones((2, 4), "int64")).arrays.dtype == np.int64
    assert fit_inputs(model, np.ones((2, 4))).told.conversions == ("input was cast from float64 to float32.",)


class OfText(keras.Model):
    """Without a graph: takes text, and has a layer that takes ids of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.words = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
        self.embed = keras.layers.Embedding(5, 2)

    def call(self, x: Any) -> Any:
        return self.embed(self.words(x["text"] if isinstance(x, dict) else x))


@pytest.mark.parametrize("text", [np.array(["a b", "b"]), np.array(["a b", "b"], object)], ids=["text", "objects"])
def test_a_model_without_a_graph_gets_text_where_it_takes_text(text: Any) -> None:
    model = OfText()
    model(keras.ops.convert_to_tensor(["a"]))
    assert fit_inputs(model, text).arrays.tolist() == ["a b", "b"]
    (spec,) = leaves(signature(model))
    assert spec.dtype == "string" and make_inputs(model).dtype.kind in "OUT"


def test_a_model_without_a_graph_gets_text_and_numbers_as_they_are() -> None:
    """What it does with which of its inputs, nobody can tell."""
    model = OfText()
    model({"text": keras.ops.convert_to_tensor(["a"]), "age": np.ones((1, 2), "float32")})
    value = {"text": np.array(["a b", "b"]), "age": np.array([[0.5, 2.0], [3.0, 4.0]])}
    fitted = fit_inputs(model, value).arrays
    assert fitted["text"].tolist() == ["a b", "b"] and np.array_equal(fitted["age"], value["age"])


def test_a_model_that_says_nothing_gets_what_it_is_given(tmp_path: Path) -> None:
    rows = np.ones((3, 4), "float32")
    np.savez(tmp_path / "one.npz", anything=rows)
    np.savez(tmp_path / "more.npz", rows, rows)
    assert np.array_equal(load_inputs(Own(), tmp_path / "one.npz").arrays, rows)
    feed = load_inputs(Own(), tmp_path / "more.npz")
    assert [x.shape for x in feed.arrays] == [(3, 4)] * 2 and set(feed.told.shapes) == {"input_0", "input_1"}
    assert fit_inputs(Own(), [[1, 2], [3, 4]]).told.samples == 2
    named = fit_inputs(Own(), {"a": rows, "b": [rows, rows]})
    assert set(named.told.shapes) == {"a", "b/input_0", "b/input_1"}


def test_load_inputs_takes_all_samples_of_a_file(tmp_path: Path) -> None:
    left, right = np.arange(164.0).reshape(41, 4), np.zeros((41, 3), "int32")
    np.savez(tmp_path / "named.npz", left=left, right=right)
    np.savez(tmp_path / "positional.npz", left, right)
    for name in ("named.npz", "positional.npz"):
        feed = load_inputs(two_inputs(False), tmp_path / name)
        assert np.array_equal(feed.arrays[0], left)
        assert (feed.told.origin, feed.told.source, feed.told.samples) == ("file", str(tmp_path / name), 41)
    np.save(tmp_path / "image.npy", np.zeros((1, 16, 16, 3)))
    assert load_inputs(image_model(), tmp_path / "image.npy").arrays.shape == (1, 16, 16, 3)


def test_load_inputs_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "whole.npz", left=np.ones((400, 4)))
    np.savez(tmp_path / "two.npz", image=np.ones((1, 16, 16, 3)), labels=np.ones(1))
    np.savez(tmp_path / "nothing.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "x.csv").write_text("1,2")
    (tmp_path / "folder.npz").mkdir()
    for name, says in [
        ("none.npz", "does not exist"),
        ("folder.npz", "is a folder"),
        ("objects.npy", "Python objects"),
        ("cut.npz", "can't be read"),
        ("empty.npy", "can't be read"),
        ("x.csv", "unknown kind of file"),
    ]:
        with pytest.raises(InputError) as caught:
            load_inputs(image_model(), tmp_path / name)
        assert says in str(caught.value) and name in str(caught.value)
    for name, says in [("two.npz", "unknown labels"), ("nothing.npz", "missing image")]:
        with pytest.raises(InputError, match=says):
            load_inputs(image_model(), tmp_path / name)


# ---- pictures


def picture(tmp_path: Path, shape: tuple[int, ...] = (10, 20, 3)) -> Path:
    pixels = np.zeros(shape, "uint8")
    pixels[:, 10:] = 255
    file = tmp_path / f"p{shape[-1]}.png"
    pytest.importorskip("PIL")
    keras.utils.save_img(file, pixels, scale=False)
    return file


def test_a_picture_is_resized_and_scaled_and_every_step_is_told(tmp_path: Path) -> None:
    file = picture(tmp_path)
    batch, resized = (
        "The single picture was made a batch of one.",
        "The picture was resized from 10 × 20 to 16 × 16 pixels.",
    )
    feed = load_inputs(image_model(layers.Rescaling(1 / 255)), file)
    assert feed.arrays.shape == (1, 16, 16, 3) and feed.arrays.max() == 255
    assert feed.told.conversions == (batch, resized) and feed.told.samples == 1
    feed = load_inputs(image_model(), file)
    assert feed.arrays.min() == -1
    assert feed.told.conversions == (batch, resized, "Its values were rescaled from 0 … 255 to -1 … 1.")
    feed = load_inputs(image_model(layers.Rescaling(1 / 255), shape=(10, 20, 3), dtype="uint8"), file)
    assert feed.arrays.dtype == np.uint8 and feed.told.conversions == (batch,)
    with pytest.raises(InputError, match="is a picture; this model takes ids"):
        load_inputs(ids_model(), file)


def test_other_colours_are_told(tmp_path: Path) -> None:
    rescaled = image_model(layers.Rescaling(1 / 255), shape=(10, 20, 3))
    grey = load_inputs(rescaled, picture(tmp_path, (10, 20, 1)))
    assert grey.told.conversions[1:] == ("Its colours were converted from grey to RGB.",)
    alpha = load_inputs(rescaled, picture(tmp_path, (10, 20, 4)))
    assert alpha.told.conversions[1:] == ("Its colours were converted from RGBA to RGB.",)
    single = image_model(layers.Rescaling(1 / 255), shape=(10, 20, 1))
    assert load_inputs(single, picture(tmp_path)).told.conversions[1:] == (
        "Its colours were converted from RGB to grey.",
    )


def test_pictures_that_would_lose_something_are_refused(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    frames = [image.new("L", (4, 4), color) for color in (0, 255)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    image.fromarray(np.full((4, 4), 40_000, "uint16")).save(tmp_path / "deep.png")
    for name, says in [("moving.gif", "has 2 pictures in it"), ("deep.png", "more than 8 bits a channel")]:
        with pytest.raises(InputError, match=says):
            load_inputs(image_model(), tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="can't be read as a picture"):
        load_inputs(image_model(), tmp_path / "broken.png")
