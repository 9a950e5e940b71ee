"""Records as bytes: one JSON header and the raw buffers it refers to.  No pickle, so nothing received can run code.

With a `Link` the buffers lie in memory that both ends share, and a tensor that the other end has isn't sent again.
"""

from __future__ import annotations

import base64
import importlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np

from tracer.core.feed import Feed
from tracer.core.golden.fingerprint import Fingerprint, Identity, Site
from tracer.core.layer.holdings import Holding
from tracer.core.layer.optimizer import OptimizerState, Restored, Slot
from tracer.core.memory import Footprint
from tracer.core.source import Array, Call, End, Facts, Function, Outline, Patch, Replay, Value
from tracer.core.transport.shared_memory import Kept, Sent
from tracer.errors import WorkerError
from tracer.records import Inputs, JsonObject, JsonValue

Buffer: TypeAlias = bytearray | Array
_RECORDS = (
    Value,
    Call,
    End,
    Replay,
    Facts,
    Function,
    Patch,
    Outline,
    Fingerprint,
    Site,
    Identity,
    Footprint,
    Holding,
    Slot,
    OptimizerState,
    Restored,
    Feed,
    Inputs,
)
_HEAD = struct.Struct("<4sQI")
_MAGIC = b"KLT1"
_MAX_HEADER = 1 << 30


class Arena(Protocol):
    """Where the numbers of arrays are: memory that both ends share, or a file."""

    def put(self, arrays: Sequence[Array]) -> list[list[int]]:
        """Writes the arrays' bytes; offset and size of each."""

    def take(self, start: int, size: int) -> Array:
        """The bytes at a place."""


@dataclass(frozen=True, slots=True)
class Link:
    """What one direction has besides the pipe.

    Attributes:
        arena: where the numbers of arrays are.
        sent: at the sending end, the tensors that the other end has; None where none are referred to.
        kept: at the receiving end, those tensors.
    """

    arena: Arena
    sent: Sent | None = None
    kept: Kept = field(default_factory=Kept)


def send(stream: BinaryIO, message: object, link: Link | None = None) -> None:
    """Write one message: nested dicts, lists, tuples, plain values, arrays and the records of `tracer.core.source`."""
    buffers: list[Array] = []
    body = _encode(message, buffers, link.sent if link is not None else None)
    if link is not None:
        body = {"shared": link.arena.put(buffers), "gone": link.sent.gone() if link.sent else [], "message": body}
        buffers = []
    header = json.dumps(body).encode()
    stream.write(_HEAD.pack(_MAGIC, len(header), len(buffers)))
    stream.write(header)
    for array in buffers:
        stream.write(struct.pack("<Q", array.nbytes))
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO, link: Link | None = None) -> Any:
    """Read one message.

    Raises:
        EOFError: when the stream ends.
        WorkerError: when what arrives isn't a message.
    """
    magic, length, count = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if magic != _MAGIC or length > _MAX_HEADER:
        raise WorkerError(f"received {magic!r} where a message should begin: something else writes to the pipe.")
    try:
        header = json.loads(bytes(_exactly(stream, length)))
        buffers: list[Buffer] = [_exactly(stream, struct.unpack("<Q", _exactly(stream, 8))[0]) for _ in range(count)]
        if link is None:
            return _decode(header, buffers, Kept())
        found = _decode(header["message"], [link.arena.take(*place) for place in header["shared"]], link.kept)
        link.kept.forget(header["gone"])
        return found
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, MemoryError) as error:
        raise WorkerError(f"received a damaged message: {type(error).__name__}: {error}.") from error


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("the stream ended in the middle of a message" if done else "the stream has ended")
        done += got
    return data


def _encode(item: object, buffers: list[Array], sent: Sent | None = None) -> JsonValue:
    for kinds, encode in _ENCODERS:
        if isinstance(item, kinds):
            return encode(item, buffers, sent)
    if is_dataclass(item):
        return _encode_record(item, buffers, sent)
    raise TypeError(f"a {type(item).__name__} can't be sent")


def _encode_text(text: str, _buffers: list[Array], _sent: Sent | None) -> JsonValue:
    return str(text)  # an enum's member is text too, and JSON would know its name


def _encode_plain(item: JsonValue, _buffers: list[Array], _sent: Sent | None) -> JsonValue:
    return item


def _encode_float(number: float, _buffers: list[Array], _sent: Sent | None) -> JsonValue:
    return {"float": number.hex()}


def _encode_bytes(data: bytes, _buffers: list[Array], _sent: Sent | None) -> JsonValue:
    return {"bytes": base64.b64encode(data).decode()}


