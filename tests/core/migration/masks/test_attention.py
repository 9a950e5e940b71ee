"""`tracer.core.migration.masks.attention`: attention with masks and dropout, held against what Keras 2 computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tracer.core.migration.masks.attention import (
    Attended,
    attention_model,
    channels_of,
    computes_otherwise,
    has_stand_in,
    sequences_of,
)
from tracer.core.migration.masks.parts import tensor

pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking")
_WIDTHS = (4, 5, 3)  # of query, key and value
_SEEN = {"query": np.array([[1, 1, 0], [0, 0, 0]], bool), "value": np.array([[0, 1, 1, 0], [0, 0, 0, 0]], bool)}


def attention(*calls: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A translated `MultiHeadAttention`, with its calls."""
    config = {"name": "mha", "num_heads": 2, "key_dim": 3, "dropout": 0.5, "use_bias": True, **settings}
    nodes = [{"args": [tensor("query")], "kwargs": call} for call in calls or ({"value": tensor("value")},)]
    layer = {"module": "keras.layers", "class_name": "MultiHeadAttention", "config": config, "name": "mha"}
    return {**layer, "registered_name": None, "inbound_nodes": nodes}


def attended(*masked: tuple[bool, ...], channels: tuple[int, ...] | None = _WIDTHS) -> Attended:
    return Attended(channels=channels, masked=masked or ((True, True),))


def built(layer: dict[str, Any], known: Attended) -> Any:
    """The stand-in as a model, with weights that are no zeros."""
    model = keras.Model.from_config(attention_model(layer, known)["config"])
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def sequences(*names: str, masked: tuple[str, ...] = ("query", "value")) -> list[Any]:
    """Two samples of each sequence, with masks."""
    random, found = np.random.RandomState(1), []
    for name in names:
        width = _WIDTHS[("query", "key", "value").index(name)]
        x = keras.ops.convert_to_tensor(random.normal(size=(2, 3 if name == "query" else 4, width)).astype("float32"))
        if name in masked:
            keras.src.backend.set_keras_mask(
                x, keras.ops.convert_to_tensor(_SEEN["query" if x.shape[1] == 3 else "value"])
            )
        found.append(x)
    return found


def by_hand(model: Any, given: dict[str, Any], seen: Any) -> Any:
    """What Keras 2 computes: -1e9 is added to what is masked, before the softmax."""
    part = {layer.name: [np.asarray(w, "float64") for w in layer.weights] for layer in model.layers if layer.weights}

    def project(name: str, equation: str, x: Any) -> Any:
        return np.einsum(equation, np.asarray(x, "float64"), part[name][0]) + sum(part[name][1:])

    query, key, value = (
        project(name, "abc,cde->abde", given.get(name, given["value"])) for name in ("query", "key", "value")
    )
    scores = np.float32(np.einsum("aecd,abcd->acbe", key, query / np.sqrt(3.0)))
    scores += np.where(seen[:, None], np.float32(0), np.float32(-1e9))
    parts = np.exp(scores - scores.max(-1, keepdims=True), dtype="float64")
    weighted = np.einsum("acbe,aecd->abcd", parts / parts.sum(-1, keepdims=True), value)
    return project("attention_output", "abcd,cde->abe", weighted)


def mask_of(x: Any) -> Any:
    mask = keras.src.backend.get_keras_mask(x)
    return None if mask is None else np.asarray(mask)


_BOTH = _SEEN["query"][:, :, None] & _SEEN["value"][:, None, :]


