"""Records as bytes: one JSON header and the raw buffers it refers to.  No pickle, so nothing received can run code.

With a `Link` the buffers lie in memory that both ends share, and a tensor that the other end has isn't sent again.
"""

from __future__ import annotations

import base64
import importlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, BinaryIO

import numpy as np

from tracer.core.arena import Arena, Kept, Sent
from tracer.core.budget import Footprint
from tracer.core.fingerprint import Fingerprint, Identity, Site
from tracer.core.source import Array, Call, End, Facts, Mend, Outline, Replay, Value
from tracer.errors import WorkerError

_RECORDS = (Value, Call, End, Replay, Facts, Mend, Outline, Fingerprint, Site, Identity, Footprint)
_HEAD = struct.Struct("<4sQI")
_MAGIC = b"KLT1"
_MAX_HEADER = 1 << 30


@dataclass(frozen=True, slots=True)
class Link:
    """What one direction has besides the pipe.

    Attributes:
        arena: shared memory.
        sent: at the sending end, the tensors that the other end has; None where none are referred to.
        kept: at the receiving end, those tensors.
    """

    arena: Arena
    sent: Sent | None = None
    kept: Kept = field(default_factory=Kept)


def send(stream: BinaryIO, message: Any, link: Link | None = None) -> None:
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
        buffers: list[Any] = [_exactly(stream, struct.unpack("<Q", _exactly(stream, 8))[0]) for _ in range(count)]
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


def _encode(item: Any, buffers: list[Array], sent: Sent | None = None) -> Any:
    if item is None or isinstance(item, (bool, int, str)):
        return item if not isinstance(item, str) else str(item)
    if isinstance(item, float):
        return {"float": item.hex()}
    if isinstance(item, bytes):
        return {"bytes": base64.b64encode(item).decode()}
    if isinstance(item, np.generic):
        return _encode_array(np.asarray(item), buffers)
    if isinstance(item, np.ndarray):
        return _encode_array(item, buffers)
    if isinstance(item, Mapping):
        return {"dict": [[_encode(k, buffers), _encode(v, buffers, sent)] for k, v in item.items()]}
    if isinstance(item, (list, tuple)):
        return {"tuple" if isinstance(item, tuple) else "list": [_encode(i, buffers, sent) for i in item]}
    if isinstance(item, Value) and sent is not None:
        return _encode_value(item, buffers, sent)
    if is_dataclass(item):
        return _encode_record(item, buffers, sent)
    raise TypeError(f"a {type(item).__name__} can't be sent")


def _encode_value(value: Value, buffers: list[Array], sent: Sent) -> dict[str, Any]:
    number = sent.again(value)
    if number is not None:
        return {"again": number, "name": value.name}
    number = sent.first(value)
    record = _encode_record(value, buffers, None)
    return record if number is None else {"keep": number, "value": record}


def _encode_record(item: Any, buffers: list[Array], sent: Sent | None) -> dict[str, Any]:
    names = [f.name for f in fields(item) if f.name != "native"]  # live tensors stay where they live
    return {"record": type(item).__name__, "of": {n: _encode(getattr(item, n), buffers, sent) for n in names}}


def _encode_array(array: Array, buffers: list[Array]) -> dict[str, Any]:
    if array.dtype.kind in "OSU" or array.dtype.kind == "T":
        return {"texts": [_encode(x, buffers) for x in array.reshape(-1).tolist()], "shape": list(array.shape)}
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # a dtype's name doesn't say its byte order
    buffers.append(array)
    return {"array": len(buffers) - 1, "dtype": array.dtype.name, "shape": list(array.shape)}


def _decode(item: Any, buffers: list[Any], kept: Kept) -> Any:
    if not isinstance(item, dict):
        return item
    if "float" in item:
        return float.fromhex(item["float"])
    if "bytes" in item:
        return base64.b64decode(item["bytes"])
    if "array" in item:
        return np.frombuffer(buffers[item["array"]], dtype=_dtype(item["dtype"])).reshape(item["shape"])
    if "texts" in item:
        array = np.empty(len(item["texts"]), dtype=object)
        array[:] = [_decode(text, buffers, kept) for text in item["texts"]]
        return array.reshape(item["shape"])
    if "dict" in item:
        return {_decode(k, buffers, kept): _decode(v, buffers, kept) for k, v in item["dict"]}
    if "tuple" in item:
        return tuple(_decode(i, buffers, kept) for i in item["tuple"])
    if "list" in item:
        return [_decode(i, buffers, kept) for i in item["list"]]
    if "record" not in item:
        return _decode_kept(item, buffers, kept)
    kinds = {record.__name__: record for record in _RECORDS}
    return kinds[item["record"]](**{name: _decode(value, buffers, kept) for name, value in item["of"].items()})


def _decode_kept(item: dict[str, Any], buffers: list[Any], kept: Kept) -> Value:
    """A value that was received before, or one that will be referred to."""
    if "again" in item:
        return kept.again(item["again"], item["name"])
    value = _decode(item["value"], buffers, kept)
    if not isinstance(value, Value):
        raise TypeError(f"a {type(value).__name__} can't be kept")
    return kept.keep(item["keep"], value)


def _dtype(name: str) -> np.dtype[Any]:
    """NumPy's dtypes by name; bfloat16 and float8 from ml_dtypes, which every Keras brings."""
    try:
        return np.dtype(name)
    except TypeError:
        found: np.dtype[Any] = np.dtype(getattr(importlib.import_module("ml_dtypes"), name))
        return found
