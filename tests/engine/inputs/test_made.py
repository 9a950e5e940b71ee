"""`tracer.engine.inputs.made`: inputs that fit, made, loaded or given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.inputs.made import fit_inputs, load_inputs, make_inputs
from tracer.engine.inputs.signature import signature
from tracer.errors import InputError


def image_model(*front: Any, shape: tuple[int | None, ...] = (16, 16, 3), dtype: str = "float32") -> Any:
    x = y = keras.Input(shape, dtype=dtype, name="image")
    for layer in front:
        y = layer(y)
    return keras.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(y)))


def ids_model(*middle: Any, shape: tuple[int | None, ...] = (8,), dtype: str = "int32") -> Any:
    x = y = keras.Input(shape, dtype=dtype, name="ids")
    for layer in middle:
        y = layer(y)
    return keras.Model(x, y)


def test_the_same_seed_gives_the_same_inputs_whatever_was_built_before() -> None:
    one = make_inputs(image_model(), seed=3)
    assert np.array_equal(one, make_inputs(image_model(), seed=3))
    assert not np.array_equal(one, make_inputs(image_model(), seed=4))
    assert one.shape == (2, 16, 16, 3) and one.dtype == np.float32
    assert make_inputs(image_model(), batch=5).shape[0] == 5


@pytest.mark.parametrize(
    "front",
    [
        [layers.Rescaling(1 / 255)],
        [layers.RandomFlip(), layers.Rescaling(1 / 127.5, offset=-1)],
        [keras.Sequential([layers.Rescaling(1 / 255), layers.Normalization()])],
        [lambda x: x / 255.0],
        [lambda x: (x - 127.5) * (1 / 127.5)],
        [lambda x: x - 100.0, layers.Normalization(mean=[0.0] * 3, variance=[1.0] * 3)],
    ],
)
def test_pictures_are_pixels_where_the_model_rescales(front: list[Any]) -> None:
    image = make_inputs(image_model(*front))
    assert image.min() >= 0 and 200 < image.max() <= 255 and 40 < image.std() < 80
    assert not np.allclose(image[0].mean(axis=(0, 1)), image[1].mean(axis=(0, 1)), atol=2)


def test_pictures_are_unit_normal_where_it_does_not() -> None:
    image = make_inputs(image_model())
    assert abs(image.mean()) < 0.1 and 0.9 < image.std() < 1.1


def test_unsigned_bytes_are_pixels() -> None:
    image = make_inputs(image_model(layers.Rescaling(1 / 255), dtype="uint8"))
    assert image.dtype == np.uint8 and image.max() > 200


def test_open_dimensions_get_a_size() -> None:
    assert make_inputs(image_model(shape=(None, None, 3))).shape == (2, 96, 96, 3)
    steps = keras.Input((None, 5))
    assert make_inputs(keras.Model(steps, layers.LSTM(3)(steps))).shape == (2, 16, 5)
    fixed = keras.Input(batch_shape=(4, 3))
    assert make_inputs(keras.Model(fixed, layers.Dense(1)(fixed))).shape == (4, 3)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize(
    "middle",
    [
        [layers.Embedding(7, 2)],
        [layers.Reshape((4, 2)), layers.TimeDistributed(layers.Embedding(7, 2))],
        [keras.Sequential([layers.Embedding(7, 2), layers.Flatten(), layers.Dense(1)])],
        [layers.CategoryEncoding(7, output_mode="multi_hot")],
        [lambda x: layers.Embedding(50, 2)(x) + layers.Embedding(7, 2)(x)],
    ],
)
def test_ids_are_in_range(middle: list[Any], dtype: str) -> None:
    ids = make_inputs(ids_model(*middle, dtype=dtype), batch=64)
    assert ids.dtype == dtype
    assert set(np.unique(ids)) == set(range(7))


def test_ids_end_in_zeros_where_zero_is_masked() -> None:
    ids = make_inputs(ids_model(layers.Embedding(7, 2, mask_zero=True)), batch=64)
    assert np.all(ids[:, -2:] == 0) and np.all(ids[:, :-2] > 0)


class Tokens(layers.Layer):
    """An embedding of tokens and one of positions, as a composite layer has them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(30, 4)
        self.positions = layers.Embedding(9, 4)

    def call(self, ids: Any) -> Any:
        return self.tokens(ids) + self.positions(keras.ops.arange(9))


