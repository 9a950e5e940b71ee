"""How a file is damaged: byte by byte, or in a way that knows its format, so that what reads it gets further.

Each function takes a whole file and a source of chance, and gives another file.  Some of what they put in would write
the file `marker` if anything in it were ever executed.
"""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import canaries
import h5py
import numpy as np

Change = Callable[[bytes, random.Random, Path], bytes]
FORGED = "forged: PASS"  # a line of its own in no output, whatever a name in a file holds
_WIDE = (b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 3, (1 << 40).to_bytes(8, "little"))
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py says of it


def mutant(data: bytes, change: Change | None, number: int, marker: Path) -> bytes:
    """The one with this number: the same for the same file."""
    rng = random.Random(number)
    if change is not None and rng.random() < 0.6:
        data = change(data, rng, marker)
        if rng.random() < 0.8:
            return data
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data = damaged(data, rng)
    return data


def damaged(data: bytes, rng: random.Random) -> bytes:
    """With some bytes changed, lost or doubled."""
    at, other = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    first, last = sorted((at, min(other, at + 64)))
    ways = (
        data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :],
        data[:at] + rng.choice(_WIDE) + data[at + 8 :],
        data[:at],
        data[:first] + bytes(last - first) + data[last:],
        data[:at] + data[first:last] + data[at:],
        data[:first] + data[last:],
    )
    return rng.choice(ways) or b"\0"


# --- JSON


def in_json(data: bytes, rng: random.Random, marker: Path) -> bytes:
    return json.dumps(_changed(json.loads(data), rng, marker)).encode()


def _changed(tree: Any, rng: random.Random, marker: Path) -> Any:
    """With something odd in one or two places."""
    for _ in range(rng.randint(1, 2)):
        places = list(_places(tree))
        holder, key = rng.choice(places) if places else ([tree], 0)
        if rng.random() < 0.15 and places:
            del holder[key]
        else:
            holder[key] = _odd(rng, marker)
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            yield holder, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def _odd(rng: random.Random, marker: Path) -> Any:
    deep: Any = []
    for _ in range(rng.choice((10, 450))):
        deep = [deep]
    numbers = (0, -1, 3, 1 << 28, 1 << 62, 0.5, 1e308, float("nan"))
    texts = (
        "",
        f"a\n{FORGED}\n\x1b[2J",
        f"a\r{FORGED}\x9b2J",
        "\x1b]0;x\x07",
        "..",
        "/etc/hosts",
        "x" * 10_000,
        "\ud800",
    )
    code = (
        canaries.node(canaries.function("os", "system"), "f", f"touch {marker}"),
        canaries.marshalled(marker),
        canaries.layer("TFSMLayer", filepath="/etc"),
        json.loads(json.dumps(canaries.TENSOR)),
    )
    plain = (None, True, [], {}, [1, [2]], {"class_name": "x"}, deep)
    return rng.choice((*numbers, *texts, *plain, *code))


# --- archives


