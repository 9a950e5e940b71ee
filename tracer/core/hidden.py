"""Differences between paired layers that a run doesn't show: their weights by value, then how they are set.

Nothing here runs a model.  Weights are compared in batches, as they are, and never all held at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tracer.core.facts import ABSENT, config_pairs, paired_weights, policy_differences, short, state_differences
from tracer.core.fingerprint import Identity
from tracer.core.holdings import Held, Holder, Holding, Place
from tracer.core.metrics import same_bytes
from tracer.core.source import Array, Facts
from tracer.core.symptoms import identity_evidence
from tracer.core.tolerance import rounding_of
from tracer.records import Cause, Evidence, Fault, Side

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
    reference: Any
    candidate: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One variable on both sides, and its place in what is compared."""

    path: str
    name: str
    here: Held
    there: Held

    @property
    def dtypes(self) -> tuple[str, str]:
        return self.here.dtype, self.there.dtype


# --- weights


def weight_evidence(reference: Holder, candidate: Holder, here: Mapping[str, Holding],
                    there: Mapping[str, Holding]) -> dict[str, list[Evidence]]:  # fmt: skip
    """Variables of paired layers that differ by more than rounding, by layer path."""
    found: dict[str, list[Evidence]] = {}
    pairs: list[_Pair] = []
    for path in here.keys() & there.keys():
        for name, a, b in paired_weights(here[path].variables(), there[path].variables()):
            told = _unlike(name, a, b)
            if told is not None:
                found.setdefault(path, []).append(told)
            elif a is not None and b is not None and a.size:
                pairs.append(_Pair(path=path, name=name, here=a, there=b))
    for pair, mismatch in _mismatches(pairs, reference, candidate):
        found.setdefault(pair.path, []).append(_told(pair, mismatch))
    return found


def _unlike(name: str, a: Held | None, b: Held | None) -> Evidence | None:
    """What keeps two variables from being compared by value."""
    if a is not None and b is not None and a.shape == b.shape:
        return None
    told = [f"{held.dtype} of shape {held.shape}" if held is not None else "absent" for held in (a, b)]
    if a is None or b is None:
        detail = f"only the {'candidate' if a is None else 'reference'} has this variable"
    else:
        detail = f"shape {a.shape} against {b.shape}"
    return Evidence(kind="weight", name=name, reference=told[0], candidate=told[1], detail=detail)


def _told(pair: _Pair, mismatch: Mismatch) -> Evidence:
    where = tuple(int(i) for i in np.unravel_index(mismatch.where, pair.here.shape))
    at = f"at {list(where)}" if where else "in its one element"
    return Evidence(
        kind="weight", name=pair.name, reference=_number(mismatch.reference), candidate=_number(mismatch.candidate),
        detail=f"{mismatch.count:,} of {pair.here.size:,} elements differ by more than rounding, the most {at}",
    )  # fmt: skip


def _number(value: Any) -> str:
    return str(value) if isinstance(value, (bool, int, np.bool_, np.integer)) else f"{value:.9g}"


def _mismatches(pairs: Sequence[_Pair], reference: Holder, candidate: Holder) -> Iterator[tuple[_Pair, Mismatch]]:
    """The pairs that differ by more than rounding; both sides hand over the same elements at the same time."""
    batches = list(_batches(pairs))
    places = [[_places(pairs[i], start, stop) for i, start, stop in batch] for batch in batches]
    values = zip(
        reference.weight_values([[both[0] for both in batch] for batch in places]),
        candidate.weight_values([[both[1] for both in batch] for batch in places]),
        strict=True,
    )
    found: dict[int, Mismatch] = {}
    for batch, (ours, theirs) in zip(batches, values, strict=True):
        for (i, start, _), a, b in zip(batch, ours, theirs, strict=True):
            if not same_bytes(a, b):
                mismatch = measured(a, b, *pairs[i].dtypes)
                if mismatch is not None:
                    mismatch = replace(mismatch, where=mismatch.where + start)
                    found[i] = merged(found[i], mismatch) if i in found else mismatch
    return ((pairs[i], mismatch) for i, mismatch in sorted(found.items()))


def _places(pair: _Pair, start: int, stop: int) -> tuple[Place, Place]:
    return (pair.path, pair.here.position, start, stop), (pair.path, pair.there.position, start, stop)


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
    scale, least = _scale(a), max(_least(dtype) for dtype in (a.dtype, b.dtype)) if bound else 0.0
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


