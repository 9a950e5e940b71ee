"""The files that are damaged, one of every kind that is read, and what reads each."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz_mutants as mutants
import h5py
import makers
import numpy as np

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Subject:
    """A kind of file.

    Attributes:
        name: in a table.
        file: what it is called when it is read.
        data: a whole one.
        read: reads it as a command would, and returns the text that people see of it, where there is one.
        change: damages it in a way that knows its format.
    """

    name: str
    file: str
    data: bytes
    read: Callable[[Path], str | None]
    change: mutants.Change | None = None


def subjects() -> tuple[Subject, ...]:
    """All of them; imports Keras and Pillow."""
    return (*stored(), *models(), *inputs())


def stored() -> tuple[Subject, ...]:
    """What `tracer` itself has written, read without Keras."""
    from tracer.core.matrix.cells import Answer, Cell, CellTemplate, Matrix, key
    from tracer.report import to_json
    from tracer.store import cells

    question = CellTemplate(formats=("h5",))
    cell = Cell(model="m.keras", release="3.4.1", backend="tensorflow", question=question)
    answer = Answer(cell=cell, outcome="pass", compared=3)
    layers = (makers.layer_report("a/b#1", error=0.5), makers.layer_report("c", worst_index=(0, 1)))
    report = makers.report(*layers, faults=(makers.fault("a/b#1"),), notes=("a note",))
    golden = min((ROOT / "fixtures").glob("*.safetensors"), key=lambda file: file.stat().st_size)

    def read_answer(path: Path) -> str | None:
        found = cells.read(path.rename(path.with_name(f"{key(cell)}.json")).parent, cell)
        if found is None:
            return None
        matrix = Matrix(answers=(found,), reused=1, results="")
        return matrix.to_text() + matrix.to_markdown()

    return (
        Subject("golden", golden.name, golden.read_bytes(), _show_golden, mutants.in_golden),
        Subject("report", "r.json", to_json(report).encode(), _show_report, mutants.in_json),
        Subject("kept answer", "a.json", json.dumps(answer.to_dict()).encode(), read_answer, mutants.in_json),
    )


def _show_golden(path: Path) -> str:
    from tracer.report import golden_to_json, render_golden
    from tracer.store import fixtures

    golden = fixtures.read_golden(path)
    golden_to_json(golden)
    first = golden.sites[0].path
    return render_golden(golden, path.name, show_all=True) + render_golden(golden, path.name, layer=first)


def _show_report(path: Path) -> str:
    from tracer.core.outcomes import Outcomes
    from tracer.report import render, render_layer, to_json
    from tracer.store import reports

    found = reports.read_reports(path)
    if isinstance(found, Outcomes):
        found = reports.read_report(path)
    to_json(found)
    layer = render_layer(found, found.layers[0].layer) if found.layers else ""
    return render(found, show_all=True) + layer + found.to_markdown()


def models() -> tuple[Subject, ...]:
    """Model files of Keras 3 and of Keras 2, and weights alone, as they lie in an unpacked model."""
    model = _model()
    unpacked = _saved(model, ".weights.h5")
    config = model.to_json()

    def load_unpacked(path: Path) -> None:
        folder = path.with_name("unpacked")
        folder.mkdir()
        (folder / "config.json").write_text(config, encoding="utf-8")
        (folder / "metadata.json").write_text('{"keras_version": "3.0.5"}', encoding="utf-8")
        path.rename(folder / "model.weights.h5")
        _load(folder)

    return (
        Subject(".keras", "m.keras", _saved(model, ".keras"), _load_and_look, mutants.in_keras_file),
        Subject(".h5", "m.h5", _saved(model, ".h5"), _load_and_look, mutants.in_hdf5),
        Subject(".h5, Keras 2", "m.h5", keras_2_file(), _load_and_look, mutants.in_hdf5),
        Subject(".weights.h5", "model.weights.h5", unpacked, load_unpacked, mutants.in_hdf5),
        Subject(".json", "m.json", config.encode(), _load, mutants.in_json),
    )


def _model() -> Any:
    import keras
    from keras import layers

    x = keras.Input((8, 8, 3), name="x")
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 3, activation="relu", name="conv")(x))
    return keras.Model(x, layers.Dense(2, name="out")(layers.Flatten(name="flat")(y)), name="m")


def _saved(model: Any, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{suffix}"
        model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
        return path.read_bytes()


def keras_2_file() -> bytes:
    """As Keras 2.15 writes a Sequential model: other keys, and weights by the names of their layers."""
    dense = {
        "name": "dense",
        "trainable": True,
        "dtype": "float32",
        "units": 2,
        "activation": "linear",
        "use_bias": True,
    }
    first = {"batch_input_shape": [None, 4], "dtype": "float32", "sparse": False, "ragged": False, "name": "x"}
    layers = [{"class_name": "InputLayer", "config": first}, {"class_name": "Dense", "config": dense}]
    config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        file.attrs.update({"model_config": json.dumps(config), "keras_version": "2.15.0", "backend": "tensorflow"})
        weights = file.create_group("model_weights")
        weights.attrs.update({"layer_names": [b"dense"], "keras_version": "2.15.0", "backend": "tensorflow"})
        group = weights.create_group("dense")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group["dense/kernel:0"] = np.ones((4, 2), "f4")
        group["dense/bias:0"] = np.zeros(2, "f4")
    return whole.getvalue()


def _load(path: Path) -> None:
    from tracer.core.spec import parse_spec
    from tracer.engine.model.build import build

    build(parse_spec(str(path)))


def _load_and_look(path: Path) -> None:
    """What an audit does."""
    from tracer.files import contents

    _load(path)
    contents.read(path)
    contents.description(path)


def inputs() -> tuple[Subject, ...]:
    """What is fed."""
    from PIL import Image

    from tracer.engine.inputs.given import load_inputs

    model = _model()
    arrays = np.arange(2 * 8 * 8 * 3, dtype="float32").reshape(2, 8, 8, 3)
    picture = Image.new("RGB", (8, 8), (1, 2, 3))

    def feed(path: Path) -> str:
        return "\n".join(load_inputs(model, path).told.conversions)

    def written(write: Callable[[io.BytesIO], object]) -> bytes:
        whole = io.BytesIO()
        write(whole)
        return whole.getvalue()

    pictures = {
        kind: written(lambda whole, kind=kind: picture.save(whole, kind)) for kind in ("png", "gif", "bmp", "jpeg")
    }
    return (
        Subject(".npz", "x.npz", written(lambda whole: np.savez(whole, x=arrays)), feed, mutants.in_npz),
        Subject(".npy", "x.npy", written(lambda whole: np.save(whole, arrays)), feed, mutants.in_npy),
        *(Subject(f".{kind}", f"x.{kind}", data, feed) for kind, data in pictures.items()),
    )
