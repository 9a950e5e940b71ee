"""`shared_memory` and `wire.Link`: arrays through shared memory, and tensors that aren't sent again."""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tracer.core.source import Call, Value
from tracer.core.transport import wire
from tracer.core.transport.shared_memory import Arena, Sent
from tracer.errors import WorkerError

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")


class Tensor:
    """Something that lives at the sender: its numbers don't change."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = np.array(numbers, "float32")

    def value(self, name: str = "", **other: Any) -> Value:
        return Value(array=self.numbers, name=name, native=self, **other)


class Ends:
    """Both ends of one direction, with a descriptor each, as two processes have it."""

    def __init__(self, memory: int) -> None:
        self.sender = wire.Link(Arena(memory), Sent(lambda tensor: id(tensor) if isinstance(tensor, Tensor) else None))
        self.receiver = wire.Link(Arena(memory))
        self.size = 0

    def __call__(self, message: Any) -> Any:
        stream = io.BytesIO()
        wire.send(stream, message, self.sender)
        self.size = stream.tell()
        stream.seek(0)
        return wire.receive(stream, self.receiver)


@pytest.fixture
def ends() -> Iterator[Ends]:
    memory = os.memfd_create("test")
    yield Ends(memory)
    os.close(memory)


def call(path: str, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> Call:
    return Call(path=path, class_name="Dense", box="", is_box=False, inputs=inputs, outputs=outputs, context={})


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), "float32"),
        np.full((), 3.5, "float32"),
        np.arange(24).reshape(2, 3, 4)[:, ::2, ::-1],
        np.ones(5, ml_dtypes.bfloat16),
        np.array([True, False]),
        np.arange(3, dtype=">i4"),
        np.array(["a", "ü"], object),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_arrive(array: Any, ends: Ends) -> None:
    found = ends({"first": np.arange(7, dtype="int8"), "second": array})["second"]
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape
    assert found.dtype.itemsize == array.dtype.itemsize or array.dtype == object


def test_the_memory_grows_and_what_was_received_stays(ends: Ends) -> None:
    first = ends(np.arange(10.0))
    large = ends(np.arange(3e6))
    again = ends([np.arange(5e6), np.arange(10.0) + 1])
    np.testing.assert_array_equal(first, np.arange(10.0))
    np.testing.assert_array_equal(large, np.arange(3e6))
    np.testing.assert_array_equal(again[1], np.arange(10.0) + 1)
    assert ends.size < 500  # the pipe has the header alone


def test_an_input_that_was_an_output_is_not_sent_again(ends: Ends) -> None:
    a, b, c = Tensor(1, 2), Tensor(3, 4), Tensor(5)
    ends(call("a", (), (a.value(),)))
    found = ends(call("b", (a.value("args[0]"), c.value("args[1]")), (b.value(),)))
    assert [value.name for value in found.inputs] == ["args[0]", "args[1]"]
    np.testing.assert_array_equal(found.inputs[0].array, [1, 2])
    again = ends(call("c", (b.value("x"), a.value("y")), ()))
    np.testing.assert_array_equal(again.inputs[0].array, [3, 4])
    assert again.inputs[1].array is found.inputs[0].array  # the very same memory


def test_what_is_no_more_is_let_go_and_its_number_never_comes_back(ends: Ends) -> None:
    for number in range(5):
        tensor = Tensor(number)
        found = ends(call("a", (), (tensor.value(),)))
        np.testing.assert_array_equal(found.outputs[0].array, [number])
        del tensor
        gc.collect()
    ends("anything")
    assert len(ends.receiver.kept) == 0


def test_masks_sparse_tensors_and_numpy_arrays_are_always_sent(ends: Ends) -> None:
    tensor = Tensor(1, 2)
    masks = (np.array([True, False]), np.array([False, False]))
    for mask in masks:
        found = ends(call("a", (), (tensor.value(mask=mask),)))
        np.testing.assert_array_equal(found.outputs[0].mask, mask)
    found = ends(call("a", (tensor.value(),), (tensor.value(bypassed=True),)))
    assert (found.inputs[0].bypassed, found.outputs[0].bypassed) == (False, True)
    ends("a tensor that is no more")
    tensor = Tensor(1, 2)
    ends("nor is this one kept")
    ends(call("a", (), (tensor.value(sparse=True), Value(array=np.ones(3), native=np.ones(3)))))
    assert len(ends.receiver.kept) == 0


@pytest.mark.parametrize(
    "header",
    [
        b'{"shared": [[0, 99999999]], "gone": [], "message": null}',
        b'{"shared": [[-8, 4]], "gone": [], "message": null}',
        b'{"shared": [], "gone": [], "message": {"again": 7, "name": ""}}',
        b'{"shared": [], "gone": [], "message": {"keep": 7, "value": 1}}',
        b'{"gone": [], "message": 1}',
        b"[]",
    ],
)
def test_rubbish_is_refused(header: bytes, ends: Ends) -> None:
    ends(np.ones(3))
    message = wire._HEAD.pack(b"KLT1", len(header), 0) + header
    with pytest.raises(WorkerError, match="damaged"):
        wire.receive(io.BytesIO(message), ends.receiver)
