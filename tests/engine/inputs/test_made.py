"""`made`: seeded inputs that fit."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.engine.inputs.made import make_inputs
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


def test_signature_names_the_inputs() -> None:
    spec = signature(image_model(layers.Rescaling(1 / 255)))
    assert (spec.name, spec.shape, spec.dtype, spec.demand.kind) == ("image", (None, 16, 16, 3), "float32", "pixels")


def test_a_model_inside_that_gets_a_mask_demands_nothing_of_it() -> None:
    """Keras computes the mask from the ids, in the graph, and hands it in by keyword."""
    ids = keras.Input((5,), dtype="int32", name="ids")
    inside = keras.Input((5, 2))
    inner = keras.Model(inside, layers.LSTM(3)(inside), name="inner")
    model = keras.Model(ids, inner(layers.Embedding(7, 2, mask_zero=True)(ids)))
    made = make_inputs(model)
    assert made.shape == (2, 5) and made.min() >= 0 and made.max() < 7
