"""`tracer.probe`: the activations as a model, by the layer paths that reports use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import zoo
from tracer.core.source import Call
from tracer.engine.inputs.made import make_inputs
from tracer.engine.model.probe import probe as make_probe
from tracer.engine.run.live import LiveSource
from tracer.errors import ModelError, SpecError


def _deep() -> Any:
    """Nested in nested, called twice, with several outputs inside."""
    a = keras.Input((4,), name="a")
    left = layers.Dense(3, name="left")(a)
    core = keras.Model(a, [left, layers.Dense(3, name="right")(a)], name="core")
    b = keras.Input((4,), name="b")
    one, other = core(b)
    middle = keras.Model(b, layers.Add(name="add")([one, other]), name="middle")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    joined = layers.Concatenate(name="joined")([middle(x), middle(y)])
    return keras.Model([x, y], layers.Dense(2, name="out")(joined * 0.5), name="deep")


def _several() -> Any:
    """Layers that return more than one tensor."""
    x = keras.Input((5, 4), name="x")
    sequence, state = layers.GRU(3, return_sequences=True, return_state=True, name="gru")(x)
    pooled = layers.GlobalAveragePooling1D(name="pool")(sequence)
    return keras.Model(x, [layers.Dense(2, name="out")(pooled), layers.Dense(1, name="last")(state)], name="several")


def _nested_sequential() -> Any:
    block = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="up"), layers.ReLU(name="relu")], name="block")
    return keras.Sequential([keras.Input((6,)), block, layers.Dense(2, name="out")], name="outer")


def _unnamed() -> Any:
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(2)(layers.Dense(3)(x) + 1.0))


_MODELS: dict[str, Callable[[], Any]] = {
    "functional": zoo.tiny_functional,
    "sequential": zoo.tiny_sequential,
    "nested": zoo.tiny_nested,
    "nested-sequential": _nested_sequential,
    "shared": zoo.tiny_shared,
    "multi-io": zoo.tiny_multi_io,
    "attention": zoo.tiny_attention,
    "masked": zoo.tiny_text,
    "several-outputs": _several,
    "deep": _deep,
    "unnamed": _unnamed,
}


@pytest.fixture(scope="module", params=sorted(_MODELS))
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, Any]:
    """A model, its inputs, and its probe."""
    model = _MODELS[request.param]()
    return model, make_inputs(model, seed=0, batch=3), make_probe(model)


def activations(model: Any, inputs: Any) -> dict[str, np.ndarray]:
    """What the tracer itself sees at every call site that isn't inside a layer with code of its own."""
    source = LiveSource(model, "model")
    source.begin(inputs, training=False)
    found = {}
    while isinstance(call := source.receive(), Call):
        for index, value in enumerate(call.outputs if not call.box else ()):
            found[f"{call.path}:{index}" if index else call.path] = np.array(value.array)
        source.proceed()
    source.close()
    return found


def test_the_keys_are_the_layer_paths_of_a_report(case: tuple[Any, Any, Any]) -> None:
    model, inputs, probe = case
    report = tracer.diff(model, model, inputs)
    outermost = set(activations(model, inputs))  # of a layer with code of its own the inner ones are no graph
    assert set(probe(inputs)) == {layer.layer for layer in report.layers} & outermost
    assert set(probe(inputs)) == outermost


def test_graphs_have_every_path_of_the_report() -> None:
    for name in ("functional", "nested", "shared", "deep", "several-outputs"):
        model = _MODELS[name]()
        report = tracer.diff(model, model)
        assert list(tracer.probe(model).output) == [layer.layer for layer in report.layers], name


def test_the_values_are_the_activations(case: tuple[Any, Any, Any]) -> None:
    model, inputs, probe = case
    for path, expected in activations(model, inputs).items():
        np.testing.assert_array_equal(np.asarray(probe(inputs)[path]), expected, err_msg=path)


def test_it_is_a_plain_model_that_predicts(case: tuple[Any, Any, Any]) -> None:
    _, inputs, probe = case
    assert isinstance(probe, keras.Model)
    predicted = probe.predict(inputs, verbose=0)
    for path, tensor in probe(inputs).items():
        np.testing.assert_allclose(predicted[path], np.asarray(tensor), rtol=1e-5, atol=1e-6)


def test_the_model_computes_and_saves_as_before(case: tuple[Any, Any, Any], tmp_path: Path) -> None:
    model, inputs, _ = case
    before, config, weights = model(inputs), model.get_config(), model.get_weights()
    tracer.probe(model)
    tracer.probe(model)
    after = model(inputs)
    for x, y in zip(_flat(before), _flat(after), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    assert str(model.get_config()) == str(config)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for x, y in zip(weights, loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(_flat(after), _flat(loaded(inputs)), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def _flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        return [outputs[key] for key in sorted(outputs)]
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def test_weights_are_shared_not_copied() -> None:
    model = zoo.tiny_nested()
    probe = tracer.probe(model)
    inputs = make_inputs(model, seed=0, batch=2)
    dense = model.get_layer("inner").get_layer("dense")
    dense.set_weights([w * 0.0 for w in dense.get_weights()])
    assert not np.asarray(probe(inputs)["inner/dense"]).any()


def test_the_chosen_layers_come_in_the_order_asked_for() -> None:
    model = _deep()
    probe = tracer.probe(model, ["out", "middle#1/core/right", "middle/add"])
    assert list(probe.output) == ["out", "middle#1/core/right", "middle/add"]
    assert list(tracer.probe(model, "out").output) == ["out"]


@pytest.mark.parametrize(
    ("asked", "near"),
    [("inner/densee", "inner/dense"), ("inner", "inner/dense"), ("inner/normalisation", "inner/normalization")],
)
def test_an_unknown_path_is_answered_with_the_nearest(asked: str, near: str) -> None:
    with pytest.raises(SpecError, match=near) as raised:
        tracer.probe(zoo.tiny_nested(), [asked])
    assert repr(asked) in str(raised.value)


@pytest.mark.parametrize(
    "model",
    [zoo.tiny_subclassed, lambda: keras.Sequential([layers.Dense(2)]), lambda: layers.Dense(2), lambda: "m.keras"],
    ids=["subclassed", "unbuilt", "layer", "text"],
)
def test_what_has_no_graph_is_refused_with_what_to_do(model: Callable[[], Any]) -> None:
    with pytest.raises(ModelError, match="no graph to probe"):
        tracer.probe(model())
