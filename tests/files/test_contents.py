"""What is read of a model file without loading it: files written by hand, no model."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tracer.errors import ModelError
from tracer.files.contents import description, read

_CONFIG = {"class_name": "Sequential", "config": {"layers": [{"rate": 0.5, "shape": [2, None]}, {}], "empty": []}}


def archive(path: Path, arrays: dict[str, Any], config: Any = _CONFIG, metadata: Any = None, **assets: bytes) -> Path:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, value in arrays.items():
            file.create_dataset(name, data=value)
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("config.json", json.dumps(config))
        if metadata is not None:
            written.writestr("metadata.json", json.dumps(metadata))
        written.writestr("model.weights.h5", buffer.getvalue())
        for name, data in assets.items():
            written.writestr(f"assets/{name}", data)
    return path


def legacy(path: Path, arrays: dict[str, Any], **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file.create_dataset(name, data=value)
        file.attrs["model_config"] = json.dumps(_CONFIG)
        for name, value in attributes.items():
            file.attrs[name] = value
    return path


_ONES = np.ones((2, 3), "float32")


def test_an_archive_says_who_wrote_it_and_what_is_in_it(tmp_path: Path) -> None:
    found = read(archive(tmp_path / "m.keras", {"layers/dense/vars/0": _ONES}, metadata={"keras_version": "3.4.1"}))
    assert (found.format, found.writer, found.left_out, found.suspicious) == ("keras", "3.4.1", 0, {})
    shape, dtype, digest = found.arrays["layers/dense/vars/0"]
    assert (shape, dtype, len(digest)) == ((2, 3), "float32", 32)


def test_an_archive_says_whose_arrays_it_has_where_it_notes_that(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", {"layers/dense/vars/0": _ONES, "layers/plain/vars/0": _ONES})
    assert read(path).owners == {}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for group, name in (("layers/dense/vars", "hidden"), ("layers/add/vars", "sum")):
            file.create_group(group).attrs["name"] = name
        file["layers/dense/vars/0"] = _ONES
    with zipfile.ZipFile(tmp_path / "named.keras", "w") as written:
        written.writestr("config.json", json.dumps(_CONFIG))
        written.writestr("model.weights.h5", buffer.getvalue())
    assert read(tmp_path / "named.keras").owners == {"layers/add/vars": "sum", "layers/dense/vars": "hidden"}


def test_an_archive_without_metadata_does_not_say_who_wrote_it(tmp_path: Path) -> None:
    assert read(archive(tmp_path / "m.keras", {})).writer == ""


def test_a_legacy_file_says_who_wrote_it(tmp_path: Path) -> None:
    found = read(legacy(tmp_path / "m.h5", {"model_weights/d/kernel": _ONES}, keras_version=b"2.15.0"))
    assert (found.format, found.writer, list(found.arrays)) == ("h5", "2.15.0", ["model_weights/d/kernel"])


def test_state_of_the_training_is_counted_and_left_out(tmp_path: Path) -> None:
    arrays = {"layers/d/vars/0": _ONES, "optimizer/vars/0": _ONES, "optimizer/vars/1": _ONES}
    found = read(archive(tmp_path / "m.keras", arrays))
    assert (list(found.arrays), found.left_out) == (["layers/d/vars/0"], 2)
    found = read(legacy(tmp_path / "m.h5", {"model_weights/d": _ONES, "optimizer_weights/adam/m": _ONES}))
    assert (list(found.arrays), found.left_out) == (["model_weights/d"], 1)


def test_files_that_layers_keep_are_followed_too(tmp_path: Path) -> None:
    found = read(archive(tmp_path / "m.keras", {}, vocabulary=b"one\ntwo"))
    other = read(archive(tmp_path / "n.keras", {}, vocabulary=b"one\nTwo"))
    assert list(found.arrays) == ["assets/vocabulary"] and found.arrays != other.arrays


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_ONES, _ONES * 2),
        (_ONES, _ONES.astype("float64")),
        (_ONES, _ONES.reshape(3, 2)),
        (np.array(0.0, "float32"), np.array(-0.0, "float32")),
        (np.array([b"one", b"two"]), np.array([b"one", b"Two"])),
    ],
)
def test_arrays_are_told_apart_by_shape_dtype_and_bytes(tmp_path: Path, one: Any, other: Any) -> None:
    first = read(archive(tmp_path / "m.keras", {"a": one}))
    second = read(archive(tmp_path / "n.keras", {"a": other}))
    again = read(archive(tmp_path / "o.keras", {"a": one.copy()}))
    assert first.arrays == again.arrays != second.arrays


def test_the_configuration_is_read_leaf_by_leaf(tmp_path: Path) -> None:
    assert read(archive(tmp_path / "m.keras", {})).config == {
        "class_name": "Sequential",
        "config.layers[0].rate": 0.5,
        "config.layers[0].shape[0]": 2,
        "config.layers[0].shape[1]": None,
        "config.layers[1]": {},
        "config.empty": [],
    }


def test_layers_are_told_by_their_names_where_all_have_one_of_their_own(tmp_path: Path) -> None:
    named = [{"config": {"name": "a", "units": 3}}, {"config": {"name": "b"}}]
    found = read(archive(tmp_path / "m.keras", {}, {"layers": named})).config
    assert found == {
        "layers[a].config.name": "a",
        "layers[a].config.units": 3,
        "layers[b].config.name": "b",
    }
    found = read(archive(tmp_path / "n.keras", {}, {"layers": [*named, named[0]]})).config
    assert found["layers[2].config.units"] == 3


def test_the_description_of_a_model_says_nothing_of_its_training(tmp_path: Path) -> None:
    config = {**_CONFIG, "compile_config": {"optimizer": "adam"}}
    for path, format in ((archive(tmp_path / "m.keras", {}, config), "keras"), (legacy(tmp_path / "m.h5", {}), "h5")):
        text, told = description(path)
        assert (json.loads(text), told) == (_CONFIG, format)
    (tmp_path / "n.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"n\.h5' can't be read"):
        description(tmp_path / "n.h5")


def test_what_belongs_to_the_training_or_to_one_process_is_no_setting(tmp_path: Path) -> None:
    config = {"compile_config": {"optimizer": "adam"}, "config": {"dtype": {"name": "x", "shared_object_id": 139}}}
    assert read(archive(tmp_path / "m.keras", {}, config)).config == {"config.dtype.name": "x"}


def test_values_that_are_no_numbers_are_suspicious(tmp_path: Path) -> None:
    spoiled = _ONES.copy()
    spoiled[0, 1:] = np.nan, np.inf
    found = read(archive(tmp_path / "m.keras", {"layers/d/vars/0": spoiled, "optimizer/vars/0": spoiled}))
    assert found.suspicious == {"layers/d/vars/0": "2 of 6 values are NaN or infinite"}


@pytest.mark.parametrize("data", [b"", b"nothing of the kind", b"PK\x03\x04", b"\x89HDF\r\n\x1a\nbroken"])
def test_what_is_no_model_file_is_refused_by_its_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"m\.keras' can't be read"):
        read(path)


def test_an_archive_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as written:
        written.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"model\.weights\.h5"):
        read(tmp_path / "m.keras")


def test_weights_without_a_configuration_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("dense/kernel", data=_ONES)
    with pytest.raises(ModelError, match="model_config"):
        read(tmp_path / "m.h5")
