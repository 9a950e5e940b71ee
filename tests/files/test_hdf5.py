"""`tracer.files.hdf5`: what an HDF5 file points to and claims, from its structure alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tracer.core.trust.screening import Kind
from tracer.errors import ModelError
from tracer.files.hdf5 import GROWTH, SLACK, attribute, opened, screen_weights


def found(file: h5py.File, size: int = 1000) -> list[tuple[Kind, str]]:
    return [(each.kind, each.place) for each in screen_weights(file, "w", size)]


def written(path: Path, **data: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            file[name] = value
    return path


def test_plain_weights_are_harmless_and_told_nothing_of(tmp_path: Path) -> None:
    with opened(written(tmp_path / "w.h5", a=np.ones(3), b=np.float32(2)), "w") as file:
        file_found = found(file)
    assert file_found == []


def test_links_to_elsewhere_are_found_and_shared_groups_are_followed_once(tmp_path: Path) -> None:
    path = written(tmp_path / "w.h5", a=np.ones(3))
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/a")
        file["far"] = h5py.ExternalLink("/etc/passwd", "/a")
        file.create_group("g")["again"] = file["a"]
        file["g/round"] = file["/"]  # a circle
    with opened(path, "w") as file:
        assert sorted(place for kind, place in found(file) if kind is Kind.PATH) == ["w: /far", "w: /soft"]


def test_numbers_that_lie_in_another_file_are_found(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("out", (4,), "f4", external=[(str(tmp_path / "raw"), 0, 16)])
    with opened(path, "w") as file:
        assert found(file) == [(Kind.PATH, "w: /out")]


def test_claims_beyond_what_the_file_can_hold_are_found(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (GROWTH * 1000 + SLACK + 1,), "i1", chunks=(1 << 20,))
    with opened(path, "w") as file:
        assert found(file) == [(Kind.SIZE, "w")]
        assert found(file, size=1001) == []


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(ModelError, match=r"^it is a damaged HDF5 file: "), opened(tmp_path / "w.h5", "it"):
        pytest.fail("it opened")
    with pytest.raises(ModelError, match=r"damaged HDF5 file"), opened(written(tmp_path / "v.h5"), "it") as file:
        file["absent"]


def test_texts_are_read_from_attributes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["text"], file.attrs["bytes"], file.attrs["bad"] = "é", np.bytes_(b"abc"), np.bytes_(b"\xff")
        assert [attribute(file, name) for name in ("text", "bytes", "none")] == ["é", "abc", None]
        assert attribute(file, "bad") == "\ufffd"
