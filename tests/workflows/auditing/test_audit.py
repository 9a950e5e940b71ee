"""`tracer.audit` on files with planted losses, and on innocent ones."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import canaries
import h5py
import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer import zoo
from tracer.errors import ModelError, SpecError, TracerError, TrustError
from tracer.files import contents

_X = np.random.RandomState(0).normal(5.0, 3.0, (64, 4)).astype("float32")
Edit = Callable[[Any], None]


@keras.saving.register_keras_serializable("audited")
class Swallows(layers.Layer):
    """Takes a setting and forgets it."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:  # noqa: ARG002 - that is the defect
        super().__init__(**options)

    def call(self, x: Any) -> Any:
        return x

    def get_config(self) -> Any:
        return super().get_config()


def trained() -> Any:
    keras.utils.set_random_seed(0)
    i = keras.Input((4,))
    y = layers.BatchNormalization(epsilon=1e-4, name="bn")(layers.Dense(6, activation="tanh", name="first")(i))
    model = keras.Model(i, layers.Dense(1, name="head")(Swallows(name="forgets")(y)), name="trained")
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(_X, _X.sum(axis=1, keepdims=True), epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "trained.keras"
    trained().save(path)
    return path


def edited(file: Path, folder: Path, *, weights: Edit | None = None, config: Edit | None = None, **files: Any) -> Path:
    """A copy of an archive with something changed."""
    target = folder / "edited.keras"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "model.weights.h5" and weights is not None:
                buffer = io.BytesIO(data)
                with h5py.File(buffer, "r+") as arrays:
                    weights(arrays)
                data = buffer.getvalue()
            if name == "config.json" and config is not None:
                told = json.loads(data)
                config(told)
                data = json.dumps(told).encode()
            if name == "metadata.json" and "writer" in files:
                data = json.dumps({"keras_version": files["writer"]}).encode()
            new.writestr(name, data)
    return target


def layer_of(config: Any, name: str) -> Any:
    return next(each["config"] for each in config["config"]["layers"] if each["config"]["name"] == name)


def vars_of(arrays: Any, name: str) -> Any:
    """The group of a layer's variables; the archive numbers them by class."""
    return arrays[f"layers/{ {'first': 'dense', 'bn': 'batch_normalization', 'head': 'dense_1'}[name] }/vars"]


def kinds(found: Any) -> set[str]:
    return {finding.kind for finding in found.findings}


# --- innocent files


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", [n for n in zoo.names() if n.startswith("tiny") and n != "tiny_subclassed"])
def test_innocent_files_lose_nothing(tmp_path: Path, name: str, suffix: str) -> None:
    model = getattr(zoo, name)()
    path = tmp_path / f"m{suffix}"
    try:
        model.save(path)
    except (NotImplementedError, ValueError):
        pytest.skip("the legacy format holds no such model")
    if (name, suffix) == ("tiny_text", ".h5"):
        with pytest.raises(ModelError, match="NotEqual"):  # an operation, which this format can't hold
            tracer.audit(path)
        return
    found = tracer.audit(path)
    if (name, suffix) == ("tiny_nested", ".h5"):  # the live defect of the newest Keras
        assert kinds(found) == {"stale-state"}
        return
    assert found.ok, found.findings
    assert found.arrays or name == "tiny_dropout"


def test_a_compiled_and_trained_model_loses_nothing_and_says_what_was_not_looked_at(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.5)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(_X, _X[:, :3], epochs=1, verbose=0)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"m{suffix}")
        found = tracer.audit(tmp_path / f"m{suffix}")
        assert found.ok, found.findings
        assert (found.writer, found.reader, found.format) == (keras.__version__, keras.__version__, suffix[1:])
        assert any("the optimizer's and the metrics' state" in note for note in found.notes)


def test_a_model_that_can_not_be_saved_again_is_followed_into_its_variables(tmp_path: Path) -> None:
    """A live defect of the newest Keras: what it has loaded from `.h5`, with this layer in it, it can't save there."""
    stack = [keras.Input((8, 8, 3)), layers.RandomContrast(0.2, seed=1), layers.Conv2D(2, 3, name="conv")]
    path = tmp_path / "m.h5"
    keras.Sequential(stack).save(path)
    found = tracer.audit(path)
    assert found.ok and found.arrays == 2 and found.settings > 10, found.findings
    assert any("can't save the loaded model again" in note for note in found.notes)
    with h5py.File(path, "r+") as model:
        config = json.loads(model.attrs["model_config"])
        del layer_of(config, "conv")["strides"]
        model.attrs["model_config"] = json.dumps(config)
    found = tracer.audit(path)
    assert {f.kind for f in found.findings} == {"config-default"}
    assert all(".strides" in f.place for f in found.findings)


