"""Why a model can't be loaded: Keras' error in words, what to do about it, and what the file lacks."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from tracer.core.spec import parse_spec
from tracer.engine import compat
from tracer.engine.loading import reasons
from tracer.engine.model import saving
from tracer.engine.model.build import build
from tracer.errors import ModelError


@keras.saving.register_keras_serializable("reasons")
class Narrow(layers.Layer):
    """Its constructor takes nothing that every layer has."""

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.units = units

    def call(self, x: Any) -> Any:
        return x * 1.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("reasons")
class Forgetful(layers.Layer):
    """Has as many weights as it is told, and doesn't write how many."""

    def __init__(self, count: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.count = count

    def build(self, shape: Any) -> None:
        del shape
        self.scales = [self.add_weight(shape=(2,), name=f"scale{i}") for i in range(self.count)]

    def call(self, x: Any) -> Any:
        return x * 1.0

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """A file that holds a model of one layer, with another text in its configuration."""

    def save(layer: layers.Layer, old: str = "", new: str = "") -> Path:
        x = keras.Input((4,))
        whole, changed = tmp_path / "whole.keras", tmp_path / "changed.keras"
        keras.Model(x, layer(x)).save(whole)
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(changed, "w") as target:
            for name in source.namelist():
                text = source.read(name)
                target.writestr(name, text.replace(old.encode(), new.encode()) if name == "config.json" else text)
        return changed

    return save


def failure(path: Path) -> str:
    with pytest.raises(ModelError) as raised:
        build(parse_spec(str(path)))
    message = str(raised.value)
    assert "\n" not in message
    return message.partition("can't be loaded: ")[2]


def test_a_constructor_that_does_not_take_what_all_layers_have_is_told_to(saved: Any) -> None:
    told = failure(saved(Narrow()))
    assert told == (
        "TypeError: Narrow.__init__() got an unexpected keyword argument 'name'. Narrow.__init__ doesn't take 'name', "
        "which get_config() has written: let it take **kwargs and hand them to super().__init__()."
    )


def test_an_argument_of_a_class_of_keras_is_another_releases_and_no_custom_object(saved: Any) -> None:
    told = failure(saved(layers.Dense(2), '"units": 2', '"units": 2, "spokes": 1'))
    assert f"Keras {keras.__version__} on {compat.backend_name()} has no 'spokes' in Dense" in told
    assert "custom-objects" not in told


def test_a_class_that_keras_does_not_have_is_another_releases_and_no_custom_object(saved: Any) -> None:
    told = failure(saved(layers.Dense(2), '"class_name": "Dense"', '"class_name": "Denser"'))
    assert told == (
        f"Keras {keras.__version__} on {compat.backend_name()} has no keras.layers.Denser: another release wrote it. "
        "Name that one: MODEL@RELEASE."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Could not locate function 'demo>clean'. Full object config: {'module': 'builtins'", "package.module"),
        ("Could not locate class 'Block'. Full object config: {'module': 'zoo.src.models'", "zoo"),
        ("Could not locate class 'Block'. Full object config: {'module': None", "package.module"),
        ("Unknown layer: 'Block'. Please ensure", "package.module"),
    ],
)
def test_what_is_not_known_here_is_named_with_the_package_that_has_it(text: str, said: str) -> None:
    told = reasons.advise(ValueError(text))
    assert told.startswith("it needs the custom object '")
    assert told.endswith(f"`--custom-objects {said}`.")


@pytest.mark.parametrize("text", ["Dense.__init__() got an unexpected keyword argument 'spokes'",
                                  "Unrecognized keyword arguments passed to Dense: {'spokes': 1}"])  # fmt: skip
def test_whatever_keras_says_of_an_argument_that_it_does_not_have(text: str) -> None:
    assert " has no 'spokes' in Dense: another release wrote it." in reasons.advise(TypeError(text))


def test_an_error_from_below_is_found_through_what_was_raised_above_it() -> None:
    try:
        try:
            raise TypeError("Block.__init__() got an unexpected keyword argument 'heads'")
        except TypeError as below:
            raise ValueError("no") from below
    except ValueError as error:
        told = reasons.advise(error)
    assert "either the class has changed since then, or its get_config() writes too much" in told


def test_of_anything_else_nothing_is_advised() -> None:
    """An error in deserializing isn't by itself a custom object that is missing."""
    assert reasons.advise(TypeError("<class 'X'> could not be deserialized properly. Exception encountered: no")) == ""


def test_the_explanation_below_an_announcement_is_told_with_what_the_file_lacks(tmp_path: Path) -> None:
    x = keras.Input((4,))
    path = tmp_path / "m.keras"
    keras.Model(x, Forgetful(2, name="scales")(x)).save(path)
    told = failure(path)
    assert told.startswith("ValueError: A total of 1 objects could not be loaded. Example error message for object ")
    assert "expected 1 variables, but received 2 variables during loading" in told
    assert told.endswith(" Forgetful takes 'count', which its get_config() didn't write: the default is used.")


@pytest.mark.parametrize("format", ["keras", "folder", "h5"])
def test_a_round_trip_names_what_the_file_lacks_in_every_kind_of_file(format: str, tmp_path: Path) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, Forgetful(2, name="scales")(x))
    if format not in saving.supported(model):
        pytest.skip(f"this Keras has no {format}")
    saving.save(model, tmp_path, format)
    with pytest.raises(ModelError, match="Forgetful takes 'count'"):
        saving.load(tmp_path, format)


def test_what_cannot_be_read_lacks_nothing_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no archive", encoding="utf-8")
    (tmp_path / "list.json").write_text(json.dumps([{"class_name": "Dense"}]), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "bare.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    for name in ("text.keras", "list.json", "empty", "bare.keras", "missing.h5"):
        assert reasons.what_was_dropped(tmp_path / name) == ""


def test_layers_of_keras_own_lack_nothing(saved: Any) -> None:
    assert reasons.what_was_dropped(saved(layers.Dense(2), '"use_bias": true, ', "")) == ""


@keras.saving.register_keras_serializable("reasons")
def lowered(text: Any) -> Any:
    import tensorflow as tf

    return tf.strings.lower(text)


def test_a_function_that_h5_cannot_bring_back_and_keras_can(tmp_path: Path) -> None:
    layer = layers.TextVectorization(standardize=lowered, vocabulary=["a", "b"], name="text")
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    model.save(tmp_path / "m.h5")
    told = failure(tmp_path / "m.h5")
    assert "can't read a layer that holds the function 'lowered'" in told and "Save the model as .keras" in told
    model.save(tmp_path / "m.keras")
    assert build(parse_spec(str(tmp_path / "m.keras"))).layers[-1].get_vocabulary() == layer.get_vocabulary()