def _least(dtype: np.dtype[Any]) -> float:
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
    return Mismatch(count=int((~same).sum()), excess=float(excess[where]), where=where,
                    reference=left[where].item(), candidate=right[where].item())  # fmt: skip


def _exact(x: Array, y: Array) -> Mismatch | None:
    """Integers, booleans and text: every difference is one."""
    unlike = x != y
    if not bool(unlike.any()):
        return None
    numeric = x.dtype.kind in "biu" and y.dtype.kind in "biu"
    excess = np.abs(_wide(x) - _wide(y)) if numeric else unlike.astype(np.float64)
    where = int(excess.argmax())
    return Mismatch(count=int(unlike.sum()), excess=float(excess[where]), where=where,
                    reference=x[where].item(), candidate=y[where].item())  # fmt: skip


# --- how layers are set

_Facts = Mapping[str, Facts]
# Neither a trained layer nor its training computes with these: where numbers once came from.
_ORIGINS: Final = ("initializer", "seed")
_TRAINING: Final = ("regularizer", "constraint", "trainable")


def setting_evidence(reference: Holder, candidate: Holder, here: Mapping[str, Holding],
                     there: Mapping[str, Holding]) -> dict[str, list[Evidence]]:  # fmt: skip
    """Configuration, state and policy of paired layers that differ, by layer path.

    Where they do, each side is asked what its own configuration makes anew: another spelling of one setting is no
    difference, a setting that was lost is one.
    """
    paths = [path for path in here if path in there and here[path].traits != there[path].traits]
    if not paths:
        return {}
    ours, theirs = reference.settings(paths), candidate.settings(paths)
    same = dict(reference.environment) == dict(candidate.environment)
    suspects = [path for path in paths if _settings(ours[path], theirs[path], (None, None), same=same)]
    anew = (reference.settings(suspects, rebuilt=True), candidate.settings(suspects, rebuilt=True)) if suspects else ()
    found = {}
    for path in suspects:
        normal = tuple(side.get(path) for side in anew)
        found[path] = _settings(ours[path], theirs[path], (normal[0], normal[1]), same=same)
    return {path: evidence for path, evidence in found.items() if evidence}


def _settings(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None], *, same: bool) -> list[Evidence]:
    found = [*policy_differences(here, there), *_config(here, there, anew), *_state(here, there, anew)]
    # Releases add and drop keys and attributes; that one side lacks them says nothing.
    return [e for e in found if same or "absent" not in (e.reference, e.candidate)]


def _config(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None]) -> Iterator[Evidence]:
    one, other = (facts.config if facts is not None else None for facts in anew)
    still = None if one is None or other is None else {path for path, _, _ in config_pairs(one, other)}
    for path, a, b in config_pairs(here.config, there.config):
        respelled = still is not None and path not in still and not _of_one_kind(a, b)
        if not (respelled or alike(a, b) or _is_origin(path)):
            yield Evidence(kind="config", name=path, reference=short(a), candidate=short(b))


def _state(here: Facts, there: Facts, anew: tuple[Facts | None, Facts | None]) -> Iterator[Evidence]:
    told = {path for path, _, _ in config_pairs(here.config, there.config)}
    for evidence in state_differences(here, there, told):
        name = evidence.name
        a, b = (facts.state.get(name, ABSENT) for facts in (here, there))
        one, other = (facts.state.get(name, ABSENT) if facts is not None else ABSENT for facts in anew)
        respelled = one is not ABSENT and other is not ABSENT and alike(one, other) and not _of_one_kind(a, b)
        is_private = name.startswith("_") and name.lstrip("_") not in here.arguments
        # Keras' own layers get attributes as they are used, saved and quantized.
        is_late = (a is ABSENT or b is ABSENT) and here.class_name.startswith("keras.")
        if evidence.kind == "lost-config":
            is_private = is_late = False
        if not (respelled or is_private or is_late or alike(a, b) or _is_origin(name)):
            yield evidence


def _is_origin(path: str) -> bool:
    return any(word in path for word in _ORIGINS)


def _of_one_kind(a: object, b: object) -> bool:
    """Two numbers, two texts, two arrays: values that no constructor would take for each other."""
    numbers = (int, float, np.number)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return True
    return type(a) is type(b) and not isinstance(a, Mapping)


