"""Many batches through whole comparisons: the worst of them counts, and no more than one is held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import tracer
from tracer.cli import app
from tracer.errors import InputError, SpecError
from tracer.files.arrays import samples_in
from tracer.workflows import roundtrip_formats

_SEEN: list[int] = []


class Watched(layers.Layer):
    """Notes how many samples it was called with."""

    def call(self, x: Any) -> Any:
        _SEEN.append(int(x.shape[0] or 0))
        return x


def gated(weight: float, *, watched: bool = False) -> Any:
    """Only a positive sum of the inputs gets through the ReLU to the last layer, whose weight is given."""
    x = keras.Input((4,), name="x")
    body = Watched(name="watched")(x) if watched else x
    hidden = layers.Dense(3, activation="relu", kernel_initializer="ones", use_bias=False, name="gate")(body)
    out = layers.Dense(2, kernel_initializer=keras.initializers.Constant(weight), use_bias=False)(hidden)
    logits = layers.Dense(2, name="other")(x)
    other = np.array([[1.0, 0.0]] * 4, "float32"), np.array([100.0, 0.0], "float32")
    model = keras.Model(x, layers.Add(name="both")([layers.Lambda(lambda y: y * [0.0, 1.0])(out), logits]))
    model.get_layer("other").set_weights(list(other))
    return model


class Rows(keras.utils.PyDataset):  # type: ignore[misc]
    """A data set as Keras has it, with labels."""

    def __init__(self, rows: Any, size: int) -> None:
        super().__init__()
        self.rows, self.size = rows, size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __getitem__(self, number: int) -> Any:
        part = self.rows[number * self.size : (number + 1) * self.size]
        return part, np.zeros(len(part))


@pytest.fixture(scope="module")
def rows() -> Any:
    """41 rows of which the tenth alone opens the gate."""
    found = -np.random.RandomState(0).uniform(0.5, 1.5, (41, 4)).astype("float32")
    found[9] *= -1
    return found


def told(report: Any) -> Any:
    return [(layer.layer, str(layer.verdict), layer.worst_batch, layer.rel_error) for layer in report.layers]


def test_the_batch_that_shows_the_fault_is_found_and_named_however_the_batches_are_given(
    rows: Any, tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", x=rows)
    given = {
        "array": (rows, 4),
        "file": (str(tmp_path / "rows.npz"), 4),
        "by name": ({"x": rows}, 4),
        "generator": ((rows[i : i + 4] for i in range(0, 41, 4)), None),
        "with labels": (((rows[i : i + 4], np.zeros(4)) for i in range(0, 41, 4)), None),
        "PyDataset": (Rows(rows, 4), None),
    }
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        given["tf.data"] = (tf.data.Dataset.from_tensor_slices(rows).batch(4), None)
    one, two = gated(1.0), gated(1.1)
    expected = tracer.diff(one, two, rows, batch_size=4)
    assert (expected.status, expected.batches, expected.inputs.samples) == ("diverged", 11, 41)
    [fault] = expected.faults
    assert fault.proof is not None and fault.proof.holds
    worst = {layer.layer: (layer.worst_batch, layer.worst_sample) for layer in expected.layers}
    assert worst[fault.layer] == (2, 1)
    for name, (inputs, size) in given.items():
        report = tracer.diff(one, two, inputs, batch_size=size)
        assert told(report) == told(expected), name
        assert [f.layer for f in report.faults] == [fault.layer], name
        assert ("labels" in " ".join(report.inputs.conversions)) == (name in ("with labels", "PyDataset"))


def test_how_many_predictions_changed_is_counted_over_all_of_them(rows: Any) -> None:
    one, two = gated(1.0), gated(1000.0)
    whole, cut = tracer.diff(one, two, rows), tracer.diff(one, two, rows, batch_size=5)
    for report in (whole, cut):
        [found] = report.predictions
        assert (found.output, found.rule, found.total, found.changed, found.samples) == ("both", "argmax", 41, 1, (9,))
    assert "1 of 41 changed (the largest of several outputs): sample 9" in str(cut)
    assert "41 samples in 9 batches" in str(cut) and "in 9 batches" not in str(whole)


def test_no_more_than_one_batch_is_run_at_once(rows: Any) -> None:
    model = gated(1.0, watched=True)
    _SEEN.clear()
    tracer.diff(model, model, rows, batch_size=8)
    assert _SEEN and max(_SEEN) == 8
    _SEEN.clear()
    tracer.diff(model, model, (rows[i : i + 8] for i in range(0, 41, 8)))
    assert max(_SEEN) == 8


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "packed.npz", "two.npz"])
def test_of_a_file_no_more_than_a_batch_is_in_memory(name: str, tmp_path: Path) -> None:
    """40 MB in batches of 0.4; nothing limits what may be in the file."""
    rows = np.random.RandomState(0).normal(size=(1000, 10_000)).astype("float32")
    x = keras.Input((10_000,), name="x")
    model: Any = keras.Model(x, keras.ops.mean(x, axis=-1))
    if name == "two.npz":
        y = keras.Input((10_000,), name="y")
        model = keras.Model([x, y], keras.ops.mean(x + y, axis=-1))
    path = tmp_path / name
    {
        "x.npy": lambda: np.save(path, rows),
        "x.npz": lambda: np.savez(path, x=rows),
        "packed.npz": lambda: np.savez_compressed(path, x=rows),
        "two.npz": lambda: np.savez(path, y=rows[:, ::-1], x=rows),
    }[name]()
    given: Any = {"y": rows[:, ::-1], "x": rows} if name == "two.npz" else rows
    expected = tracer.diff(model, model, given, batch_size=10)
    tracemalloc.start()
    try:
        report = tracer.diff(model, model, path, batch_size=10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6 < rows.nbytes
    assert (report.status, report.batches, report.inputs.samples) == ("pass", 100, 1000)
    assert told(report) == told(expected) and report.inputs.origin == "file" and report.inputs.source == str(path)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.ones((8, 4), "f4"), "y": np.ones((7, 4), "f4")}, "different numbers of samples: x 8, y 7"),
        ({"x": np.float32(1)}, "x is a single value, which can't be cut into batches"),
        ({"x": np.ones((8, 3), "f4")}, r"batch 0: input 'x': expected shape \(any, 4\), received \(4, 3\)"),
        ({"x": np.array([None] * 8)}, "holds Python objects"),
    ],
)
def test_what_is_wrong_with_a_file_in_batches_is_said_with_its_name(arrays: Any, says: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(InputError, match=rf"rows\.npz'.*{says}"):
        tracer.diff(gated(1.0), gated(1.0), tmp_path / "rows.npz", batch_size=4)


def test_a_file_in_fortran_s_order_is_cut_by_samples_too(tmp_path: Path) -> None:
    rows = np.asfortranarray(np.random.RandomState(0).normal(size=(10, 4)).astype("float32"))
    np.save(tmp_path / "rows.npy", rows)
    found = list(samples_in(tmp_path / "rows.npy", 3))
    assert [each.shape for each in found] == [(3, 4), (3, 4), (3, 4), (1, 4)]
    assert np.array_equal(np.concatenate(found), rows)


def test_a_file_that_was_cut_off_is_said_to_be(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((10, 4), "f4"))
    whole = (tmp_path / "rows.npy").read_bytes()
    (tmp_path / "rows.npy").write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"rows\.npy' can't be read in batches: rows\.npy claims 160 bytes and holds"):
        tracer.diff(gated(1.0), gated(1.0), tmp_path / "rows.npy", batch_size=4)


def test_a_batch_is_read_when_its_turn_comes(rows: Any) -> None:
    """A data set may be larger than all memory."""
    read: list[int] = []

    def batches() -> Iterator[Any]:
        for number in range(3):
            read.append(number)
            yield rows[number * 4 : number * 4 + 4] if number < 2 else rows[:, :3]

    with pytest.raises(InputError, match=r"batch 2: input 'x': expected shape \(any, 4\), received \(41, 3\)"):
        tracer.diff(gated(1.0), gated(1.0), batches())
    assert read == [0, 1, 2]


def test_layers_that_were_numbered_by_keras_are_paired_in_every_batch(rows: Any) -> None:
    one = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    two = keras.models.clone_model(one)
    two = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    two.set_weights(one.get_weights())
    report = tracer.diff(one, two, rows, batch_size=10)
    assert (report.status, report.coverage, report.batches) == ("pass", 1.0, 5)


def test_a_round_trip_takes_a_data_set_for_one_format(rows: Any) -> None:
    norm = layers.Normalization(name="norm")
    norm.adapt(rows)
    inside, outside = keras.Input((4,)), keras.Input((4,), name="x")
    inner = keras.Model(inside, norm(inside), name="inner")
    model = keras.Model(outside, layers.Dense(2, activation="tanh")(inner(outside)))
    report = tracer.roundtrip(model, Rows(rows, 20), format="h5", same_process=True)
    assert [fault.layer for fault in report.faults] == ["inner/norm"]  # a live defect of the newest Keras
    assert (report.batches, report.inputs.samples) == (3, 41)
    with pytest.raises(InputError, match="read once, for one format"):
        roundtrip_formats(model, ["keras", "h5"], Rows(rows, 20), same_process=True)
    both = roundtrip_formats(model, ["keras", "h5"], rows, batch_size=20, same_process=True)
    assert {name: getattr(found, "batches", None) for name, found in both.items()} == {"keras": 3, "h5": 3}


@pytest.mark.parametrize(
    ("inputs", "options", "error", "says"),
    [
        (None, {"batch_size": 4}, SpecError, "cuts what --inputs gives into batches"),
        (np.ones((2, 4)), {"batch_size": 0}, SpecError, "at least one sample"),
        (iter([np.ones((2, 4))]), {"batch_size": 2}, SpecError, "comes in batches of its own"),
        (iter([np.ones((2, 4))]), {"batch": 2}, InputError, "for seeded inputs"),
        (iter([]), {}, InputError, "hold no batch"),
    ],
)
def test_what_can_not_be_had_is_said(inputs: Any, options: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        tracer.diff(gated(1.0), gated(1.0), inputs, **options)


def test_the_command_ends_as_the_worst_batch_does(
    rows: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, weight in (("a", 1.0), ("b", 1.1)):
        x = keras.Input((4,), name="x")
        body = layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1), name="body")(x)
        head = layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(weight, seed=2), name="head")
        keras.Model(x, head(body)).save(f"{name}.keras")
    np.savez("rows.npz", x=-rows)
    for other, code in (("a", 0), ("b", 1)):
        with pytest.raises(SystemExit) as ended:
            app(["diff", "a.keras", f"{other}.keras", "--inputs", "rows.npz", "--batch-size", "20"])
        assert ended.value.code == code
        assert "41 samples in 3 batches" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        app(["diff", "a.keras", "b.keras", "--batch-size", "20"])
    assert ended.value.code == 2 and "cuts what --inputs gives" in capsys.readouterr().err
