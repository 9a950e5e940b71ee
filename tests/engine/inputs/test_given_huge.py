"""Inputs that have no room, or that claim more than their file holds, are refused before memory is taken."""

from __future__ import annotations

import io
import resource
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tracer.engine.inputs.given import load_inputs
from tracer.engine.inputs.made import make_inputs
from tracer.errors import InputError


def model(*shape: int | None, dtype: str = "float32") -> Any:
    x = keras.Input(shape, dtype=dtype, name="x")
    return keras.Model(x, x)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def refusal(act: Any, *args: Any, **options: Any) -> str:
    before, started = peak(), time.monotonic()
    with pytest.raises(InputError) as caught:
        act(*args, **options)
    assert peak() - before < 1 << 28 and time.monotonic() - started < 10
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "string"])
def test_a_batch_that_has_no_room(dtype: str) -> None:
    message = refusal(make_inputs, model(40, dtype=dtype), batch=1_000_000_000)
    assert "input 'x' of shape (1000000000, 40) takes" in message and "--batch" in message


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin1")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (header("(1000000000000,)"), "claims 4000000000000 bytes and holds 0"),
        (header("(-1,)"), "claims the shape (-1,)"),
        (header("(2, 4)", "'|O'"), "holds Python objects"),
        (header("(2, 4"), "can't be read"),
        (header("2, 4"), "can't be read"),
        (header("(" * 60 + ")" * 60), "can't be read"),
        (header("(2, 4)", "'nonsense'"), "can't be read"),
        (header("(2, 4)", "[1, 2]"), "can't be read"),
        (header("('a',)"), "can't be read"),
        (b"\x93NUMPY\x09\x00", "can't be read"),
        (b"\x93NUMPY", "can't be read"),
        (b"", "can't be read"),
        (b"PK\x03\x04", "can't be read"),
    ],
)
def test_an_array_file_that_claims_what_it_has_not(data: bytes, says: str, tmp_path: Path) -> None:
    for name in ("x.npy", "x.npz"):
        (tmp_path / name).write_bytes(data)
        assert says in refusal(load_inputs, model(4), tmp_path / name)
    if not data.startswith(b"PK"):
        with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
            archive.writestr("x.npy", data)
        assert says in refusal(load_inputs, model(4), tmp_path / "in.npz")


def test_a_small_archive_of_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracer.system.room.available", lambda: 1 << 20)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1 << 16, 4), "float32"))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 14
    message = refusal(load_inputs, model(4), tmp_path / "x.npz")
    assert "takes 1.05MB when it is read, and 1.05MB of memory are free" in message


def test_what_is_packed_to_almost_nothing_is_not_read_whatever_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracer.files.room._SLACK", 1 << 20)  # half a gigabyte takes seconds to pack
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1 << 17, 4), "float32"))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 13
    message = refusal(load_inputs, model(4), tmp_path / "x.npz")
    assert "takes 2.1MB when it is read, and has " in message and "write it without compression" in message


def test_what_is_packed_well_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1 << 18, 4), "float32"))
    assert load_inputs(model(4), tmp_path / "x.npz").arrays.shape == (1 << 18, 4)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.png"])
def test_a_device_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    assert "is no file, but a device or a pipe" in refusal(load_inputs, model(4), tmp_path / name)


def test_pictures_that_are_none(tmp_path: Path) -> None:
    whole, drawn = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(whole, "PNG")
    Image.new("RGB", (8, 8)).save(drawn, "BMP")
    huge = bytearray(whole.getvalue())
    huge[16:24] = (100_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(bytes(huge[12:29])).to_bytes(4, "big")
    for name, data in (
        ("huge.png", bytes(huge)),
        ("cut.png", whole.getvalue()[:40]),
        ("end.bmp", drawn.getvalue()[:-20]),
        ("x.gif", b"GIF89a\x01"),
        ("t.jpg", b""),
    ):
        (tmp_path / name).write_bytes(data)
        assert "can't be read as a picture" in refusal(load_inputs, model(8, 8, 3), tmp_path / name)


def _arrays() -> bytes:
    whole = io.BytesIO()
    np.savez(whole, x=np.arange(8, dtype="float32").reshape(2, 4))
    return whole.getvalue()


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_array_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Bytes are changed, cut and doubled."""
    whole = bytearray(_arrays())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "mutant.npz"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        feed = load_inputs(_MODEL, path)
    except InputError as error:
        assert str(error)
    else:
        assert np.asarray(feed.arrays).shape[1] == 4


_MODEL = model(4)
