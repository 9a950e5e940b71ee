"""What is kept of an activation: a few kilobytes by which another one is held against it, layer by layer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracer.core.comparison.alignment import all_paths
from tracer.core.drive import running
from tracer.core.golden.sketch import SUMS, Sums, chunks
from tracer.core.numbers.equal_tensors import stays
from tracer.core.source import Array, Arrays, Call, Run, Source, Value
from tracer.progress import Progress
from tracer.records import JsonValue

SAMPLES: Final = 16
GROUPS: Final = 64  # a channel group is one channel, or several neighbours where there are more channels than this
DIGEST_LIMIT: Final = 1 << 21  # bytes: hashing runs at about 1 GB/s, which would double what a check of a B7 costs
_ROWS: Final = 512  # rows added up in float32 before they are added up in float64: 512 roundings are 2e-6 at most
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One activation.

    Attributes:
        shape: of the activation.
        dtype: NumPy's name of it; `string` for text.
        sketch: see `tracer.core.golden.sketch`, shape (257,); zeros for text.
        mask: digest of the Keras mask that travels with it, "" without one.
        digest: BLAKE2b, 128 bits, of its bytes in C order (little endian), "" where it wasn't taken.
        nonfinite: how many values are NaN or infinite.
        minimum: of the finite values, like everything below; in the units of the activation.
        maximum: likewise.
        mean: likewise.
        rms: root of the mean of the squares; with the number of values it gives the L2 norm.
        samples: values at at most 16 positions, evenly spread over the flat array; the first is the first value.
        means: mean of each channel group (last axis), at most 64; groups of neighbours, of equal size but for the last.
    """

    shape: tuple[int, ...]
    dtype: str
    sketch: Array
    mask: str = ""
    digest: str = ""
    nonfinite: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    rms: float = 0.0
    samples: Array = field(default_factory=lambda: np.empty(0))
    means: Array = field(default_factory=lambda: np.empty(0))

    @property
    def count(self) -> int:
        """How many values there are."""
        return math.prod(self.shape)

    @property
    def norm(self) -> float:
        """L2 norm of the activation."""
        return self.rms * math.sqrt(self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One output of one call site of a run.

    Attributes:
        path: layer path, with `:output` from the second output on.
        class_name: class of the layer or operation.
        box: layer path of the innermost enclosing layer that has code of its own, "" at the top.
        is_box: inner call sites were recorded while it ran.
        wiring: layer paths that its inputs come from, where it is part of a graph; else None.
        fingerprint: of the output; None where the layer raised.
        error: what the layer raised.
    """

    path: str
    class_name: str
    box: str
    is_box: bool
    wiring: tuple[str, ...] | None
    fingerprint: Fingerprint | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a layer is, apart from what it computes.

    Attributes:
        weights: digest of its own float weights, as float32, in the order in which it made them; "" without any.
        settings: what is plain in its configuration: numbers, text, booleans and short lists of them, by key.
    """

    weights: str = ""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


def collect(
    source: Source,
    inputs: Arrays,
    *,
    training: bool | None = False,
    detail: bool = False,
    digest_limit: int = DIGEST_LIMIT,
    progress: Progress | None = None,
) -> tuple[Site, ...]:
    """Run a source once and keep a fingerprint of every output, in the memory of a plain forward pass.

    Args:
        source: see `tracer.core.source.Source`.
        inputs: arrays in the structure that the model takes.
        training: passed on to the model.
        detail: statistics, samples and means too, not the sketch alone.
        digest_limit: larger outputs, in bytes, get no digest.
        progress: called with (phase, outputs done, call sites in all, as far as the outline tells).

    Raises:
        TracerError: when the model or its worker fails.
    """
    found: list[Site] = []
    expected, taker = len(all_paths(source.outline)), _Taker(detail, digest_limit)
    with running(source, Run(inputs=inputs, training=training, seeds=source.seeds())) as calls:
        for call in calls:
            if all(map(stays, call.outputs)):
                calls.proceed()  # the model computes on while its last output is looked at
            found += [_site(call, index, taker.of(value)) for index, value in enumerate(call.outputs)]
            if call.error:
                found.append(_site(call, 0, None))
            if progress is not None:
                progress("running", len(found), max(len(found), expected))
    return tuple(found)


class _Taker:
    """Takes fingerprints, each tensor's once: a layer that does nothing hands on the very tensor that it got.

    The mask is taken every time, because such a layer may hand that tensor on with another mask.
    """

    def __init__(self, detail: bool, digest_limit: int) -> None:
        self._detail, self._digest_limit = detail, digest_limit
        self._last: tuple[object, Fingerprint] | None = None  # of a live tensor of whatever backend

    def of(self, value: Value) -> Fingerprint:
        if self._last is None or value.native is None or self._last[0] is not value.native:
            self._last = value.native, fingerprint(value, detail=self._detail, digest_limit=self._digest_limit)
        return replace(self._last[1], mask=_mask_digest(value))


def _mask_digest(value: Value) -> str:
    return "" if value.mask is None else digest_of(value.mask)


def _site(call: Call, index: int, taken: Fingerprint | None) -> Site:
    return Site(
        path=f"{call.path}:{index}" if index else call.path,
        class_name=call.class_name,
        box=call.box,
        is_box=call.is_box,
        wiring=call.wiring,
        fingerprint=taken,
        error=call.error,
    )


def fingerprint(value: Value, *, detail: bool = True, digest_limit: int = DIGEST_LIMIT) -> Fingerprint:
    """The fingerprint of one output; see `collect` for the options."""
    array = value.array
    is_text = array.dtype.kind in "OSUT"
    bare = Fingerprint(
        shape=tuple(int(n) for n in array.shape),
        dtype=_dtype_name(array.dtype),
        sketch=np.zeros(SUMS),
        mask=_mask_digest(value),
        digest=digest_of(array) if is_text or array.nbytes <= digest_limit else "",
    )
    if is_text:
        return bare
    if array.dtype.kind == "c":
        array = np.ascontiguousarray(array).view(array.real.dtype)
    return _sketched(bare, array, detail)


def _sketched(bare: Fingerprint, array: Array, detail: bool) -> Fingerprint:
    """With the sketch of an array of real numbers, and its statistics, samples and means where `detail` is set."""
    sums = Sums()
    statistics = _Statistics() if detail else None
    for chunk in chunks(array):
        sums.add(chunk)
        if statistics is not None:
            statistics.add(chunk)
    found = replace(bare, sketch=sums.total())
    if statistics is None:
        return found
    return statistics.put_in(replace(found, samples=_samples(array), means=channel_means(array)))


def digest_of(array: ArrayLike) -> str:
    """BLAKE2b, 128 bits, of the bytes in C order, little endian; text and objects by what they say."""
    values = np.asarray(array)
    if values.dtype.kind in "OSUT":
        data: bytes | memoryview = "\0".join(str(item) for item in values.reshape(-1).tolist()).encode()
    else:
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        data = values.reshape(-1).view(np.uint8).data
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def digest_of_all(named: Mapping[str, str]) -> str:
    """One digest of several, by name, in whatever order they come."""
    lines = "\n".join(f"{name}\0{digest}" for name, digest in sorted(named.items()))
    return hashlib.blake2b(lines.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def channel_means(array: ArrayLike) -> NDArray[np.float64]:
    """Mean of each channel group, over all but the last axis; shape (at most 64,). A scalar has one, no values none."""
    values = np.asarray(array)
    if not values.size:
        return np.empty(0)
    rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
    kept = values.dtype if values.dtype.kind == "f" and values.dtype.itemsize > 2 else np.float64
    total = np.zeros(rows.shape[1])
    for start in range(0, len(rows), _ROWS):
        total += rows[start : start + _ROWS].sum(axis=0, dtype=kept)
    size = -(-len(total) // GROUPS)
    starts = np.arange(0, len(total), size)
    members = np.diff([*starts, len(total)])
    return np.asarray(np.add.reduceat(total, starts) / (members * len(rows)))


def sample_positions(count: int) -> NDArray[np.intp]:
    """Flat indices of the samples of an array with that many values."""
    taken = min(count, SAMPLES)
    return (np.arange(taken, dtype=np.int64) * count // max(taken, 1)).astype(np.intp)


def _samples(array: Array) -> NDArray[np.float64]:
    values = array if array.ndim else array.reshape(1)  # an array without axes takes no index
    places = np.unravel_index(sample_positions(values.size), values.shape)
    return np.asarray(values[places], np.float64)


def _dtype_name(dtype: np.dtype[np.generic]) -> str:
    return "string" if dtype.kind in "OSUT" else dtype.name


class _Statistics:
    """Sums over chunks; values that aren't finite are counted and left out."""

    def __init__(self) -> None:
        self._count = self._nonfinite = 0
        self._sum = self._squares = 0.0
        self._low, self._high = math.inf, -math.inf

    def add(self, chunk: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore"):  # of squares; the values may be finite all the same
            squares = float(chunk @ chunk)
            if not math.isfinite(squares):
                kept = chunk[np.isfinite(chunk)]
                self._nonfinite += chunk.size - kept.size
                chunk, squares = kept, float(kept @ kept)
        if chunk.size:
            self._count += chunk.size
            self._sum += float(chunk.sum())
            self._squares += squares
            self._low, self._high = min(self._low, float(chunk.min())), max(self._high, float(chunk.max()))

    def put_in(self, bare: Fingerprint) -> Fingerprint:
        found = replace(bare, nonfinite=self._nonfinite)
        if not self._count:
            return found
        mean, rms = self._sum / self._count, math.sqrt(self._squares / self._count)
        return replace(found, minimum=self._low, maximum=self._high, mean=mean, rms=rms)