# --- planted losses


def test_a_setting_that_its_class_forgets(file: Path) -> None:
    """Nothing is planted here: the factor is never written, so a file alone can't tell."""
    assert tracer.audit(file).ok


def test_a_setting_that_does_not_come_back(file: Path, tmp_path: Path) -> None:
    found = tracer.audit(edited(file, tmp_path, config=lambda c: layer_of(c, "forgets").update(factor=3.0)))
    [finding] = found.findings
    assert finding.kind == "config-lost" and finding.place.endswith(".factor") and "3.0 in the file" in finding.detail


@pytest.mark.parametrize("key", ["epsilon", "momentum"])
def test_a_setting_that_was_removed(file: Path, tmp_path: Path, key: str) -> None:
    found = tracer.audit(edited(file, tmp_path, config=lambda c: layer_of(c, "bn").pop(key)))
    [finding] = found.findings
    assert finding.kind == "config-default" and finding.place.endswith(f".{key}")


def test_an_array_that_nothing_takes(file: Path, tmp_path: Path) -> None:
    def add(arrays: Any) -> None:
        arrays.create_dataset("layers/forgotten/vars/0", data=np.ones(3, "float32"))

    [finding] = tracer.audit(edited(file, tmp_path, weights=add)).findings
    assert finding.kind == "array-not-loaded" and "forgotten" in finding.place


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        ("removed", {("variable-not-in-file", "layers/dense/vars/0")}),
        (
            "renamed",
            {("variable-not-in-file", "layers/dense/vars/0"), ("array-not-loaded", "layers/dense/vars/kernel")},
        ),
        ("reshaped", {("array-differs", "layers/dense/vars/0")}),
        ("group removed", {("variable-not-in-file", f"layers/dense/vars/{place}") for place in "01"}),
    ],
)
def test_an_array_that_keeps_the_file_from_being_loaded_is_named(
    file: Path, tmp_path: Path, plant: str, expected: set[tuple[str, str]]
) -> None:
    def lose(arrays: Any) -> None:
        group = vars_of(arrays, "first")
        if plant == "group removed":
            del group.parent["vars"]
        elif plant == "renamed":
            group.move("0", "kernel")
        else:
            held = group["0"][()]
            del group["0"]
            if plant == "reshaped":
                group["0"] = held.T

    found = tracer.audit(edited(file, tmp_path, weights=lose)).findings
    assert found[0].kind == "load-refused" and "first" in found[0].detail
    assert {(finding.kind, finding.place) for finding in found[1:]} == expected
    assert all(finding.detail.startswith("layer first: ") for finding in found[1:])


def test_an_array_that_a_legacy_file_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    zoo.tiny_functional().save(path)
    with h5py.File(path, "r+") as model:
        found: list[str] = []
        model["model_weights"].visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
        del model["model_weights"][found[0]]
    refused, missing = tracer.audit(path).findings
    assert refused.kind == "load-refused"
    assert (missing.kind, missing.place) == ("variable-not-in-file", f"model_weights/{found[0]}")


def test_arrays_of_a_legacy_file_that_are_listed_in_another_order(tmp_path: Path) -> None:
    """It is loaded by the order in which the file lists them, whatever their names are."""
    path = tmp_path / "m.h5"
    zoo.tiny_functional().save(path)
    with h5py.File(path, "r+") as model:
        groups = model["model_weights"]
        name = next(name for name in groups if len(groups[name].attrs.get("weight_names", ())) == 4)
        names = list(groups[name].attrs["weight_names"])
        groups[name].attrs["weight_names"] = [names[1], names[0], *names[2:]]
    found = tracer.audit(path).findings
    assert [finding.kind for finding in found] == ["array-differs", "array-differs"]
    assert all(f"model_weights/{name}/" in finding.place for finding in found)


def test_a_vocabulary_that_a_legacy_file_does_not_have(tmp_path: Path) -> None:
    words = layers.StringLookup(name="words")
    words.adapt(np.array(["one", "two", "two"]))
    model = keras.Sequential([keras.Input((1,), dtype="string"), words, layers.Embedding(3, 2)])
    model.save(tmp_path / "m.keras")
    assert tracer.audit(tmp_path / "m.keras").ok
    model.save(tmp_path / "m.h5")
    assert [(f.kind, f.place) for f in tracer.audit(tmp_path / "m.h5").findings] == [("not-adapted", "words")]


