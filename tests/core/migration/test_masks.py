"""Layers that join masks, or hand them on, as Keras 2 does: held against what Keras 2 computes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from test_translate import built, graph, layer, start

from tracer.core.migration.translate import translate

_IDS = np.array([[1, 2, 0, 3, 0], [0, 0, 4, 1, 2]])
_OTHERS = np.array([[1, 0, 5, 3, 0], [6, 0, 4, 0, 2]])
_TOLD = "masks of layers that Keras 3 joins, drops or hands on otherwise"


def words(name: str, of: str, *, masked: bool = True) -> dict[str, Any]:
    """An `Embedding`."""
    return layer("Embedding", name, [[[of, 0, 0, {}]]], input_dim=9, output_dim=4, mask_zero=masked)


def call(class_name: str, name: str, *of: str, **config: Any) -> dict[str, Any]:
    """A layer that is called once."""
    return layer(class_name, name, [[[one, 0, 0, {}] for one in of]], **config)


def two(*middle: dict[str, Any], masked: tuple[bool, bool] = (True, True), end: str = "end") -> dict[str, Any]:
    """A model with two embedded inputs, `a` and `b`, and something of them."""
    inputs = [start("x", 5), start("y", 5)]
    embedded = [words("a", "x", masked=masked[0]), words("b", "y", masked=masked[1])]
    return graph("m", [*inputs, *embedded, *middle], [[end, 0, 0]], [["x", 0, 0], ["y", 0, 0]])


def mask_of(tensor: Any) -> Any:
    """The mask of a tensor as an array, or None."""
    mask = keras.src.backend.get_keras_mask(tensor)
    return None if mask is None else np.asarray(mask)


def run(model: Any) -> tuple[Any, Any, Any]:
    """What the model returns, and what its embeddings return."""
    fed = [keras.ops.convert_to_tensor(ids) for ids in (_IDS, _OTHERS)]
    a, b = (np.asarray(model.get_layer(name)(ids)) for name, ids in zip("ab", fed, strict=True))
    return model(fed), a, b


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize(
    ("class_name", "merged"),
    [
        ("Add", lambda a, b: a + b),
        ("Subtract", lambda a, b: a - b),
        ("Multiply", lambda a, b: a * b),
        ("Average", lambda a, b: (a + b) / 2),
        ("Maximum", np.maximum),
        ("Minimum", np.minimum),
        ("Concatenate", lambda a, b: np.concatenate([a, b], axis=-1)),
    ],
)
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, True)])
def test_masks_are_joined_by_and(class_name: str, merged: Any, masked: tuple[bool, bool]) -> None:
    found, a, b = run(built(two(call(class_name, "end", "a", "b"), masked=masked)))
    expected = (_IDS != 0 if masked[0] else True) & (_OTHERS != 0 if masked[1] else True)
    np.testing.assert_array_equal(mask_of(found), expected)
    np.testing.assert_allclose(np.asarray(found), merged(a, b), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_what_a_layer_behind_makes_of_the_mask_survives_saving(tmp_path: Any) -> None:
    model = built(two(call("Add", "sum", "a", "b"), call("GRU", "end", "sum", units=3)))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    found, a, b = run(loaded)
    expected = loaded.get_layer("end")(a + b, mask=keras.ops.convert_to_tensor((_IDS != 0) & (_OTHERS != 0)))
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-6)
    assert np.abs(np.asarray(found) - np.asarray(loaded.get_layer("end")(a + b))).max() > 1e-3


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize("class_name", ["Rescaling", "Identity"])
def test_a_mask_ends_where_it_ends_in_keras_2(class_name: str) -> None:
    settings = {"scale": 2.0, "offset": 1.0} if class_name == "Rescaling" else {}
    model = built(two(call(class_name, "sum", "a", **settings), call("Add", "end", "sum", "b"), masked=(True, False)))
    found, a, b = run(model)
    assert mask_of(found) is None
    np.testing.assert_allclose(np.asarray(found), (2 * a + 1 if settings else a) + b, rtol=1e-6)


def test_what_is_the_same_in_both_is_left_as_it_is() -> None:
    same = call("Concatenate", "end", "left", "right", axis=-1)
    passing = [call("Dropout", "left", "a", rate=0.1), call("Activation", "right", "a", activation="relu")]
    behind = [call("Normalization", "left", "a"), call("Conv1D", "right", "b", filters=2, kernel_size=1)]
    for middle in (passing, behind):
        translation = translate(two(*middle, same))
        assert translation.problems == ()
        assert _TOLD not in translation.applied


@pytest.mark.parametrize("sequences", [True, False])
def test_a_recurrent_layer_hands_the_mask_on_where_it_returns_sequences(sequences: bool) -> None:
    rnn = {"class_name": "LSTM", "config": {"name": "inner", "units": 4, "return_sequences": sequences}}
    middle = [
        layer("Bidirectional", "left", [[["a", 0, 0, {}]]], layer=rnn),
        layer("LSTM", "right", [[["b", 0, 0, {}]]], units=8, return_sequences=sequences),
        call("Add", "end", "left", "right"),
    ]
    assert translate(two(*middle)).applied.get(_TOLD, 0) == sequences


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_masks_reach_layers_in_a_nested_model() -> None:
    inner = graph("inner", [start("p", 5, 4), start("q", 5, 4), call("Add", "sum", "p", "q")], [["sum", 0, 0]])
    inner["config"]["input_layers"] = [["p", 0, 0], ["q", 0, 0]]
    nested = {**inner, "name": "inner", "inbound_nodes": [[["a", 0, 0, {}], ["b", 0, 0, {}]]]}
    steps = [start("in", 5, 4), call("Rescaling", "half", scale=0.5)]
    tail = {"class_name": "Sequential", "config": {"name": "tail", "layers": steps}}
    tail = {**tail, "name": "tail", "inbound_nodes": [[["inner", 1, 0, {}]]]}
    translation = translate(two(nested, tail, masked=(True, False), end="tail"))
    assert translation.problems == ()
    assert translation.applied[_TOLD] == 2
    found, a, b = run(built(two(nested, masked=(True, False), end="inner")))
    np.testing.assert_array_equal(mask_of(found), _IDS != 0)
    np.testing.assert_allclose(np.asarray(found), a + b, rtol=1e-6)


def test_a_mask_that_is_made_of_the_numbers_themselves() -> None:
    hidden = [layer("Masking", name, [[[of, 0, 0, {}]]], mask_value=0.0) for name, of in (("p", "a"), ("q", "b"))]
    assert translate(two(*hidden, call("Add", "end", "p", "q"), masked=(False, False))).applied[_TOLD] == 1
    assert _TOLD not in translate(two(*hidden, call("Add", "end", "p", "p"))).applied


def test_a_model_of_the_users_own_is_not_looked_into() -> None:
    own = {"class_name": "Own", "module": "mine", "registered_name": "mine>Own", "config": {"layers": [1, 2]}}
    assert translate(own).config["config"] == {"layers": [1, 2]}
    assert translate(two({**own, "name": "end", "inbound_nodes": [[["a", 0, 0, {}]]]})).problems == ()


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_layer_that_is_called_twice_keeps_the_order_of_its_outputs() -> None:
    shared = layer("Subtract", "shared", [[["a", 0, 0, {}], ["b", 0, 0, {}]], [["b", 0, 0, {}], ["a", 0, 0, {}]]])
    config = two(shared, end="shared")
    config["config"]["output_layers"] = [["shared", 0, 0], ["shared", 1, 0]]
    (there, back), a, b = run(built(config))
    np.testing.assert_allclose(np.asarray(there), a - b, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(back), b - a, rtol=1e-6)


def attention(name: str, **config: Any) -> dict[str, Any]:
    """Attention from `a` to `b`, as Keras 2 writes it."""
    shapes = {f"{of}_shape": [None, 5, 4] for of in ("query", "key", "value")}
    settings = {"num_heads": 2, "key_dim": 3, "dropout": 0.1, **shapes, **config}
    return layer("MultiHeadAttention", name, [[["a", 0, 0, {"value": ["b", 0, 0]}]]], **settings)


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_attention_to_what_is_all_masked_is_what_it_was() -> None:
    translation = translate(two(attention("end")))
    assert translation.applied[_TOLD] == 1
    found, a, b = run(model := built(two(attention("end"))))
    real = keras.layers.MultiHeadAttention(2, 3)  # without dropout, it does as Keras 2
    real.build((None, 5, 4), (None, 5, 4))
    real.set_weights([w for part in ("query", "key", "value", "attention_output") for w in _weights(model, part)])
    seen = (_IDS != 0)[:, :, None] & (_OTHERS != 0)[:, None, :]
    np.testing.assert_allclose(np.asarray(found), np.asarray(real(a, b, attention_mask=seen)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(mask_of(found), _IDS != 0)


def _weights(model: Any, part: str) -> Any:
    return model.get_layer("end").get_layer(part).get_weights()


def test_attention_that_computes_the_same_is_left_as_it_is() -> None:
    assert _TOLD not in translate(two(attention("end"), masked=(False, False))).applied
    assert _TOLD not in translate(two(attention("end", dropout=0.0))).applied
    assert _TOLD not in translate(two(attention("end", value_shape=None))).applied


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_inputs_and_outputs_by_name() -> None:
    config = two(call("Add", "end", "a", "b"))
    config["config"] |= {"input_layers": {"x": ["x", 0, 0], "y": ["y", 0, 0]}, "output_layers": {"end": ["end", 0, 0]}}
    found = built(config)({"x": keras.ops.convert_to_tensor(_IDS), "y": keras.ops.convert_to_tensor(_OTHERS)})
    np.testing.assert_array_equal(mask_of(found["end"]), (_IDS != 0) & (_OTHERS != 0))
