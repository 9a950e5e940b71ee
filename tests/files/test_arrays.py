"""`tracer.files.arrays`: what a file of arrays claims, and its samples, so many at a time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracer.files.arrays import claimed, samples_in, unnamed

A = np.arange(10, dtype="float32").reshape(5, 2)
B = np.arange(5)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    np.save(tmp_path / "one.npy", A)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(A))
    np.savez(tmp_path / "several.npz", a=A, b=B)
    np.savez_compressed(tmp_path / "numbered.npz", A, B)
    return {path.stem: path for path in tmp_path.iterdir()}


def test_claims_are_those_of_the_headers(files: dict[str, Path]) -> None:
    assert [claimed(files[name]) for name in ("one", "fortran")] == [A.nbytes, A.nbytes]
    assert [claimed(files[name]) for name in ("several", "numbered")] == [A.nbytes + B.nbytes] * 2


@pytest.mark.parametrize("name", ["one", "fortran"])
@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_samples_come_in_order_and_none_is_left(name: str, size: int, files: dict[str, Path]) -> None:
    batches = list(samples_in(files[name], size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate(batches), A)


def test_arrays_of_one_file_advance_together(files: dict[str, Path]) -> None:
    first, *_, last = samples_in(files["several"], 2)
    assert {name: len(array) for name, array in first.items()} == {"a": 2, "b": 2}
    assert {name: array.tolist() for name, array in last.items()} == {"a": [[8, 9]], "b": [4]}
    first, *_ = samples_in(files["numbered"], 2)
    assert [array.tolist() for array in first] == [[[0, 1], [2, 3]], [0, 1]]


def test_names_that_say_nothing_are_dropped() -> None:
    assert unnamed({"x": 1}) == 1
    assert unnamed({"arr_1": 1, "arr_0": 0}) == [0, 1]
    assert unnamed({"arr_0": 0, "x": 1}) == {"arr_0": 0, "x": 1}


def packed(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            data = io.BytesIO()
            np.save(data, array)
            archive.writestr(f"{name}.npy", data.getvalue())
    return path


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"a": A, "b": np.arange(4)}, r"different numbers of samples: a 5, b 4"),
        ({"a": np.float32(3)}, r"a is a single value, which can't be cut into batches"),
    ],
)
def test_what_can_not_be_cut_into_batches_is_refused(members: Any, why: str, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.npz", **members)
    with pytest.raises(ValueError, match=why):
        list(samples_in(path, 2))


def test_claims_beyond_the_file_and_python_objects_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "x.npy"
    np.save(whole, A)
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"x\.npy claims 40 bytes and holds 39"):
        claimed(whole)
    objects = packed(tmp_path / "o.npz", a=np.array([[1], [2, 3]], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npy holds Python objects"):
        claimed(objects)