def test_arrays_of_two_layers_that_changed_places_with_their_names(tmp_path: Path) -> None:
    """Newer releases note in the file which layer an array is of."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="one"), layers.Dense(3, name="other")])
    model.save(tmp_path / "m.keras")

    def swap(arrays: Any) -> None:
        for old, new in (("dense", "aside"), ("dense_1", "dense"), ("aside", "dense_1")):
            arrays.move(f"layers/{old}", f"layers/{new}")

    found = tracer.audit(edited(tmp_path / "m.keras", tmp_path, weights=swap)).findings
    assert [(finding.kind, finding.place) for finding in found] == [
        ("array-differs", "layers/dense/vars"),
        ("array-differs", "layers/dense_1/vars"),
    ]
    assert found[0].detail.startswith("layer one: ") and "loaded into 'one'" in found[0].detail


def test_arrays_of_a_normalization_that_changed_places(file: Path, tmp_path: Path) -> None:
    def permute(arrays: Any) -> None:
        group = vars_of(arrays, "bn")
        held = [group[key][()] for key in ("0", "1", "2", "3")]
        for key, value in zip(("0", "1", "2", "3"), np.roll(held, 1, axis=0), strict=True):
            group[key][...] = value

    found = tracer.audit(edited(file, tmp_path, weights=permute))
    assert [finding.place for finding in found.findings] == ["bn/moving_variance"]
    assert "negative" in found.findings[0].detail


def test_values_that_are_no_numbers(file: Path, tmp_path: Path) -> None:
    def spoil(arrays: Any) -> None:
        vars_of(arrays, "head")["0"][...] = np.nan

    [finding] = tracer.audit(edited(file, tmp_path, weights=spoil)).findings
    assert finding.kind == "values" and "6 of 6 values are NaN" in finding.detail


def test_state_that_is_stale_after_loading_and_what_helps(tmp_path: Path) -> None:
    zoo.tiny_nested().save(tmp_path / "m.h5")
    [finding] = tracer.audit(tmp_path / "m.h5").findings
    assert finding.kind == "stale-state" and "mean is [0, 0, 0" in finding.detail
    assert ".finalize_state()" in finding.remedy


# --- what is told


def test_another_release_writes_otherwise_and_that_is_told_and_not_held_against_the_file(
    file: Path, tmp_path: Path
) -> None:
    path = edited(file, tmp_path, config=lambda c: layer_of(c, "bn").pop("epsilon"), writer="3.4.1")
    found = tracer.audit(path)
    assert found.ok and found.writer == "3.4.1"
    assert any("written by Keras 3.4.1: settings that" in note and "epsilon" in note for note in found.notes)


def test_exposure_names_writer_and_reader(tmp_path: Path) -> None:
    norm = layers.Normalization()
    norm.adapt(_X)
    model = keras.Sequential([keras.Input((4,)), norm, layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    found = tracer.audit(edited(tmp_path / "m.keras", tmp_path, writer="3.4.1"))
    told = dict(found.exposure)
    assert "writer: Keras 3.4.1" in told["keras#20147"]


def test_layers_that_look_untrained(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(name="fresh")])
    model.save(tmp_path / "m.keras")
    found = tracer.audit(tmp_path / "m.keras")
    assert found.ok and any("1 of 1 BatchNormalization layers" in note and "fresh" in note for note in found.notes)


def test_the_result_is_plain_data(file: Path) -> None:
    found = json.loads(json.dumps(tracer.audit(file).to_dict()))
    assert (found["schema"], found["ok"], found["format"]) == (1, True, "keras")


# --- what can't be audited


@pytest.mark.parametrize("name", ["EfficientNetB0", "tracer.zoo:tiny_nested", "m.json", "m.keras@3.4.1"])
def test_only_model_files_are_audited(name: str) -> None:
    with pytest.raises(SpecError, match="takes a model file"):
        tracer.audit(name)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(TracerError, match="damaged"):
        tracer.audit(tmp_path / "m.keras")
    with pytest.raises(ModelError, match="can't be read"):
        contents.read(tmp_path / "m.keras")


def test_a_file_that_is_no_harmless_one_is_refused_whole(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = canaries.write_archive(tmp_path / "m.keras", canaries.CONFIGS["system"](marker))
    with pytest.raises(TrustError, match="add --trust"):
        tracer.audit(path)
    assert not marker.exists()
