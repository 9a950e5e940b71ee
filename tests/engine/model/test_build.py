"""`tracer.engine.model.build`: from a spec to a model, or one clear message."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tracer.core.spec import parse_spec
from tracer.engine.inputs.made import make_inputs
from tracer.engine.model.build import application_names, build
from tracer.errors import ModelError, SpecError, TracerError

MODULE = '''
"""Custom objects and factories, as a user has them."""
import keras

@keras.saving.register_keras_serializable(package="mine")
class Registered(keras.layers.Layer):
    def call(self, x):
        return x * 2

class Plain(keras.layers.Layer):
    def call(self, x):
        return x * 3

def squash(x):
    return keras.ops.tanh(x) / 2

def factory():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="made")

class Zoo:
    @staticmethod
    def small():
        return factory()

def needs_arguments(size):
    return factory()

def returns_none():
    return None

def breaks():
    raise RuntimeError("no such weights")

instance = factory()
number = 3
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the current folder, which isn't on `sys.path`."""
    monkeypatch.chdir(tmp_path)
    name = f"mine_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    return name


def plain_model() -> Any:
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(2, name="out")(layers.Dense(3, activation="relu", name="hidden")(x)))


def failure(text: str, **options: Any) -> TracerError:
    with pytest.raises(TracerError) as caught:
        build(parse_spec(text), **options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_application_is_seeded_at_the_asked_size() -> None:
    model = build(parse_spec("MobileNetV3Small@3.4.1"), image_size=64)
    again = build(parse_spec("MobileNetV3Small"), image_size=64)
    assert model.input_shape == (None, 64, 64, 3)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    other = build(parse_spec("MobileNetV3Small"), image_size=64, seed=1)
    assert not np.array_equal(model.get_weights()[0], other.get_weights()[0])


def test_application_names_are_those_of_the_installed_release() -> None:
    names = application_names()
    assert {"EfficientNetB0", "EfficientNetV2S", "MobileNetV2", "ResNet50"} <= set(names)
    assert all(n[0].isupper() for n in names) and list(names) == sorted(names)


def test_application_errors() -> None:
    error = failure("EffcientNetB0")
    assert isinstance(error, SpecError)
    assert "'EffcientNetB0' is not in keras.applications of Keras" in str(error)
    assert "EfficientNetB0" in str(error).split("Did you mean")[1]
    assert "Did you mean EfficientNetV2S" in str(failure("efficientnet_v2s"))
    assert "Did you mean" not in str(failure("zzz"))
    assert isinstance(failure("EfficientNetB0", image_size=8), ModelError)
    assert "EfficientNetB0(weights='none.h5')" in str(failure("EfficientNetB0", weights="none.h5"))


def test_options_of_applications_are_not_dropped_silently() -> None:
    message = str(failure("tracer.zoo:tiny_sequential", image_size=64))
    assert "only be chosen for an application" in message and "image_size=64 for a callable" in message


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "folder"])
def test_files_are_loaded_with_their_weights(name: str, tmp_path: Path) -> None:
    model = plain_model()
    path = tmp_path / name
    model.save(path if path.suffix else tmp_path / "packed.keras")
    if not path.suffix:
        with zipfile.ZipFile(tmp_path / "packed.keras") as archive:
            archive.extractall(path)
    x = make_inputs(model)
    np.testing.assert_array_equal(np.asarray(build(parse_spec(str(path)))(x)), np.asarray(model(x)))


