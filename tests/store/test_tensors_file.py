"""`tracer.store.tensors`: whole activations, streamed into a safetensors file that anybody reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tracer.errors import TracerError
from tracer.store.tensors import TensorsFile, can_hold

_ARRAYS = {
    "a": np.random.RandomState(0).normal(size=(2, 3, 5)),
    "ids": np.arange(7, dtype=np.int64),
    "flags": np.array([True, False, True]),
    "wide": np.full((2,), 1 / 3),
    "scalar": np.array(2.5),
}
_DTYPES = {"a": "float32", "ids": "int64", "flags": "bool", "wide": "float64", "scalar": "bfloat16"}
_ENTRIES = [(name, _DTYPES[name], array.shape) for name, array in _ARRAYS.items()]


def test_what_is_written_is_read_by_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.safetensors"
    with TensorsFile(path, _ENTRIES, {"about": "x"}) as file:
        for name, array in _ARRAYS.items():
            assert not path.exists()
            file.add(name, array)
    found = load_file(path)
    assert list(path.parent.iterdir()) == [path]
    assert found["a"].dtype == np.float32 and np.array_equal(found["a"], _ARRAYS["a"].astype(np.float32))
    assert found["wide"].dtype == np.float64 and found["scalar"].shape == ()
    for name in ("ids", "flags", "wide"):
        assert np.array_equal(found[name], _ARRAYS[name])


def write_badly(path: Path, how: str) -> None:
    with TensorsFile(path, _ENTRIES[:1], {}) as file:
        if how == "stop":
            raise ValueError("stop")
        if how != "were announced":
            file.add("a", _ARRAYS["a"][:1] if how == "was announced" else _ARRAYS["a"])
        if how == "came where nothing":
            file.add("b", _ARRAYS["a"])


@pytest.mark.parametrize("how", ["stop", "were announced", "was announced", "came where nothing"])
def test_whole_or_not_at_all(tmp_path: Path, how: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"as it was")
    with pytest.raises(ValueError, match=how):
        write_badly(path, how)
    assert path.read_bytes() == b"as it was" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TracerError, match="can't write the activations"), TensorsFile(tmp_path / "file" / "m", [], {}):
        pass
    assert not can_hold("string") and can_hold("float16")


_FULL = """
import resource, sys
import numpy as np
from tracer.errors import TracerError
from tracer.store.tensors import TensorsFile
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
size = int(sys.argv[2])
try:
    with TensorsFile(sys.argv[1], [("a" * int(sys.argv[3]), "float32", (size,))], {}) as file:
        file.add("a" * int(sys.argv[3]), np.zeros(size))
except TracerError as error:
    print(error)
"""


@pytest.mark.parametrize(("size", "name"), [(1500, 1), (1_000_000, 1), (1, 10_000)], ids=["end", "tensor", "header"])
def test_a_full_disk_is_told_with_the_file_and_nothing_is_left(tmp_path: Path, size: int, name: int) -> None:
    """Whether it is full at the header, at a tensor, or when what was kept back is written."""
    path = tmp_path / "m.safetensors"
    command = [sys.executable, "-c", _FULL, str(path), str(size), str(name)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == f"can't write the activations to {path}: File too large. Give another place.\n"
    assert said.stderr == "" and not list(tmp_path.iterdir())