def alike(a: Any, b: Any) -> bool:
    """Whether two settings are one, written in two ways: a list and a tuple, a number and several of it."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and same_bytes(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    several = (list, tuple)
    if isinstance(a, several) and isinstance(b, several):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, several) != isinstance(b, several):
        many, one = (a, b) if isinstance(a, several) else (b, a)
        return len(many) > 0 and all(alike(item, one) for item in many)
    return a is b or bool(a == b or (a != a and b != b))


# --- faults


def faults(
    weights: Mapping[str, Sequence[Evidence]],
    settings: Mapping[str, Sequence[Evidence]],
    holdings: Mapping[str, Holding],
    *,
    same_environment: bool,
) -> dict[str, Fault]:
    """A fault for each layer of which something differs, by layer path.

    Args:
        weights: what differs of its variables.
        settings: what differs of its configuration, state and policy.
        holdings: of the reference.
        same_environment: both sides run the same Keras on the same backend.
    """
    side = Side.CANDIDATE if same_environment else Side.UNKNOWN
    found = {}
    for path in (path for path in holdings if path in weights or path in settings):
        evidence = [*weights.get(path, ()), *settings.get(path, ())]
        found[path] = _fault(path, holdings[path].class_name, side, evidence, derives=holdings[path].derives)
    return found


def recorded(
    then: Mapping[str, Identity], now: Mapping[str, Identity], classes: Mapping[str, str], deriving: Iterable[str]
) -> dict[str, Fault]:
    """The same for a golden, as far as it has digests.

    Args:
        then: what the golden has, by layer path.
        now: the same of the model that is held against it.
        classes: of the layers of the golden; they are told of in this order.
        deriving: layer paths of layers that derive state from their weights.
    """
    found, derived = {}, frozenset(deriving)
    for path in classes:
        told = identity_evidence(path, then.get(path), now.get(path))
        evidence = [e for e in told if then[path].weights or e.kind != "weight"]
        evidence = [e for e in evidence if e.kind != "config" or not _is_origin(e.name)]
        if evidence:
            found[path] = _fault(path, classes[path], Side.CANDIDATE, evidence, derives=path in derived)
    return found


def _fault(path: str, class_name: str, side: Side, evidence: Sequence[Evidence], *, derives: bool) -> Fault:
    """A layer that derives its state from its variables has them as state, and not as weights."""
    told = [replace(e, kind="state") if derives and e.kind == "weight" else e for e in evidence]
    return Fault(layer=path, class_name=class_name, side=side, cause=_cause(told), evidence=tuple(told))


def _cause(evidence: Sequence[Evidence]) -> Cause:
    kinds = {e.kind for e in evidence}
    if "weight" in kinds:
        return Cause.WEIGHTS
    if "policy" in kinds:
        quantized = any(e.name == "quantization_mode" for e in evidence)
        return Cause.QUANTIZATION if quantized else Cause.DTYPE_POLICY
    if kinds == {"config"} and all(any(word in e.name for word in _TRAINING) for e in evidence):
        return Cause.TRAINING_CONFIG
    return Cause.CONFIG if kinds & {"config", "lost-config"} else Cause.UNSAVED_STATE


def unblamed(found: Mapping[str, Fault], blamed: Iterable[str], called: Sequence[str]) -> tuple[Fault, ...]:
    """Those that nobody has been told of yet: in execution order, layers that are never called after the others.

    Args:
        found: by layer path, in the order of the model's outline.
        blamed: layer paths, without calls, of the faults of the run.
        called: layer paths, without calls, of the call sites, in execution order.
    """
    order = {path: number for number, path in reversed(list(enumerate(called)))}
    covered = {path if path in order else path.rpartition("/")[0] for path in blamed} | set(blamed)
    kept = [path for path in found if not _is_covered(path, covered, order) and not _is_echo(path, found)]
    return tuple(found[path] for path in sorted(kept, key=lambda path: order.get(path, len(order))))


def _is_covered(path: str, covered: set[str], order: Mapping[str, int]) -> bool:
    """It is blamed, or it is inside a layer that is blamed and was compared as a whole."""
    if path in covered:
        return True
    parts = path.split("/")
    above = ("/".join(parts[:n]) for n in range(1, len(parts)))
    return path not in order and any(layer in covered for layer in above)


def _is_echo(path: str, found: Mapping[str, Fault]) -> bool:
    """All that is told of it is told of a layer around it: the cell of an LSTM has the settings of the LSTM."""
    told = {(e.kind, e.name, e.reference, e.candidate) for e in found[path].evidence}
    parts = path.split("/")
    above = (found.get("/".join(parts[:n])) for n in range(1, len(parts)))
    return any(
        fault is not None and told <= {(e.kind, e.name, e.reference, e.candidate) for e in fault.evidence}
        for fault in above
    )