def test_a_configuration_gets_seeded_weights(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(plain_model().to_json())
    spec = parse_spec(str(tmp_path / "m.json"))
    one, two, three = build(spec), build(spec), build(spec, seed=1)
    assert np.array_equal(one.get_weights()[0], two.get_weights()[0])
    assert not np.array_equal(one.get_weights()[0], three.get_weights()[0])


def test_a_subclassed_model_survives_its_file(mine: str, tmp_path: Path) -> None:
    model = build(parse_spec("tracer.zoo:tiny_subclassed"))
    model.save(tmp_path / "m.keras")
    assert "custom object 'TinySubclassed'" in str(failure(str(tmp_path / "m.keras")))


@pytest.fixture
def no_models(tmp_path: Path) -> Path:
    """A folder of files that are no models, each in its own way."""
    model = plain_model()
    model.save(tmp_path / "good.keras")
    model.save(tmp_path / "good.h5")
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "legacy.weights.h5")
    (tmp_path / "legacy.weights.h5").rename(tmp_path / "only_weights.h5")
    packed, legacy = (tmp_path / "good.keras").read_bytes(), (tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.keras").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "cut.h5").write_bytes(legacy[: len(legacy) // 2])
    (tmp_path / "empty.keras").write_bytes(b"")
    (tmp_path / "text.keras").write_text("hello")
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "renamed.keras").write_bytes(legacy)
    (tmp_path / "renamed.h5").write_bytes(packed)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "cut.json").write_text('{"class_name": "Fun')
    (tmp_path / "m.pth").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "")
    with zipfile.ZipFile(tmp_path / "damaged.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    return tmp_path


def test_files_that_are_no_models(no_models: Path) -> None:
    for name, says in [
        ("none.keras", "does not exist"),
        ("cut.keras", "probably cut off"),
        ("cut.h5", "probably cut off"),
        ("empty.keras", "isn't a zip archive. Received 0 bytes"),
        ("text.keras", "isn't a zip archive. Received 5 bytes that begin with b'hello'"),
        ("text.h5", "is no HDF5 file. Received 5 bytes"),
        ("renamed.keras", "rename it to .h5"),
        ("renamed.h5", "rename it to .keras"),
        ("m.weights.h5", "holds weights alone"),
        ("only_weights.h5", "holds weights alone"),
        ("list.json", "no `class_name`"),
        ("cut.json", "isn't JSON"),
        ("m.pth", "no model file that Keras can load"),
        ("folder", "has no config.json"),
        (
            "saved",
            "TensorFlow SavedModel. Keras 3 doesn't load it as layers, and what it does when it is loaded can't be",
        ),
        ("other.keras", "has no config.json, only readme.txt"),
        ("damaged.keras", "can't be loaded"),
    ]:
        error = failure(str(no_models / name))
        assert says in str(error), (name, str(error))
        assert name in str(error)


def custom_file(mine: str, kind: str, path: Path) -> Path:
    """A model with a custom layer or function in a file, saved by a process that knows it."""
    module = __import__(mine)
    x = keras.Input((3,))
    y = layers.Dense(2, activation=module.squash)(x) if kind == "squash" else getattr(module, kind)(name="custom")(x)
    keras.Model(x, y).save(path)
    keras.saving.get_custom_objects().clear()
    del sys.modules[mine]
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", ["Plain", "Registered", "squash"])
def test_custom_objects_are_named_and_found(
    kind: str, suffix: str, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.syspath_prepend(str(tmp_path))
        path = custom_file(mine, kind, tmp_path / f"m{suffix}")
    sys.path_importer_cache.clear()
    # Without its module, Keras would import it by name if it could: it is moved out of reach.
    (tmp_path / f"{mine}.py").rename(tmp_path / "away.txt")
    message = str(failure(str(path)))
    assert kind in message
    assert re.search(rf"--custom-objects ({mine}|package\.module)`", message)
    (tmp_path / "away.txt").rename(tmp_path / f"{mine}.py")
    model = build(parse_spec(str(path)), custom_objects=[mine])
    assert np.isfinite(np.asarray(model(make_inputs(model)))).all()


def test_callables(mine: str) -> None:
    for target in ("factory", "Zoo.small", "instance"):
        assert build(parse_spec(f"{mine}:{target}")).name == "made"
    assert "" not in sys.path


def test_callable_errors(mine: str) -> None:
    for text, says in [
        ("no_such_package.zoo:f", "there is no module 'no_such_package'"),
        (f"{mine}:fctory", "Did you mean factory"),
        (f"{mine}:number", "a callable that returns a Keras model is needed; this is a builtins.int"),
        (f"{mine}:returns_none", "it returned a builtins.NoneType"),
        (f"{mine}:breaks", "failed: RuntimeError: no such weights"),
        (f"{mine}:needs_arguments", "calling it without arguments failed: TypeError"),
    ]:
        assert says in str(failure(text))
    Path("broken_module_of_mine.py").write_text("import package_that_is_not_installed\n")
    assert "needs 'package_that_is_not_installed'" in str(failure("broken_module_of_mine:f"))
    Path("syntax_of_mine.py").write_text("def f(:\n")
    assert "importing syntax_of_mine failed: SyntaxError" in str(failure("syntax_of_mine:f"))
    assert "--custom-objects nothing.here: there is no module" in str(
        failure(f"{mine}:factory", custom_objects=["nothing.here"])
    )


def two(units: int = 3) -> Any:
    """A model of two layers, for weights from elsewhere."""
    return keras.Sequential([keras.Input((4,)), layers.Dense(units), layers.Dense(2)])


def test_weights_are_loaded_into_what_a_callable_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = two()
    trained.save_weights(tmp_path / "w.weights.h5")
    monkeypatch.setitem(sys.modules, "builds_two", sys.modules[__name__])
    loaded = build(parse_spec("builds_two:two"), weights=str(tmp_path / "w.weights.h5"))
    for here, there in zip(trained.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_weights_that_do_not_fit_or_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "builds_two", sys.modules[__name__])
    two(units=5).save_weights(tmp_path / "w.weights.h5")
    spec = parse_spec("builds_two:two")
    with pytest.raises(ModelError, match=r"the weights in .*w\.weights\.h5' don't go into the model"):
        build(spec, weights=str(tmp_path / "w.weights.h5"))
    (tmp_path / "w.ckpt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"weights are loaded from a \.h5 file; received '\.ckpt'"):
        build(spec, weights=str(tmp_path / "w.ckpt"))
    with pytest.raises(SpecError, match="does not exist"):
        build(spec, weights=str(tmp_path / "none.h5"))
    with pytest.raises(SpecError, match="weights can only be chosen for an application of Keras or a callable"):
        build(parse_spec(str(tmp_path / "m.keras")), weights="w.h5")
