"""Weights of paired layers, compared by value: in batches, as they are, and never all held at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tracer.core.layer.differences import paired_weights
from tracer.core.layer.holdings import HeldVariable, Holder, Holding, Place
from tracer.core.numbers.difference import same_bytes
from tracer.core.numbers.tolerance import rounding_of
from tracer.core.source import Array
from tracer.records import Evidence, EvidenceKind, Scalar

BATCH: Final = 1 << 20  # elements that are compared at once: few enough to stay in the cache of most processors
_BLOCK: Final = 1 << 16  # elements that are measured at once, in float64
_GLANCES: Final = 1 << 12  # elements that tell the scale of a weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Elements of a weight that differ by more than rounding.

    Attributes:
        count: how many.
        excess: of the worst: its difference in units of the scale; `inf` where one side isn't finite.
        where: flat index of the worst.
        reference: its value there.
        candidate: its value there.
    """

    count: int
    excess: float
    where: int
    reference: Scalar
    candidate: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One variable on both sides, and its place in what is compared."""

    path: str
    name: str
    here: HeldVariable
    there: HeldVariable

    @property
    def dtypes(self) -> tuple[str, str]:
        return self.here.dtype, self.there.dtype

    def place_here(self, start: int, stop: int) -> Place:
        return self.path, self.here.position, start, stop

    def place_there(self, start: int, stop: int) -> Place:
        return self.path, self.there.position, start, stop


def weight_evidence(
    reference: Holder, candidate: Holder, here: Mapping[str, Holding], there: Mapping[str, Holding]
) -> dict[str, list[Evidence]]:
    """Variables of paired layers that differ by more than rounding, by layer path."""
    found: dict[str, list[Evidence]] = {}
    pairs: list[_Pair] = []
    for path, name, a, b in _variables(here, there):
        if a is None or b is None or a.shape != b.shape:
            found.setdefault(path, []).append(_unlike(name, a, b))
        elif a.size:
            pairs.append(_Pair(path=path, name=name, here=a, there=b))
    for pair, mismatch in _mismatches(pairs, reference, candidate):
        found.setdefault(pair.path, []).append(_describe(pair, mismatch))
    return found


def held_by_siblings(
    holder: Holder,
    holdings: Callable[[], Mapping[str, Holding]],
    path: str,
    class_name: str,
    variable: str,
    shape: tuple[int, ...],
) -> Iterator[tuple[str, Array]]:
    """Layer path of each other layer of a class, with its variable of that name and shape, inside it or its own.

    Args:
        holder: of the layers.
        holdings: what it says of them; asked for here, since few ever ask.
        path: layer path of the one that isn't asked.
        class_name: of the layers.
        variable: its name.
        shape: of its value.
    """
    held = holdings()
    siblings = [other for other, holding in held.items() if holding.class_name == class_name and other != path]
    found = [
        (sibling, (other, place.position, 0, place.size))
        for sibling in siblings
        for other in _inside(sibling, held)
        if (place := held[other].variables().get(variable)) is not None and place.shape == shape
    ]
    values = holder.weight_values([[place] for _, place in found])
    return ((sibling, value.reshape(shape)) for (sibling, _), (value,) in zip(found, values, strict=True))


def _inside(path: str, held: Mapping[str, Holding]) -> Iterator[str]:
    """Layer paths of a layer and of those inside it."""
    return (other for other in held if other == path or other.startswith(f"{path}/"))


def _variables(
    here: Mapping[str, Holding], there: Mapping[str, Holding]
) -> Iterator[tuple[str, str, HeldVariable | None, HeldVariable | None]]:
    """Layer path, name and both sides of each variable of the paired layers, at the layer that held it first."""
    for path in (path for path in here if path in there):
        again = set(here[path].again) & set(there[path].again)
        for name, a, b in paired_weights(here[path].variables(), there[path].variables()):
            if name not in again:
                yield path, name, a, b


def _unlike(name: str, a: HeldVariable | None, b: HeldVariable | None) -> Evidence:
    """What keeps two variables from being compared by value."""
    told = [f"{held.dtype} of shape {held.shape}" if held is not None else "absent" for held in (a, b)]
    if a is None or b is None:
        detail = f"only the {'candidate' if a is None else 'reference'} has this variable"
    else:
        detail = f"shape {a.shape} against {b.shape}"
    return Evidence(kind=EvidenceKind.WEIGHT, name=name, reference=told[0], candidate=told[1], detail=detail)


def _describe(pair: _Pair, mismatch: Mismatch) -> Evidence:
    where = tuple(int(i) for i in np.unravel_index(mismatch.where, pair.here.shape))
    at = f"at {list(where)}" if where else "in its one element"
    return Evidence(
        kind=EvidenceKind.WEIGHT,
        name=pair.name,
        reference=_number(mismatch.reference),
        candidate=_number(mismatch.candidate),
        detail=f"{mismatch.count:,} of {pair.here.size:,} elements differ by more than rounding, the most {at}",
    )


def _number(value: Scalar) -> str:
    return f"{value:.9g}" if isinstance(value, (float, complex)) else str(value)


def _mismatches(pairs: Sequence[_Pair], reference: Holder, candidate: Holder) -> Iterator[tuple[_Pair, Mismatch]]:
    """The pairs that differ by more than rounding."""
    found: dict[int, Mismatch] = {}
    for i, start, a, b in _pieces(pairs, reference, candidate):
        mismatch = None if same_bytes(a, b) else measured(a, b, *pairs[i].dtypes)
        if mismatch is not None:
            mismatch = replace(mismatch, where=mismatch.where + start)
            found[i] = merged(found[i], mismatch) if i in found else mismatch
    return ((pairs[i], mismatch) for i, mismatch in sorted(found.items()))


def _pieces(pairs: Sequence[_Pair], reference: Holder, candidate: Holder) -> Iterator[tuple[int, int, Array, Array]]:
    """Number of a pair, start of the piece, its elements on both sides, which hand them over at the same time."""
    batches = list(_batches(pairs))
    ours = reference.weight_values([[pairs[i].place_here(*span) for i, *span in batch] for batch in batches])
    theirs = candidate.weight_values([[pairs[i].place_there(*span) for i, *span in batch] for batch in batches])
    for batch, a, b in zip(batches, ours, theirs, strict=True):
        for (i, start, _), x, y in zip(batch, a, b, strict=True):
            yield i, start, x, y


def _batches(pairs: Sequence[_Pair]) -> Iterator[list[tuple[int, int, int]]]:
    """Number of a pair, start and stop of its elements, in batches of about one size; large variables in pieces."""
    batch: list[tuple[int, int, int]] = []
    room = BATCH
    for i, pair in enumerate(pairs):
        start = 0
        while start < pair.here.size:
            stop = min(pair.here.size, start + room)
            batch.append((i, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield batch
                batch, room = [], BATCH
    if batch:
        yield batch


def measured(a: Array, b: Array, *dtypes: str) -> Mismatch | None:
    """What of two arrays differs by more than the rounding that these dtypes allow; None where nothing does.

    An element may be apart by so much of its own size, or of the array's typical one, whichever is larger: a small
    element next to large ones was rounded with them.
    """
    bound = rounding_of(*dtypes)
    # Where nothing may differ, there may be no numbers either.
    scale, least = (_scale(a), max(_least(dtype) for dtype in (a.dtype, b.dtype))) if bound else (0.0, 0.0)
    found: Mismatch | None = None
    for start in range(0, a.size, _BLOCK):
        x, y = a[start : start + _BLOCK], b[start : start + _BLOCK]
        mismatch = _block(x, y, bound, scale, least) if bound else _exact(x, y)
        if mismatch is not None:
            mismatch = replace(mismatch, where=mismatch.where + start)
            found = mismatch if found is None else merged(found, mismatch)
    return found


def merged(one: Mismatch, other: Mismatch) -> Mismatch:
    """Both together, with the worse of the two worst elements."""
    worst = other if other.excess > one.excess else one
    return replace(worst, count=one.count + other.count)


def _scale(a: Array) -> float:
    """The typical size of the elements that aren't zero, from a few thousand of them."""
    few = np.abs(_wide(a[:: max(1, a.size // _GLANCES)]))
    few = few[np.isfinite(few) & (few > 0)]
    return float(np.median(few)) if few.size else 0.0


def _least(dtype: np.dtype[np.generic]) -> float:
    """The step between the smallest numbers of a dtype, below which its relative precision ends."""
    kinds = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149}
    return kinds.get(dtype.name, 2.0**-10 if dtype.name.startswith("float8") else 0.0)


def _wide(a: Array) -> Array:
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _block(x: Array, y: Array, bound: float, scale: float, least: float) -> Mismatch | None:
    left, right = _wide(x), _wide(y)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        gap = np.abs(left - right)
        size = np.maximum(np.maximum(np.abs(left), np.abs(right)), scale)
        same = (gap <= bound * size + least) & np.isfinite(size)
        same |= (left == right) | (np.isnan(left) & np.isnan(right))
        excess = np.where(same, 0.0, gap / size)
    if bool(same.all()):
        return None
    excess[~same & ~np.isfinite(excess)] = math.inf
    where = int(excess.argmax())
    return Mismatch(
        count=int((~same).sum()),
        excess=float(excess[where]),
        where=where,
        reference=left[where].item(),
        candidate=right[where].item(),
    )


def _exact(x: Array, y: Array) -> Mismatch | None:
    """Integers, booleans and text: every difference is one."""
    unlike = x != y
    if not bool(unlike.any()):
        return None
    numeric = x.dtype.kind in "biu" and y.dtype.kind in "biu"
    excess = np.abs(_wide(x) - _wide(y)) if numeric else unlike.astype(np.float64)
    where = int(excess.argmax())
    return Mismatch(
        count=int(unlike.sum()),
        excess=float(excess[where]),
        where=where,
        reference=x[where].item(),
        candidate=y[where].item(),
    )
