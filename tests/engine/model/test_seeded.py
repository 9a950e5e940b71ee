"""`tracer.engine.model.seeded`: the same model everywhere, with a signal that stays alive."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np
import pytest

from tracer.engine.inputs.made import make_inputs
from tracer.engine.model.seeded import seed_weights


def digest(model: Any) -> str:
    """Of all weights, in Keras' order, bit for bit."""
    weights = b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())
    return hashlib.sha256(weights).hexdigest()[:12]


def activations(model: Any, inputs: Any) -> dict[str, np.ndarray]:
    outputs = [layer.output for layer in model.layers[1:]]
    values = keras.Model(model.inputs[0], outputs)(inputs)
    return {layer.name: np.asarray(v) for layer, v in zip(model.layers[1:], values, strict=True)}


def application(name: str, size: int = 64) -> Any:
    return seed_weights(getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3)))


# Recorded once; Keras 3.0.0, 3.4.1 and 3.15.1 gave the same. They may only change when the rules of seeding do.
@pytest.mark.parametrize(
    ("name", "expected"),
    [("EfficientNetB0", "7e0394861d32"), ("EfficientNetV2B0", "2c9540ec03e3"), ("MobileNetV3Small", "04874a9aa18d")],
)
def test_every_release_builds_the_same_weights(name: str, expected: str) -> None:
    assert digest(application(name)) == expected


@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV2"])
def test_the_signal_stays_alive(name: str) -> None:
    model = application(name)
    inputs = make_inputs(model)
    values = activations(model, inputs)
    probabilities = values.pop(model.layers[-1].name)
    spreads = {layer: float(v.std()) for layer, v in values.items()}
    assert min(spreads.values()) > 1e-2, min(spreads, key=spreads.__getitem__)
    assert max(spreads.values()) < 1e1, max(spreads, key=spreads.__getitem__)
    logits = np.log(probabilities)
    assert np.all((logits.std(axis=-1) > 0.7) & (logits.std(axis=-1) < 6.0))
    # Not only the biases come through: two pictures give different answers.
    assert np.std(logits[0] - logits[1]) > 0.02


def test_a_stale_normalization_changes_the_output() -> None:
    model = application("EfficientNetB0")
    inputs = make_inputs(model)
    right = np.asarray(model(inputs))
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    layer.mean, layer.variance = layer.mean * 0, layer.variance * 0 + 1
    wrong = np.asarray(model(inputs))
    assert np.linalg.norm(wrong - right) > 1e-2 * np.linalg.norm(right)


def small() -> Any:
    """Unnamed layers, so that Keras numbers them."""
    x = keras.Input((8, 8, 3))
    y = keras.layers.Normalization()(x)
    y = keras.layers.Conv2D(4, 3, activation="relu")(y)
    y = keras.layers.Conv2D(4, 3, activation="relu")(y)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5), keras.layers.Dense(5)])
    y = inner(keras.layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, keras.layers.Dense(3, activation="softmax")(y))


def test_what_was_built_before_does_not_matter() -> None:
    keras.backend.clear_session()
    first = digest(seed_weights(small()))
    # Past a change in the number of digits, where sorting by text would turn the order around.
    for _ in range(9):
        keras.layers.Conv2D(1, 1)
        keras.layers.Dense(1)
    second = small()
    assert any(layer.name.endswith(("_10", "_11")) for layer in second.layers)
    assert digest(seed_weights(second)) == first


def test_seeds_differ_and_layers_differ() -> None:
    model = seed_weights(small())
    one = digest(model)
    assert digest(seed_weights(model, seed=1)) != one
    assert digest(seed_weights(model, seed=0)) == one
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels[0].std() > 0.1 and not np.array_equal(kernels[0][:, :, :3, :], kernels[1][:, :, :3, :])


def test_normalization_is_finalized_with_imagenet_statistics() -> None:
    layer = next(x for x in seed_weights(small()).layers if isinstance(x, keras.layers.Normalization))
    np.testing.assert_allclose(np.asarray(layer.mean).ravel(), [0.485, 0.456, 0.406], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(layer.variance).ravel(), [0.229, 0.224, 0.225], rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in"),
    [
        (lambda: keras.layers.Conv2D(64, 3), (9, 9, 8), 72),
        (lambda: keras.layers.Conv2D(64, 3, groups=4), (9, 9, 8), 18),
        (lambda: keras.layers.DepthwiseConv2D(5, depth_multiplier=2), (9, 9, 256), 25),
        (lambda: keras.layers.Conv2DTranspose(64, 4, strides=2), (9, 9, 8), 32),
        (lambda: keras.layers.Dense(64), (100,), 100),
        (lambda: keras.layers.EinsumDense("abc,cde->abde", (None, 8, 8)), (4, 32), 32),
        (lambda: keras.layers.EinsumDense("abcd,cde->abe", (None, 64)), (4, 8, 4), 32),
        (lambda: keras.layers.LSTM(32), (5, 50), 50),
    ],
)
def test_kernels_are_scaled_by_what_one_output_sums_over(layer: Any, shape: tuple[int, ...], fan_in: int) -> None:
    built = layer()
    x = keras.Input(shape)
    seed_weights(keras.Model(x, built(x)))
    kernel = np.asarray(getattr(built, "cell", built).kernel)
    assert kernel.std() == pytest.approx(fan_in**-0.5, rel=0.1)


def test_counters_and_seed_states_are_left_alone() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5, seed=7), keras.layers.Normalization()])
    before = [np.asarray(v) for v in model.variables if "float" not in str(v.dtype)]
    seed_weights(model)
    after = [np.asarray(v) for v in model.variables if "float" not in str(v.dtype)]
    assert before and all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_skipped_layers_keep_weights_and_state() -> None:
    model = small()
    normalization = model.layers[1]
    dense = model.layers[-1].kernel.numpy()
    seed_weights(model, skip=lambda layer: layer is normalization)
    assert np.all(np.asarray(normalization.mean) == 0)
    assert not np.array_equal(model.layers[-1].kernel.numpy(), dense)