def test_a_row_of_which_all_is_masked_attends_to_everything_alike() -> None:
    model = built(attention(), attended(channels=(4, 3, 3)))
    query, value = sequences("query", "value")
    found = model([query, value])
    np.testing.assert_allclose(found, by_hand(model, {"query": query, "value": value}, _BOTH), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(mask_of(found), _SEEN["query"])
    assert np.abs(np.asarray(found)[1]).max() > 0.1


def test_a_key_of_its_own_has_a_mask_of_its_own() -> None:
    call = {"key": tensor("key"), "value": tensor("value")}
    model = built(attention(call, value_dim=2, output_shape=6, use_bias=False), attended((False, True, False)))
    query, key, value = sequences("query", "key", "value", masked=("key",))
    found = model([query, key, value])
    seen = np.broadcast_to(_SEEN["value"][:, None, :], (2, 3, 4))
    given = {"query": query, "key": key, "value": value}
    assert found.shape == (2, 3, 6)
    np.testing.assert_allclose(found, by_hand(model, given, seen), rtol=1e-5, atol=1e-5)
    assert mask_of(found) is None


def test_a_causal_one_looks_at_no_later_step() -> None:
    model = built(attention({"value": tensor("value"), "use_causal_mask": True}), attended(channels=(4, 3, 3)))
    query, value = sequences("query", "value")
    expected = by_hand(model, {"query": query, "value": value}, _BOTH & np.tri(3, 4, dtype=bool))
    np.testing.assert_allclose(model([query, value]), expected, rtol=1e-5, atol=1e-5)


def test_one_that_is_called_without_masks_too_has_none_then() -> None:
    model = built(attention({"value": tensor("a")}, {"value": tensor("b")}), attended((True, True), (False, False)))
    for masked, seen in ((("query", "value"), _BOTH), ((), np.ones_like(_BOTH))):
        query, value = sequences("query", "key", masked=masked)[0], sequences("value", masked=masked)[0]
        found = model([query, value])
        np.testing.assert_allclose(found, by_hand(model, {"query": query, "value": value}, seen), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(mask_of(found), _SEEN["query"] if masked else None)


def test_dropout_is_what_it_was_while_a_model_learns(tmp_path: Path) -> None:
    model = built(attention(), attended(channels=(4, 3, 3)))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    given = sequences("query", "value")
    np.testing.assert_array_equal(loaded(given), model(given))
    assert loaded.get_layer("dropout").rate == 0.5
    assert not np.allclose(loaded(given, training=True), loaded(given))


def test_its_weights_are_where_those_of_the_layer_are() -> None:
    layer = attention(kernel_regularizer={"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.1}})
    made = attention_model({**layer, "config": {**layer["config"], "trainable": False}}, attended(channels=(4, 3, 3)))
    model, real = keras.Model.from_config(made["config"]), keras.layers.MultiHeadAttention(2, 3)
    real.build((None, None, 4), (None, None, 3))
    shapes = {f"{layer.name}/{w.name}": w.shape for layer in model.layers for w in layer.weights}
    assert shapes == {"/".join(w.path.split("/")[-2:]): w.shape for w in real.weights}
    assert not model.trainable_weights
    assert model.get_layer("query").kernel_regularizer is not None
    assert made["inbound_nodes"] == [{"args": [[tensor("query"), tensor("value")]], "kwargs": {}}]


def test_only_with_dropout_and_a_mask_does_keras_3_compute_something_else() -> None:
    assert computes_otherwise(attention(), attended((False, False), (False, True)))
    assert not computes_otherwise(attention(), attended((False, False)))
    assert not computes_otherwise(attention(dropout=0.0), attended())


@pytest.mark.parametrize(
    "layer",
    [
        attention(dtype="mixed_float16"),
        attention(attention_axes=[2]),
        attention(output_shape=[2, 3]),
        attention({"value": tensor("v"), "attention_mask": tensor("m")}),
        attention({"value": tensor("v"), "return_attention_scores": True}),
        attention({"value": tensor("v"), "use_causal_mask": False}),
        attention({"value": tensor("v")}, {"value": tensor("v"), "key": tensor("k")}),
        attention({"key": tensor("k")}),
    ],
)
def test_what_it_can_not_stand_for_is_left_to_the_proof(layer: dict[str, Any]) -> None:
    assert has_stand_in(attention(), attended())
    assert has_stand_in(attention(attention_axes=[1], output_shape=[3], dtype="float32"), attended())
    assert not has_stand_in(layer, attended())
    assert not has_stand_in(attention(), attended(channels=None))


def test_channels_are_known_of_sequences_alone() -> None:
    shapes = {"query_shape": [None, 5, 4], "key_shape": [None, None, 3], "value_shape": (None, 6, 2)}
    assert channels_of(shapes) == (4, 3, 2)
    assert channels_of({**shapes, "key_shape": [None, 5, 5, 3]}) is None
    assert channels_of({**shapes, "value_shape": None}) is None
    assert channels_of({}) is None


def test_what_a_call_attends_to_comes_in_one_order() -> None:
    (call,) = attention({"value": "v", "key": "k"})["inbound_nodes"]
    assert sequences_of(call) == [tensor("query"), "k", "v"]