def _encode_array(array: Array | np.generic, buffers: list[Array], _sent: Sent | None = None) -> JsonValue:
    array = np.asarray(array)
    if array.dtype.kind in "OSU" or array.dtype.kind == "T":
        return {"texts": [_encode(x, buffers) for x in array.reshape(-1).tolist()], "shape": list(array.shape)}
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # a dtype's name doesn't say its byte order
    buffers.append(array)
    return {"array": len(buffers) - 1, "dtype": array.dtype.name, "shape": list(array.shape)}


def _encode_mapping(items: Mapping[object, object], buffers: list[Array], sent: Sent | None) -> JsonValue:
    return {"dict": [[_encode(key, buffers), _encode(item, buffers, sent)] for key, item in items.items()]}


def _encode_sequence(items: Sequence[object], buffers: list[Array], sent: Sent | None) -> JsonValue:
    return {"tuple" if isinstance(items, tuple) else "list": [_encode(item, buffers, sent) for item in items]}


def _encode_value(value: Value, buffers: list[Array], sent: Sent | None) -> JsonValue:
    number = sent.again(value) if sent is not None else None
    if number is not None:
        return {"again": number, "name": value.name}
    number = sent.first(value) if sent is not None else None
    record = _encode_record(value, buffers, None)
    return record if number is None else {"keep": number, "value": record}


def _encode_record(item: Any, buffers: list[Array], sent: Sent | None) -> JsonValue:
    names = [f.name for f in fields(item) if f.name != "native"]  # live tensors stay where they live
    return {"record": type(item).__name__, "of": {name: _encode(getattr(item, name), buffers, sent) for name in names}}


# The first that fits counts: a NumPy scalar may be text or a float as well.
_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, list[Array], Sent | None], JsonValue]], ...] = (
    (str, _encode_text),
    ((bool, int, type(None)), _encode_plain),
    (float, _encode_float),
    ((np.generic, np.ndarray), _encode_array),
    (bytes, _encode_bytes),
    (Mapping, _encode_mapping),
    ((list, tuple), _encode_sequence),
    (Value, _encode_value),
)


def _decode(item: JsonValue, buffers: Sequence[Buffer], kept: Kept) -> Any:
    if not isinstance(item, dict):
        return item
    for tag, decode in _DECODERS.items():
        if tag in item:
            return decode(item, buffers, kept)
    raise KeyError(f"nothing known among {', '.join(item)}")


def _decode_float(item: JsonObject, _buffers: Sequence[Buffer], _kept: Kept) -> float:
    return float.fromhex(item["float"])


def _decode_bytes(item: JsonObject, _buffers: Sequence[Buffer], _kept: Kept) -> bytes:
    return base64.b64decode(item["bytes"])


def _decode_array(item: JsonObject, buffers: Sequence[Buffer], _kept: Kept) -> Array:
    return np.frombuffer(buffers[item["array"]], dtype=_dtype(item["dtype"])).reshape(item["shape"])


def _decode_texts(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> Array:
    array = np.empty(len(item["texts"]), dtype=object)
    array[:] = [_decode(text, buffers, kept) for text in item["texts"]]
    return array.reshape(item["shape"])


def _decode_dict(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> dict[object, object]:
    return {_decode(key, buffers, kept): _decode(value, buffers, kept) for key, value in item["dict"]}


def _decode_tuple(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> tuple[object, ...]:
    return tuple(_decode(part, buffers, kept) for part in item["tuple"])


def _decode_list(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> list[object]:
    return [_decode(part, buffers, kept) for part in item["list"]]


def _decode_again(item: JsonObject, _buffers: Sequence[Buffer], kept: Kept) -> Value:
    return kept.again(item["again"], item["name"])


def _decode_keep(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> Value:
    value = _decode(item["value"], buffers, kept)
    if not isinstance(value, Value):
        raise TypeError(f"a {type(value).__name__} can't be kept")
    return kept.keep(item["keep"], value)


def _decode_record(item: JsonObject, buffers: Sequence[Buffer], kept: Kept) -> object:
    kinds = {record.__name__: record for record in _RECORDS}
    return kinds[item["record"]](**{name: _decode(value, buffers, kept) for name, value in item["of"].items()})


_DECODERS: Mapping[str, Callable[[JsonObject, Sequence[Buffer], Kept], object]] = MappingProxyType(
    {
        "float": _decode_float,
        "bytes": _decode_bytes,
        "array": _decode_array,
        "texts": _decode_texts,
        "dict": _decode_dict,
        "tuple": _decode_tuple,
        "list": _decode_list,
        "again": _decode_again,
        "keep": _decode_keep,
        "record": _decode_record,
    }
)


def _dtype(name: str) -> np.dtype[np.generic]:
    """NumPy's dtypes by name; bfloat16 and float8 from ml_dtypes, which every Keras brings."""
    try:
        return np.dtype(name)
    except TypeError:
        found: np.dtype[np.generic] = np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
        return found
