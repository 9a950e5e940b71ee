"""`tracer.files.optimizer`: what a file holds of its model's optimizer, in each of Keras' formats."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tracer.core.layer.optimizer import slot_of
from tracer.errors import ModelError
from tracer.files.optimizer import read_optimizer


def slot(array: object, dtype: str) -> object:
    values = np.asarray(array, dtype)
    return slot_of([values.reshape(-1)], values.shape, dtype)


def weights(path: Path, group: str = "optimizer/vars") -> Path:
    with h5py.File(path, "w") as file:
        for i in range(11):
            file[f"{group}/{i}"] = np.full((2, 2), i, "float32")
        file.create_group(f"{group}/no_variable")
    return path


def test_variables_of_a_weights_file_come_in_their_order_of_numbers(tmp_path: Path) -> None:
    stored = read_optimizer(weights(tmp_path / "m.weights.h5"))
    assert list(stored.slots) == [str(i) for i in range(11)]
    assert stored.slots["10"] == slot(np.full((2, 2), 10), "float32")


@pytest.mark.parametrize(
    ("config", "compiled", "named"),
    [(None, False, False), ({"loss": "mse"}, True, False), ({"optimizer": {}, "loss": "mse"}, True, True)],
)
def test_an_archive_says_whether_its_model_was_compiled(
    config: object, compiled: bool, named: bool, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"compile_config": config}))
        archive.write(weights(tmp_path / "w.h5"), "model.weights.h5")
    stored = read_optimizer(tmp_path / "m.keras")
    assert (len(stored.slots), stored.is_compiled, stored.is_named) == (11, compiled, named)


def test_the_legacy_format_lists_its_variables_in_as_many_attributes_as_it_takes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file.attrs["training_config"] = json.dumps({"optimizer_config": {}})
        group = file.create_group("optimizer_weights")
        group["a/x"], group["b/y"] = np.float32(1), np.ones(3, "int64")
        group.attrs["weight_names0"], group.attrs["weight_names1"] = [b"b/y"], ["a/x"]
    stored = read_optimizer(tmp_path / "m.h5")
    assert list(stored.slots.values()) == [slot(np.ones(3), "int64"), slot(1, "float32")]
    assert stored.is_compiled and stored.is_named


def test_an_archive_without_weights_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"m\.keras' can't be read: KeyError"):
        read_optimizer(tmp_path / "m.keras")
    (tmp_path / "m.h5").write_bytes(b"no HDF5")
    with pytest.raises(ModelError, match="damaged HDF5 file"):
        read_optimizer(tmp_path / "m.h5")
