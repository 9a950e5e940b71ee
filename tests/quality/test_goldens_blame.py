"""Faults planted in one layer after another: do our goldens notice, and do they blame that layer, and no other?"""

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
from tracer.core.golden.match import hold
from tracer.core.spec import parse_spec
from tracer.engine import host
from tracer.store.fixtures import read_golden

pytestmark = [pytest.mark.quality, pytest.mark.slow]
_DETECTED, _BLAMED = 0.99, 0.95
_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
# Every so many layers; 1 plants in all: a quarter of an hour for EfficientNetB0, an hour and a half for B3.
_STRIDE = int(os.environ.get("TRACER_PLANT_STRIDE", "0"))


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


def may_shrink(model: Any, layer: Any) -> bool:
    """Whether the model still runs when this layer pads nothing: up to the next pooling nothing is added to it."""
    if getattr(layer, "padding", "") != "same" or max(layer.kernel_size) == 1 or max(layer.strides) > 1:
        return False
    after = model.layers[model.layers.index(layer) + 1 :]
    seen, found = {id(layer.output)}, True
    for other in after:
        inputs = other.input if isinstance(other.input, list) else [other.input]
        touched = [id(one) in seen for one in inputs]
        if any(touched):
            seen.add(id(other.output))
            found = found and (type(other).__name__ != "Add" or all(touched))
    return found


def plants(model: Any, stride: int) -> Iterator[tuple[str, str, Callable[[Any], Any]]]:
    for layer in [layer for layer in model.layers if layer.weights][::stride]:
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
        if may_shrink(model, layer):
            yield "valid", layer.name, attribute(layer.name, padding="valid")
        if isinstance(layer, keras.layers.Normalization):
            stale = {"mean": layer.mean * 0, "variance": layer.variance * 0 + 1}
            yield "stale", layer.name, attribute(layer.name, **stale)


@pytest.mark.parametrize(("name", "stride"), [("EfficientNetB0", 8), ("EfficientNetB3", 64)])
def test_planted_faults_are_noticed_and_blamed(name: str, stride: int) -> None:
    golden = read_golden(_FIXTURES / f"{name}.safetensors")
    recorded = golden.provenance["model"]
    source = host.from_spec(parse_spec(name), seed=recorded["seed"], image_size=recorded["image_size"])
    inputs = source.make_inputs(None, seed=recorded["seed"], batch=recorded["batch"])
    model = source._model
    assert not any(one.beyond for one in hold(golden, source.fingerprints(inputs)))
    count, noticed, blamed, missed = Counter[str](), Counter[str](), Counter[str](), []
    for kind, layer, plant in plants(model, _STRIDE or stride):
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
