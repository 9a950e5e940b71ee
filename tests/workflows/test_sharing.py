"""Where both sides have computed the same large tensor, they go on with one; no verdict depends on it."""

import threading

import keras
import numpy as np
import pytest

import tracer
from tracer.records import Verdict

_SHAPE = (1_500, 3_000)  # 18 MB
SHAPES = (_SHAPE, (10, 10))
# Addresses of what came in, by layer name, and the names of the threads that called, which end with the model's.
_CAME: dict[str, list[int]] = {}
_WHO: dict[str, list[str]] = {}

addresses = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="notes TensorFlow's addresses")


@keras.saving.register_keras_serializable("sharing")
class Noting(keras.layers.Layer):
    """Adds one to a single value; notes where its input lies."""

    def __init__(self, amount: float = 1.0, extra: bool = False, **options) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.amount, self.extra = amount, extra

    def call(self, x):
        if hasattr(x, "numpy"):
            _CAME.setdefault(self.name, []).append(np.asarray(x).__array_interface__["data"][0])
            _WHO.setdefault(self.name, []).append(threading.current_thread().name)
        y = x + keras.ops.one_hot(7, x.shape[-1]) * self.amount
        return {"y": y, "n": 3} if self.extra else y


@keras.saving.register_keras_serializable("sharing")
class HandingOn(keras.layers.Layer):
    """Returns the tensor that it gets, itself; with a mask or without."""

    def __init__(self, masks: bool = True, **options) -> None:
        super().__init__(**options)
        self.supports_masking, self.masks = True, masks

    def call(self, x):
        return x

    def compute_mask(self, inputs, previous_mask=None):
        del previous_mask
        return keras.ops.any(inputs != 0.0, axis=-1) if self.masks else None


def _chain(*made: keras.layers.Layer, shape: tuple[int, ...] = _SHAPE) -> keras.Model:
    inputs = x = keras.Input(shape)
    for layer in made:
        x = layer(x)
    return keras.Model(inputs, x)


def _inputs(shape: tuple[int, ...] = _SHAPE) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    x[:, -2:] = 0.0
    return x


def _addresses(shape: tuple[int, ...], amount: float = 1.0) -> list[int]:
    _CAME.clear()
    pair = [_chain(Noting(a, name="a"), Noting(name="b"), shape=shape) for a in (1.0, amount)]
    report = tracer.diff(*pair, _inputs(shape), prove=False)
    # What differs must go on as it is, or nothing would be inherited.
    expected = ["identical", "identical"] if amount == 1.0 else ["introduced", "inherited"]
    assert [layer.verdict for layer in report.layers] == expected
    return _CAME["b"]


@addresses
def test_a_large_tensor_that_is_the_same_on_both_sides_is_kept_once() -> None:
    here, there = _addresses(_SHAPE)
    assert here == there


@addresses
def test_after_a_large_layer_the_candidate_goes_on_first() -> None:
    """Its own tensor is gone by then; the reference would need room beside it."""
    pair = [_chain(Noting(name="a"), Noting(name="b")) for _ in range(2)]
    _WHO.clear()
    assert tracer.diff(*pair, _inputs()).matches
    assert [name.endswith(repr(pair[1].name)) for name in _WHO["b"]] == [True, False]


@addresses
def test_small_ones_and_different_ones_are_each_sides_own() -> None:
    assert len(set(_addresses((10, 10)))) == 2
    *_, there, here, replayed = _addresses(_SHAPE, amount=2.0)  # one after the other, the candidate first
    assert here == replayed != there


def check_masks(shape: tuple[int, ...]) -> None:
    """On every backend: a mask that one side's layer puts on the tensor that it hands on is missed on the other."""

    def model(masks: bool) -> keras.Model:
        return _chain(Noting(name="a"), HandingOn(masks, name="handing_on"), Noting(name="b"), shape=shape)

    for masks in ((True, False), (False, True)):
        report = tracer.diff(*map(model, masks), _inputs(shape))
        assert [fault.layer for fault in report.faults] == ["handing_on"], masks
        assert "mask" in next(layer.note for layer in report.layers if layer.layer == "handing_on")
    assert tracer.diff(model(True), model(True), _inputs(shape)).matches


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_that_one_side_puts_on_a_tensor_is_missed_on_the_other(shape: tuple[int, ...]) -> None:
    check_masks(shape)


@keras.saving.register_keras_serializable("sharing")
class Unpacking(keras.layers.Layer):
    """A subclassed model's inside: a layer returns a tensor and a number, and both are used."""

    def __init__(self, amount: float = 1.0, **options) -> None:
        super().__init__(**options)
        self.inner = Noting(amount, extra=True, name="inner")

    def build(self, _shape) -> None:
        self.built = True

    def call(self, x):
        result = self.inner(x)
        return result["y"] * float(result["n"])


def test_what_else_a_layer_returns_stays_as_it_is() -> None:
    report = tracer.diff(_chain(Unpacking(name="outer")), _chain(Unpacking(name="outer")), _inputs())
    assert report.matches
    assert {layer.layer: layer.verdict for layer in report.layers}["outer/inner"] is Verdict.IDENTICAL
    report = tracer.diff(_chain(Unpacking(name="outer")), _chain(Unpacking(5.0, name="outer")), _inputs())
    assert [fault.layer for fault in report.faults] == ["outer/inner"]