def in_keras_file(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """Its configuration or its weights changed."""
    name, change = rng.choice((("config.json", in_json), ("model.weights.h5", in_hdf5)))
    return _with_member(data, name, lambda content: change(content, rng, marker), rng)


def in_npz(data: bytes, rng: random.Random, marker: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = rng.choice(archive.namelist())
    return _with_member(data, name, lambda content: in_npy(content, rng, marker), rng)


def _with_member(data: bytes, changed: str, change: Callable[[bytes], bytes], rng: random.Random) -> bytes:
    """Packed anew, sometimes compressed, and sometimes with a member more."""
    whole, packing = io.BytesIO(), rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(whole, "w", packing) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == changed else content)
        if rng.random() < 0.1:
            new.writestr(rng.choice(("../../outside", "/outside", "arr_9", "assets/x/y")), b"x")
    return whole.getvalue()


# --- arrays


class _Pickled:
    """What runs a command where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self._marker}",)


def in_npy(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """Another array, or the same numbers with a header that says something else of them."""
    if rng.random() < 0.5:
        whole = io.BytesIO()
        np.save(whole, _array(rng, marker), allow_pickle=True)
        return whole.getvalue()
    sides = rng.choice(
        ("(2, 8, 8, 3)", "(-1, 8)", "(1099511627776,)", "()", "(2, 8", "[2, 8, 8, 3]", "(1e3,)", "(0, 8, 8, 3)")
    )
    kind = rng.choice(
        ("'<f4'", "'|O'", "'<U9999999'", "'<M8[s]'", "'V4'", "[('a', '<f4')]", "None", "'>f8'", "9" * 5000)
    )
    header = (
        f"{{'descr': {kind}, 'fortran_order': {rng.choice(('False', 'True', '2'))}, 'shape': {sides}, }}\n".encode()
    )
    version, width = rng.choice(((b"\x01\x00", 2), (b"\x02\x00", 4), (b"\x03\x00", 4)))
    return b"\x93NUMPY" + version + (len(header) % (1 << 16)).to_bytes(width, "little") + header + data[128:]


def _array(rng: random.Random, marker: Path) -> Any:
    fits = np.ones((2, 8, 8, 3))
    return rng.choice(
        (
            np.array([_Pickled(marker)], dtype=object),
            np.array(_Pickled(marker), dtype=object),
            fits * np.nan,
            fits * 1e300,
            fits.astype("complex64"),
            fits.astype("bool"),
            fits.astype("float16"),
            fits[:0],
            fits[..., :2],
            np.array("text"),
            np.zeros(3, [("a", "<i4"), ("b", "<f8")]),
            np.zeros((1,) * 32),
        )
    )


# --- HDF5


def in_hdf5(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """A configuration changed, an array replaced by something else, or an attribute."""
    whole = io.BytesIO(data)
    try:
        with h5py.File(whole, "r+") as file:
            if "model_config" in file.attrs and rng.random() < 0.4:
                text = json.dumps(_changed(json.loads(file.attrs["model_config"]), rng, marker))
                file.attrs["model_config"] = np.bytes_(text.encode(errors="surrogatepass"))
            else:
                _change_item(file, rng)
    except _DAMAGED:  # the odd thing can't be written
        return damaged(data, rng)
    return whole.getvalue()


def _change_item(file: h5py.File, rng: random.Random) -> None:
    names: list[str] = []
    file.visit(names.append)
    name = rng.choice(names)
    item = file[name]
    if rng.random() < 0.3:
        key = rng.choice((*item.attrs, "layer_names", "weight_names", "vocabulary"))
        item.attrs[key] = rng.choice(
            (-1, 1e300, "\n" + FORGED, [b"a", b"b"], [b"kernel:0"] * 40, np.zeros(0), h5py.Empty("f4"))
        )
        return
    del file[name]
    _put_odd(file, name, rng)


def _put_odd(file: h5py.File, name: str, rng: random.Random) -> None:
    """In the place of what was there; nothing at all is odd too."""
    fits = np.float32([1, np.nan, np.inf])
    puts: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: file.create_group(name),
        lambda: file.create_dataset(name, data=fits),
        lambda: file.create_dataset(name, data=3),
        lambda: file.create_dataset(name, data=b"text"),
        lambda: file.create_dataset(name, data=np.zeros(2, [("a", "i4")])),
        lambda: file.create_dataset(name, (1 << 31,), "f4", chunks=(1 << 20,)),
        lambda: file.create_dataset(name, (1 << 27,), "f4", chunks=(1 << 16,), compression="gzip", fillvalue=1),
        lambda: file.create_dataset(name, (8,), "u1", external=[("/etc/hosts", 0, 8)]),
        lambda: file.create_dataset(name, data=h5py.Empty("f4")),
        lambda: _link(file, name, h5py.SoftLink("/")),
        lambda: _link(file, name, h5py.ExternalLink("/etc/hosts", "/")),
        lambda: _link(file, name, file["/"]),
    )
    rng.choice(puts)()


def _link(file: h5py.File, name: str, target: object) -> None:
    file[name] = target


# --- goldens


def in_golden(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """With the digest that is right for what was changed: a digest protects from damage, not from people."""
    from safetensors.numpy import load, save

    from tracer.store import fixtures

    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["tracer"])
    arrays = dict(load(data))
    if rng.random() < 0.75:
        header = _changed(header, rng, marker)
    else:
        name = rng.choice(sorted(arrays))
        arrays[name] = _another(arrays[name], rng)
    if isinstance(header, dict):
        header["digest"] = fixtures._digest(header, arrays)
    return bytes(save(arrays, {"tracer": json.dumps(header)}))


def _another(array: Any, rng: random.Random) -> Any:
    ways: tuple[Callable[[], Any], ...] = (
        lambda: array[:-1],
        lambda: array[:0],
        lambda: array.reshape(-1),
        lambda: array.astype("float16"),
        lambda: array.astype("int64"),
        lambda: array.astype("bool"),
        lambda: array * np.nan,
        lambda: np.full_like(array, 255),
        lambda: np.zeros((), array.dtype),
        lambda: np.zeros((*array.shape, 2), array.dtype),
    )
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(rng.choice(ways)())
