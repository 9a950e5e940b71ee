"""A run on disk is told again as it was said, bit for bit, and a tensor that is handed on is there once."""

from __future__ import annotations

import gc
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracer.core.source import Call, End, Value
from tracer.errors import WorkerError
from tracer.store.tape import Tape, Variables


def call(path: str, inputs: tuple[Value, ...], outputs: tuple[Value, ...], error: str = "") -> Call:
    return Call(path=path, class_name="Dense", box="", is_box=False, inputs=inputs, outputs=outputs,
                context={"training": "True"}, wiring=("<input 0>",), error=error)  # fmt: skip


def same(a: Value, b: Value) -> bool:
    masks = (a.mask is None) is (b.mask is None) and (a.mask is None or np.array_equal(a.mask, b.mask))
    return a.array.dtype == b.array.dtype and a.array.shape == b.array.shape and masks and (
        a.array.tobytes(), a.name, a.sparse) == (b.array.tobytes(), b.name, b.sparse)  # fmt: skip


_ARRAYS = hnp.arrays(st.sampled_from(["float32", "float16", "int64", "bool"]), hnp.array_shapes(min_dims=0, min_side=0))


@given(st.lists(_ARRAYS, min_size=1, max_size=6))
def test_what_was_said_is_told(tmp_path_factory: pytest.TempPathFactory, arrays: list[np.ndarray]) -> None:
    values = [Value(array=array, mask=np.ones(2, bool) if i % 3 == 2 else None) for i, array in enumerate(arrays)]
    said = [call(str(i), (values[i - 1],), (value,)) for i, value in enumerate(values)]
    tape = Tape(tmp_path_factory.mktemp("tape"))
    tape.record([*said, End(outputs=(values[-1],), wiring=("dense",))])
    told = list(tape.play())
    assert len(told) == len(said) + 1
    for before, after in zip(said, told, strict=False):
        assert isinstance(after, Call)
        assert (after.path, after.context, after.wiring) == (before.path, before.context, before.wiring)
        assert all(map(same, (*before.inputs, *before.outputs), (*after.inputs, *after.outputs)))
    assert isinstance(told[-1], End) and same(told[-1].outputs[0], values[-1])


def test_it_is_told_as_often_as_it_is_asked_for(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.record([call("a", (), (), error="ValueError: no"), End(outputs=())])
    assert list(tape.play()) == list(tape.play())
    assert next(tape.play()).error == "ValueError: no"  # type: ignore[union-attr]


def test_a_tensor_that_is_handed_on_is_there_once_and_is_one_object(tmp_path: Path) -> None:
    x, y = (Value(array=np.full((1000,), number, "float32")) for number in (1.0, 2.0))
    tape = Tape(tmp_path)
    tape.record([call("a", (x,), (y,)), call("b", (y,), (x,)), End(outputs=(x,))])
    assert (tmp_path / "numbers").stat().st_size == 2 * 4000
    first, second, _ = tape.play()
    assert isinstance(first, Call) and isinstance(second, Call)
    assert second.inputs[0].array is first.outputs[0].array


def test_what_nobody_has_any_more_isnt_kept_while_it_is_told(tmp_path: Path) -> None:
    def said():
        for number in range(50):
            yield call(str(number), (), (Value(array=np.full((1000,), number, "float32")),))
        yield End(outputs=())

    tape = Tape(tmp_path)
    tape.record(said())
    gc.collect()
    before = sum(isinstance(one, np.ndarray) for one in gc.get_objects())
    for number, message in enumerate(tape.play()):
        if isinstance(message, Call):
            assert message.outputs[0].array[0] == number
    del message
    gc.collect()
    assert sum(isinstance(one, np.ndarray) for one in gc.get_objects()) <= before + 1


@pytest.mark.parametrize("name", ["messages", "numbers"])
def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path, name: str) -> None:
    tape = Tape(tmp_path)
    tape.record([call("a", (), (Value(array=np.ones(100)),)), End(outputs=())])
    file = tmp_path / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises((WorkerError, EOFError)):
        list(tape.play())


def test_variables_are_read_in_pieces(tmp_path: Path) -> None:
    big, small = np.arange(10, dtype="float32"), np.array([3, 4], ml_dtypes.bfloat16)
    variables = Variables(tmp_path)
    variables.record([("a", 0, big[:6]), ("a", 0, big[6:]), ("b", 1, small)])
    assert variables.read("a", 0, 4, 8).tolist() == [4, 5, 6, 7]
    found = variables.read("b", 1, 1, 2)
    assert found.dtype == small.dtype and found.tolist() == [4]
