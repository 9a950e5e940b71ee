"""A file that keeps the HDF5 library busy is refused in time; other damage is left to those who read the file."""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import canaries
import h5py
import keras
import numpy as np
import psutil
import pytest
from keras import layers

from tracer.core.spec import parse_spec
from tracer.engine.model.build import build
from tracer.errors import ModelError
from tracer.files import trial


def endless(path: Path) -> Path:
    """Whose lists of free space lead back to themselves: HDF5 follows them for ever, and remembers each step."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = np.bytes_(b"{}")
        for name in "abc":
            file.create_group(f"model_weights/{name}")
        del file["model_weights/b"]
    data, at = bytearray(path.read_bytes()), -1
    while (at := data.find(b"HEAP", at + 1)) >= 0:
        _, free, address = struct.unpack("<QQQ", data[at + 8 : at + 32])
        struct.pack_into("<Q", data, address + free, free)
    path.write_bytes(data)
    return path


def test_a_file_that_hdf5_reads_for_ever_is_refused_and_nothing_reads_on(tmp_path: Path) -> None:
    started = time.process_time()
    path = endless(tmp_path / "m.h5")
    with pytest.raises(ModelError, match="is damaged: reading it takes more memory than a model's file can need"):
        build(parse_spec(str(path)))
    assert time.process_time() - started < 5
    assert not any(str(path) in " ".join(child.cmdline()) for child in psutil.Process().children())


def test_weights_in_an_archive_are_tried_too(tmp_path: Path) -> None:
    stored = endless(tmp_path / "m.h5").read_bytes()
    path = canaries.write_archive(tmp_path / "m.keras", canaries.harmless(), stored)
    with pytest.raises(ModelError, match=r"m\.keras' is damaged: reading it takes more memory"):
        build(parse_spec(str(path)), trust=True)


@pytest.mark.parametrize(
    ("code", "says"),
    [(-24, "doesn't end"), (-9, "doesn't end"), (-11, "crashes the HDF5 library"), (3, "takes more memory")],
)
def test_every_end_of_the_other_process_is_told(
    code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import os, signal; os._exit({code}) if {code} > 0 else os.kill(os.getpid(), {-code})"
    monkeypatch.setattr(trial, "_command", lambda path: [sys.executable, "-c", program])
    with pytest.raises(ModelError, match=says):
        trial.check(tmp_path / "m.h5")


def test_what_is_whole_or_damaged_otherwise_passes(tmp_path: Path) -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(2, name="out")(x))
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        trial.check(tmp_path / name)
    with h5py.File(tmp_path / "packed.h5", "w") as file:
        file.create_dataset("kernel", data=np.ones((64, 64), "f4"), chunks=(8, 8), compression="gzip")
        file.create_dataset("huge", (1 << 31,), "f4", chunks=(1 << 20,))
    trial.check(tmp_path / "packed.h5")
    whole = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    trial.check(tmp_path / "cut.h5")
    trial.check(tmp_path / "missing.h5")


def test_a_python_that_can_t_try_it_is_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_command", lambda path: [sys.executable, "-c", "import no_such_module"])
    trial.check(endless(tmp_path / "m.h5"))
    monkeypatch.setattr("sys.executable", "")
    trial.check(tmp_path / "m.h5")
