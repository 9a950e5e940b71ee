"""What is in a file of Keras 2 is looked at before Keras 2 opens it: no code in it is run unless it is trusted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest

from tracer.engine.keras2 import loading
from tracer.errors import ModelError

_LAMBDA = {"class_name": "Lambda", "config": {"name": "twice", "function": ["code", None, None]}}
_DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2}}


def sequential(*held: Any) -> dict[str, Any]:
    """A model of some layers."""
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(held)}}


def written(folder: Path, suffix: str, config: object) -> str:
    """A model file that holds a configuration, and nothing else."""
    path = folder / f"m{suffix}"
    if suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(config)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
    return str(path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are handed to Keras."""
    found: list[str] = []
    monkeypatch.setattr(keras.models, "load_model", lambda path, compile, safe_mode=None: found.append(path))
    return found


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    "config",
    [
        sequential(_LAMBDA),
        sequential(_DENSE, sequential(sequential(_LAMBDA))),
        sequential({"class_name": "TimeDistributed", "config": {"name": "t", "layer": _LAMBDA}}),
        sequential({"class_name": "RNN", "config": {"cell": {"class_name": "C", "config": {"cells": [_LAMBDA]}}}}),
    ],
    ids=["plain", "nested", "wrapped", "cell"],
)
def test_code_is_found_at_any_depth_and_the_file_is_not_opened(
    config: Any, suffix: str, tmp_path: Path, opened: list[str]
) -> None:
    with pytest.raises(ModelError, match=r"^twice: Lambda layers, whose Python code is in the file.*--trust"):
        loading.load_model(written(tmp_path, suffix, config))
    assert opened == []


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_function_that_is_pickled_as_an_activation_is_code_too(
    suffix: str, tmp_path: Path, opened: list[str]
) -> None:
    hidden = {"class_name": "Dense", "config": {"name": "d", "activation": {"class_name": "__lambda__", "config": {}}}}
    with pytest.raises(ModelError, match=r"^Lambda: Lambda layers"):
        loading.load_model(written(tmp_path, suffix, sequential(hidden)))
    assert opened == []


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(("config", "trust"), [(sequential(_DENSE), False), (sequential(_LAMBDA), True)])
def test_a_file_without_code_or_one_that_is_trusted_is_opened(
    config: Any, trust: bool, suffix: str, tmp_path: Path, opened: list[str]
) -> None:
    path = written(tmp_path, suffix, config)
    loading.load_model(path, trust=trust)
    assert opened == [path]


def test_every_layer_with_code_is_named(tmp_path: Path) -> None:
    other = {"class_name": "Lambda", "config": {"name": "thrice"}}
    with pytest.raises(ModelError, match=r"^twice, thrice: Lambda layers"):
        loading.load_model(written(tmp_path, ".h5", sequential(_LAMBDA, _DENSE, other)))


def test_a_layer_that_is_merely_called_lambda_holds_none(tmp_path: Path, opened: list[str]) -> None:
    path = written(tmp_path, ".keras", sequential({"class_name": "Dense", "config": {"name": "Lambda", "units": 1}}))
    loading.load_model(path)
    assert opened == [path]
