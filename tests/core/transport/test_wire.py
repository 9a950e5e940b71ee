"""`wire`: what is sent arrives, bit for bit; anything else is refused, and nothing received is code."""

from __future__ import annotations

import ast
import io
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tracer
from tracer.core.source import Call, End, Facts, Outline, Patch, Replay, Value
from tracer.core.transport import wire
from tracer.errors import WorkerError

_NUMBERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
            "float64", "complex64", "complex128")  # fmt: skip
_SMALL = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8", "int4": "int8"}


def sent(message: Any) -> bytes:
    stream = io.BytesIO()
    wire.send(stream, message)
    return stream.getvalue()


def returned(message: Any) -> Any:
    return wire.receive(io.BytesIO(sent(message)))


def assert_same(a: Any, b: Any) -> None:
    """Equal in type, shape, dtype and bytes, all the way down; texts by their values."""
    if isinstance(a, np.ndarray):
        _assert_same_array(a, b)
    elif is_dataclass(a):
        assert type(a) is type(b)
        for field in fields(a):
            if field.name != "native":
                assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, Mapping):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b)
    else:
        assert type(a) is type(b)
        assert a == b


def _assert_same_array(a: Any, b: Any) -> None:
    assert isinstance(b, np.ndarray)
    assert a.shape == b.shape
    if a.dtype.kind in "OSU":
        assert a.reshape(-1).tolist() == b.reshape(-1).tolist()
    else:
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
numeric = st.sampled_from(_NUMBERS).flatmap(lambda name: hnp.arrays(name, shapes))
small = st.sampled_from(sorted(_SMALL)).flatmap(
    lambda name: hnp.arrays(_SMALL[name], shapes, elements=st.integers(0, 7)).map(
        lambda array: (
            array.astype("int8").astype(ml_dtypes.int4) if name == "int4" else array.view(getattr(ml_dtypes, name))
        )
    )
)
texts = hnp.arrays(object, shapes, elements=st.text(max_size=5) | st.binary(max_size=5))
fixed_texts = hnp.arrays("U4", shapes) | hnp.arrays("S4", shapes)
dates = hnp.arrays("datetime64[ns]", shapes)
arrays = numeric | small | texts | fixed_texts | dates
turned = arrays.map(lambda array: array.T) | arrays.filter(lambda a: a.ndim > 0).map(lambda array: array[::-2])
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
keys = st.text(max_size=4) | st.integers() | st.booleans() | st.none()
messages = st.recursive(
    plain | arrays | turned,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(messages)
@example({"array": 0, "dict": [], "record": "Call", "tuple": 1, "float": "nan"})  # words of the encoding itself
@example([-0.0, math.inf, -math.inf, math.nan, 5e-324, 2**70])
@example(np.array([math.nan, -math.nan, math.inf, -0.0], "float32"))
@example("lone surrogate \ud800, é, \0")
@example(np.array(3.0, ml_dtypes.bfloat16))
@example(np.zeros((0, 3), "float32"))
def test_what_is_sent_arrives(message: Any) -> None:
    assert_same(message, returned(message))


def test_nan_payloads_and_signs_arrive() -> None:
    bits = np.array([0x7FC00001, 0xFFC12345, 0x7F800001, 0x80000000], "uint32")
    assert returned(bits.view("float32")).view("uint32").tolist() == bits.tolist()


def test_a_big_endian_array_arrives_with_its_numbers() -> None:
    assert returned(np.array([1.0, 2.5, -3.0], ">f4")).tolist() == [1.0, 2.5, -3.0]


def test_numpy_scalars_arrive_as_arrays_of_no_dimension() -> None:
    arrived = returned([np.float32(1.5), np.int64(3), np.str_("a")])
    assert [x.tolist() if isinstance(x, np.ndarray) else x for x in arrived] == [1.5, 3, "a"]
    assert arrived[0].dtype == "float32"


def _value(seed: int = 0, **changes: Any) -> Value:
    array = np.random.RandomState(seed).normal(size=(2, 3)).astype("float32")
    return Value(**{"array": array, "mask": array > 0, "sparse": True, "name": "args[0]", **changes})


_CALL = Call(
    path="outer/inner#1", class_name="Dense", box="outer", is_box=True, inputs=(_value(), _value(1, mask=None)),
    outputs=(_value(2),), context={"training": "true", "axis": "[1, 2]"}, training_after="true",
    wiring=("a", "b:1"), compute_dtype="bfloat16", error="",
)  # fmt: skip
_RECORDS = (
    _value(),
    _CALL,
    End(outputs=(_value(),), wiring=None, opaque={"scan": "traced"}),
    Replay(outputs=(), inner={"a/b": ((_value(),), {"training": "true"})}, error="ValueError: no"),
    Facts(
        class_name="keras.layers.Dense", config={"units": 3, "nested": {"a": [1, None]}},
        weights={"kernel": np.ones((2, 2), ml_dtypes.bfloat16)}, state={"mean": np.zeros((1, 3)), "axis": (1, (2,))},
        policy={"compute_dtype": "float32"}, arguments=("units", "axis"), derives=True,
    ),
    Patch(action="copy_weights", weights={"kernel": np.ones(2)}, attributes={"axis": [1]}, finalize=True),
    Outline("m", "Functional", "functional", (Outline("d", "Dense", "dense"),)),
)  # fmt: skip


@pytest.mark.parametrize("record", _RECORDS, ids=lambda record: type(record).__name__)
def test_records_arrive(record: Any) -> None:
    assert_same(record, returned(record))


def test_live_tensors_stay_where_they_live() -> None:
    assert returned(_value(native=object())).native is None


def test_messages_follow_each_other_and_then_the_stream_ends() -> None:
    stream = io.BytesIO(sent([np.ones(3)]) + sent({}) + sent("last"))
    assert_same(wire.receive(stream), [np.ones(3)])
    assert [wire.receive(stream), wire.receive(stream)] == [{}, "last"]
    with pytest.raises(EOFError, match="has ended"):
        wire.receive(stream)


class _Dripping(io.BytesIO):
    """A pipe that hands out a byte or two at a time."""

    def readinto(self, buffer: Any) -> int:
        piece = self.read(min(2, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_slow_pipe_is_waited_for() -> None:
    assert_same(wire.receive(_Dripping(sent(_CALL))), _CALL)


def test_a_truncated_stream_is_an_end_wherever_it_is_cut() -> None:
    whole = sent({"a": np.arange(5), "b": ["text", 1.5]})
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            wire.receive(io.BytesIO(whole[:length]))


_HEAD = wire._HEAD.size


@pytest.mark.parametrize(
    "rubbish",
    [
        b"Epoch 1/10 - loss: 0.5 and so on\n" * 3,
        b"\0" * 64,
        b"KLT1" + b"\xff" * 60,  # the magic, then a header of 2**64 bytes
        sent("text").replace(b'"text"', b"{text}"),  # not JSON
        sent("text").replace(b'"text"', b'\xff\xfe"()"'),  # not even text
        sent(_RECORDS[6]).replace(b"Outline", b"outLine"),  # no such record
        sent(_RECORDS[6]).replace(b"children", b"Children"),  # no such field
        sent(np.arange(3)).replace(b'"array": 0', b'"array": 7'),  # no such buffer
        sent(np.arange(3)).replace(b"int64", b"int46"),  # no such dtype
        sent(np.arange(3)).replace(b'"shape": [3]', b'"shape": [4]'),  # too few numbers
    ],
    ids=["words", "zeros", "endless", "no-json", "no-text", "record", "field", "buffer", "dtype", "shape"],
)
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(WorkerError):
        wire.receive(io.BytesIO(rubbish))


def test_an_array_that_is_longer_than_memory_is_refused() -> None:
    whole = bytearray(sent(np.arange(3)))
    whole[-32:-24] = b"\xff" * 8  # the length of the buffer
    with pytest.raises((WorkerError, EOFError)):
        wire.receive(io.BytesIO(bytes(whole)))


def test_what_is_no_message_is_not_sent() -> None:
    stream = io.BytesIO()
    for unfit in (object(), {1, 2}, lambda: None, [np.array([object()])]):
        with pytest.raises(TypeError, match="can't be sent"):
            wire.send(stream, unfit)
    assert stream.getvalue() == b""  # nothing half-written


_FILES = sorted(Path(tracer.__file__).parent.rglob("*.py"))
_RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}


def _imports(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value.split(".")[0])  # import_module("pickle")
    return found


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_no_pickle_anywhere(path: Path) -> None:
    """But for `--format pickle`, which somebody asks for, and classes of `__main__`, which our own child is sent."""
    source = path.read_text(encoding="utf-8")
    asked_for = {"formats.py": {"pickle"}, "save_formats.py": {"pickle"}, "shipping.py": {"pickle", "cloudpickle"}}
    assert _imports(source) & _RUNS_CODE == asked_for.get(path.name, set())
    assert "allow_pickle=True" not in source


def test_the_search_for_pickle_finds_it() -> None:
    assert len(_FILES) > 40
    assert _imports("import pickle as p") & _RUNS_CODE
    assert _imports("from dill.x import y") & _RUNS_CODE
    assert _imports("importlib.import_module('cloudpickle')") & _RUNS_CODE