class Positions(layers.Layer):
    """A table of positions added to features: its size says nothing about the values of the features."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = layers.Embedding(6, 4)

    def call(self, features: Any) -> Any:
        return features + self.table(keras.ops.arange(6))


def test_composite_layers_are_looked_into() -> None:
    ids = make_inputs(ids_model(Tokens(), shape=(9,)), batch=64)
    assert ids.min() == 0 and ids.max() == 8
    features = make_inputs(ids_model(Positions(), shape=(6, 4), dtype="float32"))
    assert features.min() < 0 and not np.array_equal(features, np.floor(features))


def test_lookups_get_words_of_their_vocabulary() -> None:
    lookup = layers.StringLookup(vocabulary=["cat", "dog", "fish"])
    words = make_inputs(ids_model(lookup, layers.Embedding(4, 2), dtype="string"), batch=20)
    assert words.shape == (20, 8) and set(np.unique(words)) == {"cat", "dog", "fish"}
    lookup = layers.IntegerLookup(vocabulary=[10, 20, 300])
    assert set(np.unique(make_inputs(ids_model(lookup, dtype="int64"), batch=20))) == {10, 20, 300}
    text = layers.TextVectorization(vocabulary=["red", "green"], output_sequence_length=4)
    sentences = make_inputs(ids_model(text, shape=(1,), dtype="string"))
    assert sentences.shape == (2, 1) and set(" ".join(sentences.ravel()).split()) == {"red", "green"}
    assert np.asarray(ids_model(text, shape=(1,), dtype="string")(sentences)).shape == (2, 4)


def test_discretization_gets_values_on_both_sides_of_its_edges() -> None:
    values = make_inputs(ids_model(layers.Discretization([10.0, 20.0]), dtype="float32"), batch=50)
    assert values.min() < 10 and values.max() > 20


def test_normalization_gets_what_it_normalizes_even_when_its_state_is_stale() -> None:
    layer = layers.Normalization()
    model = ids_model(layer, layers.Dense(1), shape=(3,), dtype="float32")
    layer.set_weights([np.full(3, 50.0), np.full(3, 4.0), np.array(0)])
    assert not np.any(np.asarray(layer.mean))
    values = make_inputs(model, batch=200)
    assert values.mean() == pytest.approx(50, abs=0.5) and values.std() == pytest.approx(2, abs=0.2)


def test_booleans() -> None:
    flags = make_inputs(ids_model(lambda x: keras.ops.cast(x, "float32"), dtype="bool"), batch=20)
    assert flags.dtype == np.bool_ and 0 < flags.mean() < 1


def two_inputs(as_dict: bool) -> Any:
    left, right = keras.Input((4,), name="left"), keras.Input((3,), dtype="int32", name="right")
    y = layers.Concatenate()([left, layers.Flatten()(layers.Embedding(9, 2)(right))])
    return keras.Model({"right": right, "left": left} if as_dict else [left, right], layers.Dense(1)(y))


def test_several_inputs_come_as_the_call_takes_them() -> None:
    listed, named = make_inputs(two_inputs(False)), make_inputs(two_inputs(True))
    assert [x.shape for x in listed] == [(2, 4), (2, 3)]
    assert {k: x.shape for k, x in named.items()} == {"right": (2, 3), "left": (2, 4)}
    assert two_inputs(False)(listed).shape == two_inputs(True)(named).shape == (2, 1)


class Subclassed(keras.Model):
    """Without a graph."""

    def __init__(self, first: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = first

    def call(self, inputs: Any) -> Any:
        return self.first(inputs["x"] if isinstance(inputs, dict) else inputs)


def test_subclassed_models_are_known_once_they_are_built() -> None:
    with pytest.raises(InputError, match=r"has no input signature\. Give them with --inputs"):
        make_inputs(Subclassed(layers.Dense(2)))
    dense = Subclassed(layers.Dense(2))
    dense(np.zeros((1, 5), "float32"))
    assert make_inputs(dense).shape == (2, 5)  # the batch of the first call doesn't stick
    embedding = Subclassed(layers.Embedding(6, 2))
    embedding(np.zeros((1, 5), "int32"))
    ids = make_inputs(embedding, batch=30)
    assert ids.dtype == np.int32 and ids.max() == 5
    named = Subclassed(layers.Dense(2))
    named({"x": np.zeros((1, 5), "float32")})
    assert make_inputs(named)["x"].shape == (2, 5)


class TwoArguments(keras.Model):
    """Its call takes more than one structure can hold."""

    def call(self, left: Any, right: Any) -> Any:
        return left + right


def test_a_call_with_two_arguments_needs_given_inputs() -> None:
    model = TwoArguments()
    model(np.ones((1, 3)), np.ones((1, 3)))
    with pytest.raises(InputError, match="its call takes left, right"):
        make_inputs(model)


def test_an_unbuilt_sequential_has_no_signature() -> None:
    with pytest.raises(InputError, match="no input signature"):
        make_inputs(keras.Sequential([layers.Dense(1)]))


def test_another_name_is_refused_even_where_there_is_one_input() -> None:
    single = image_model()
    with pytest.raises(InputError, match="unknown anything"):
        fit_inputs(single, {"anything": np.zeros((1, *single.inputs[0].shape[1:]), "float32")})


def test_fit_inputs_accepts_every_way_of_giving_them() -> None:
    model, left, right = two_inputs(False), np.ones((5, 4)), np.ones((5, 3), "int64")
    for given in ([left, right], (left, right), {"left": left, "right": right}, {"arr_0": left, "arr_1": right}):
        fitted = fit_inputs(model, given)
        assert [x.dtype for x in fitted] == [np.float32, np.int32]
    fitted = fit_inputs(two_inputs(True), {"left": left, "right": right})
    assert set(fitted) == {"left", "right"}
    single = image_model()
    image = np.zeros((1, 16, 16, 3))
    assert all(
        fit_inputs(single, v).shape == image.shape
        for v in (image, [image], {single.inputs[0].name: image}, image.tolist())
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([np.ones((2, 4))], "takes 2 inputs (left, right); received 1"),
        ({"left": np.ones((2, 4)), "rihgt": np.ones((2, 3))}, "missing right, unknown rihgt"),
        ([np.ones((2, 5)), np.ones((2, 3))], "input 'left': expected shape (any, 4), received (2, 5)"),
        ([np.ones(4), np.ones((2, 3))], "input 'left': expected shape (any, 4), received (4,)"),
        ([np.ones((2, 4)), np.full((2, 3), 0.5)], "input 'right': expected int32, received float64"),
        ([np.full((2, 4), "a"), np.ones((2, 3))], "input 'left': expected float32, received <U1"),
        ([np.ones((2, 4)), np.ones((3, 3))], "different numbers of samples: left 2, right 3"),
    ],
)
def test_fit_inputs_says_what_does_not_fit(value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_inputs(two_inputs(False), value)
    assert says in str(caught.value)


def test_load_inputs_from_numpy_files(tmp_path: Path) -> None:
    left, right = np.arange(12.0).reshape(3, 4), np.zeros((3, 3), "int32")
    np.savez(tmp_path / "named.npz", left=left, right=right)
    np.savez(tmp_path / "positional.npz", left, right)
    for name in ("named.npz", "positional.npz"):
        loaded = load_inputs(two_inputs(False), tmp_path / name)
        assert np.array_equal(loaded[0], left)
        assert len(load_inputs(two_inputs(False), tmp_path / name, batch=2)[1]) == 2
    np.save(tmp_path / "image.npy", np.zeros((1, 16, 16, 3)))
    assert load_inputs(image_model(), tmp_path / "image.npy").shape == (1, 16, 16, 3)


def test_load_inputs_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "whole.npz", left=np.ones((400, 4)))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "x.csv").write_text("1,2")
    for name, says in [
        ("none.npz", "does not exist"),
        ("objects.npy", "Python objects"),
        ("cut.npz", "can't be read"),
        ("empty.npy", "can't be read"),
        ("x.csv", "unknown kind of file"),
    ]:
        with pytest.raises(InputError) as caught:
            load_inputs(image_model(), tmp_path / name)
        assert says in str(caught.value) and name in str(caught.value)


def test_a_picture_is_resized_and_scaled(tmp_path: Path) -> None:
    pixels = np.zeros((10, 20, 3), "uint8")
    pixels[:, 10:] = 255
    file = tmp_path / "p.png"
    try:
        keras.utils.save_img(file, pixels, scale=False)
    except ImportError:
        file.write_bytes(b"")
        with pytest.raises(InputError, match="needs Pillow"):
            load_inputs(image_model(), file)
        return
    image = load_inputs(image_model(layers.Rescaling(1 / 255)), file)
    assert image.shape == (1, 16, 16, 3) and image.max() == 255
    assert load_inputs(image_model(), file).min() == -1
    with pytest.raises(InputError, match="is a picture; this model takes ids"):
        load_inputs(ids_model(layers.Embedding(3, 2)), file)


def test_signature_names_the_inputs() -> None:
    spec = signature(image_model(layers.Rescaling(1 / 255)))
    assert (spec.name, spec.shape, spec.dtype, spec.demand.kind) == ("image", (None, 16, 16, 3), "float32", "pixels")
