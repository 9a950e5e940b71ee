"""`tracer.zoo`: the published cases, and one tiny model of each kind."""

from __future__ import annotations

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest

from tracer import zoo
from tracer.engine.inputs.made import make_inputs


def weights_of(model: keras.Model) -> bytes:
    return b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())


def normalization(model: keras.Model) -> keras.layers.Layer:
    return next(x for x in model._flatten_layers() if isinstance(x, keras.layers.Normalization))


@pytest.mark.parametrize("name", [n for n in zoo.names() if n.startswith("tiny_")])
def test_tiny_models_run_and_are_the_same_each_time(name: str) -> None:
    factory = getattr(zoo, name)
    model = factory()
    assert model.name == name
    assert weights_of(model) == weights_of(factory())
    outputs = keras.tree.flatten(model(make_inputs(model)))
    assert all(np.isfinite(np.asarray(y)).all() and np.asarray(y).std() > 1e-3 for y in outputs)


def test_names_are_the_factories_of_the_module() -> None:
    functions = {n for n, value in vars(zoo).items() if inspect.isfunction(value) and not n.startswith("_")}
    public = functions - {"names"}
    assert public == set(zoo.names())


def test_pretrained_classifier_is_flat_and_right_since_3_6() -> None:
    model = zoo.pretrained_classifier(size=64)
    assert [layer.name for layer in model.layers[-2:]] == ["gap", "head"]
    layer = normalization(model)
    np.testing.assert_allclose(np.asarray(layer.adapt_mean), [0.485, 0.456, 0.406], rtol=1e-6)
    release = tuple(map(int, keras.__version__.split(".")[:2]))
    assert np.any(np.asarray(layer.mean)) == (release >= (3, 6))


def test_pretrained_classifier_is_not_saturated() -> None:
    model = zoo.pretrained_classifier(size=64)
    probabilities = np.asarray(model(make_inputs(model)))
    assert 0.2 < probabilities.max() < 0.999


def test_nested_classifier_is_right_and_its_h5_copy_is_not(tmp_path: object) -> None:
    model = zoo.pretrained_classifier_nested(size=64)
    file = f"{tmp_path}/m.h5"
    model.save(file)
    copy = keras.models.load_model(file, compile=False)
    assert weights_of(copy) == weights_of(model)
    assert np.any(np.asarray(normalization(model).mean))
    if keras.__version__ == "3.15.1":  # a later release may have it fixed
        assert not np.any(np.asarray(normalization(copy).mean))


def test_pretrained_unet_has_skips_and_full_size() -> None:
    model = zoo.pretrained_unet(size=64, encoder="EfficientNetB0")
    outputs = np.asarray(model(make_inputs(model)))
    assert outputs.shape == (2, 64, 64, 1)
    assert 0.05 < outputs.std() < 0.45
    assert sum(isinstance(layer, keras.layers.Concatenate) for layer in model.layers) == 4
    assert normalization(model).mean is not None


def test_importing_the_zoo_imports_no_keras() -> None:
    code = "import tracer.zoo, sys; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
