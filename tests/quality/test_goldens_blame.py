"""Faults planted in one layer after another: does a golden notice, and does it blame that layer, and no other?"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.quality.plants import flipped, restored, scaled, zeroed
from tracer.core.hold import hold
from tracer.engine import host
from tracer.engine.seeded import seed_weights
from tracer.store.fixtures import read_golden
from tracer.workflows.regression import record_live

pytestmark = [pytest.mark.quality, pytest.mark.slow]
_DETECTED, _BLAMED = 0.99, 0.95
# 1 plants in every layer; 12 in every twelfth. The whole of it takes a quarter of an hour.
_STRIDE = int(os.environ.get("TRACER_PLANT_STRIDE", "4"))


def swapped(name: str) -> Callable[[Any], Any]:
    """Two channels of the layer's first weight exchanged."""

    @contextlib.contextmanager
    def plant(model: Any) -> Iterator[Any]:
        layer = model.get_layer(name)
        with restored(layer):
            first, *rest = layer.get_weights()
            axis = -2 if "depthwise" in layer.weights[0].name else -1
            moved = np.moveaxis(first.copy(), axis, 0)
            moved[[0, 1]] = moved[[1, 0]]
            layer.set_weights([np.moveaxis(moved, 0, axis), *rest])
            yield model

    return plant


def attribute(name: str, **values: Any) -> Callable[[Any], Any]:
    @contextlib.contextmanager
    def plant(model: Any) -> Iterator[Any]:
        layer = model.get_layer(name)
        before = {key: getattr(layer, key) for key in values}
        for key, value in values.items():
            setattr(layer, key, value)
        try:
            yield model
        finally:
            for key, value in before.items():
                setattr(layer, key, value)

    return plant


def plants(model: Any) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    for layer in [layer for layer in model.layers if layer.weights][::_STRIDE]:
        if isinstance(layer, keras.layers.Normalization):
            continue
        yield "scaled", layer.name, scaled(layer.name)
        yield "flipped", layer.name, flipped(layer.name)
        yield "zeroed", layer.name, zeroed(layer.name)
        if layer.get_weights()[0].shape[-1] > 1:
            yield "swapped", layer.name, swapped(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            yield "epsilon", layer.name, attribute(layer.name, epsilon=1e-5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            stale = {"mean": layer.mean * 0, "variance": layer.variance * 0 + 1}
            yield "stale", layer.name, attribute(layer.name, **stale)


@pytest.mark.parametrize(("name", "size"), [("EfficientNetB0", 64), ("EfficientNetB4", 64)])
def test_planted_faults_are_noticed_and_blamed(name: str, size: int, tmp_path: Path) -> None:
    model = seed_weights(getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3)), 7)
    inputs = np.random.RandomState(0).randint(0, 256, (1, size, size, 3)).astype(np.float32)
    golden = record_live(model, inputs, tmp_path / "golden.safetensors")
    assert golden.is_double
    golden = read_golden(tmp_path / "golden.safetensors")
    source = host.from_model(model)
    count, noticed, blamed, missed = Counter[str](), Counter[str](), Counter[str](), []
    for kind, layer, plant in plants(model):
        with plant(model):
            held = hold(golden, source.fingerprints(inputs, digest_limit=0))
        entered = [one.golden.path for one in held if one.entered]
        count[kind] += 1
        noticed[kind] += any(one.beyond for one in held)
        blamed[kind] += entered == [layer]
        if entered != [layer]:
            missed.append((kind, layer, entered[:3]))
    total = sum(count.values())
    for kind in count:
        print(f"{name} {kind:8} {count[kind]:4} planted, {noticed[kind]:4} noticed, {blamed[kind]:4} blamed alone")
    print(f"{name}: {noticed.total() / total:.1%} noticed, {blamed.total() / total:.1%} blamed; missed: {missed[:12]}")
    assert noticed.total() >= _DETECTED * total and blamed.total() >= _BLAMED * total
