"""What Keras 2 is told when it opens a file; what is in the file was screened before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from tracer.engine.keras2 import loading
from tracer.errors import ModelError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Files that are handed to Keras, each with the options."""
    found: list[Any] = []

    def load_model(path: str, compile: bool = True, safe_mode: bool = True) -> None:
        found.append((path, compile, safe_mode))

    monkeypatch.setattr(keras.models, "load_model", load_model)
    return found


@pytest.mark.parametrize("trust", [False, True])
def test_code_in_an_archive_is_made_functions_of_only_where_it_is_trusted(trust: bool, told: list[Any]) -> None:
    loading.load_model("m.keras", trust=trust)
    loading.load_model("m.h5", trust=trust)  # the option isn't for these
    assert told == [("m.keras", False, not trust), ("m.h5", False, True)]


def test_a_release_without_the_option_is_not_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(keras.models, "load_model", lambda path, compile: found.append((path, compile)))
    loading.load_model("m.keras", trust=True)
    assert found == [("m.keras", False)]


@pytest.mark.parametrize("length", [None, 0, 3])
def test_a_saved_model_without_layers_is_refused(
    length: int | None, tmp_path: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Metadata:
        nodes: bytes = b""

        def ParseFromString(self, data: bytes) -> None:  # noqa: N802 - its name in protobuf
            self.nodes = data

    class Module:
        SavedMetadata = Metadata

    monkeypatch.setattr(loading, "module", lambda _: Module)
    if length is not None:
        (tmp_path / "keras_metadata.pb").write_bytes(b"x" * length)
    if length:
        loading.load_model(str(tmp_path), trust=True)
        assert told == [(str(tmp_path), False, True)]
        return
    with pytest.raises(ModelError, match=r"SavedModel without layers: Keras' keras_metadata.pb isn't there"):
        loading.load_model(str(tmp_path), trust=True)
    assert told == []
