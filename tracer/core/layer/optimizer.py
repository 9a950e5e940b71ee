"""The state of an optimizer, and where what was saved and loaded of it isn't what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tracer.core.source import Array
from tracer.records import Cause, Evidence, EvidenceKind, Fault, Side

PLACE: Final = "(optimizer)"
_PIECE: Final = 1 << 20  # elements that are looked at at once
_DIGEST_BYTES: Final = 16
_TOLD: Final = 6  # variables that are told one by one
_NO_ARRAY: Final = "no array"
_UNNAMED: Final = "the file says how the model is compiled, but not with which optimizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What stands for the value of one variable: two that have the same digest are the same, byte for byte.

    Attributes:
        name: of the variable, where one is known, else empty.
        shape: of its value.
        dtype: NumPy's name.
        digest: of its bytes, in C order.
        value: in words: of a scalar the number, of others the L2 norm.
        blank: every element is zero.
    """

    name: str = ""
    shape: tuple[int, ...]
    dtype: str
    digest: str
    value: str
    blank: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerState:
    """What an optimizer holds, by the keys that it is saved under.

    Attributes:
        class_name: of the optimizer.
        slots: by key, in the order in which the optimizer has its variables.
        is_plain: the keys are the positions in the list of its variables, as of every optimizer of Keras' own.
    """

    class_name: str
    slots: Mapping[str, Slot]
    is_plain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The optimizer that came out of loading.

    Attributes:
        state: None where there is none.
        reason: why not, in one sentence without its full stop; empty where nothing went wrong.
    """

    state: OptimizerState | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOptimizer:
    """What a file has of an optimizer.

    Attributes:
        slots: by key.
        is_compiled: the file says how the model is compiled, or is of a kind that never says it.
        is_named: it says with which optimizer.
    """

    slots: Mapping[str, Slot] = field(default_factory=dict)
    is_compiled: bool = True
    is_named: bool = True


def slot_of(pieces: Iterator[Array] | Sequence[Array], shape: Sequence[int], dtype: str, name: str = "") -> Slot:
    """What stands for an array that is given piece by piece, each flat and in C order; one piece is held at a time."""
    digest, squares, is_blank, first = hashlib.blake2b(digest_size=_DIGEST_BYTES), 0.0, True, ""
    for piece in pieces:
        digest.update(np.ascontiguousarray(piece).tobytes())
        numbers = piece.astype(np.float64) if piece.dtype.kind not in "OSUT" else np.ones(piece.size)
        with np.errstate(over="ignore", invalid="ignore"):
            squares += float(np.square(numbers).sum())
        is_blank = is_blank and not bool(np.any(numbers))
        first = first or (str(piece[0]) if piece.size else "")
    value = f"norm {squares**0.5:.9g}" if shape else first
    return Slot(
        name=name, shape=tuple(map(int, shape)), dtype=dtype, digest=digest.hexdigest(), value=value, blank=is_blank
    )


def pieces_of(array: Array) -> Iterator[Array]:
    """An array, flat, in pieces."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE]


def file_evidence(memory: OptimizerState, stored: StoredOptimizer) -> list[Evidence]:
    """What a file doesn't have of an optimizer's state, or has otherwise.

    A file that says nothing of how the model is compiled was saved without its optimizer, and lacks nothing.
    """
    if not stored.is_compiled or not memory.is_plain:
        return []
    if memory.slots and not stored.slots:
        told = f"none of its {len(memory.slots)} variables is in the file"
        return [_evidence(PLACE, f"{len(memory.slots)} variables", _NO_ARRAY, told)]
    return _limit(list(_differences(memory.slots, stored.slots, "the file")))


def loaded_evidence(memory: OptimizerState, loaded: OptimizerState, stored: StoredOptimizer) -> list[Evidence]:
    """What isn't the same after loading."""
    if loaded.class_name != memory.class_name:
        why = "" if stored.is_named else f": {_UNNAMED}"
        told = f"the model is loaded with another optimizer{why}"
        return [_evidence(PLACE, memory.class_name, loaded.class_name, told)]
    return _limit(list(_differences(memory.slots, loaded.slots, "the loaded model")))


def unnamed_fault(arrays: int) -> Fault:
    """The fault of a file by itself that has so many arrays of an optimizer, and doesn't say of which one."""
    found = _evidence(PLACE, f"{arrays} arrays", "none of them", _UNNAMED)
    return optimizer_fault(OptimizerState(class_name="Optimizer", slots={}), (found,))


def optimizer_fault(memory: OptimizerState, evidence: Sequence[Evidence]) -> Fault:
    """The fault that follows from it: what is in memory is right."""
    return Fault(
        layer=PLACE,
        class_name=memory.class_name,
        side=Side.CANDIDATE,
        cause=Cause.OPTIMIZER_STATE,
        evidence=tuple(evidence),
    )


def _differences(memory: Mapping[str, Slot], other: Mapping[str, Slot], where: str) -> Iterator[Evidence]:
    """Of variables by key; one that only the other side has is told last."""
    places = {slot.digest: slot.name or key for key, slot in memory.items() if not slot.blank}
    for key, slot in memory.items():
        yield from _difference(slot.name or key, slot, other.get(key), where, places)
    yield from _surplus([key for key in other if key not in memory], other, where)


def _surplus(more: Sequence[str], other: Mapping[str, Slot], where: str) -> Iterator[Evidence]:
    """Of variables that memory doesn't have."""
    if more:
        first = other[more[0]]
        told = f"{where} has {len(more)} more variable{'s' * (len(more) > 1)} than the optimizer in memory"
        yield _evidence(first.name or more[0], _NO_ARRAY, first.value, told)


def _difference(name: str, slot: Slot, there: Slot | None, where: str, places: Mapping[str, str]) -> Iterator[Evidence]:
    """Of one variable, and what the other side has in its place."""
    if there is None:
        yield _evidence(name, slot.value, _NO_ARRAY, f"{name} is lost: {where} doesn't have it")
    elif there.shape != slot.shape:
        told = f"{name}: shape {slot.shape} in memory, {there.shape} in {where}"
        yield _evidence(name, str(slot.shape), str(there.shape), told)
    elif (there.digest, there.dtype) != (slot.digest, slot.dtype):
        yield _evidence(name, slot.value, there.value, _unlike(name, slot, there, where, places))


def _unlike(name: str, slot: Slot, there: Slot, where: str, places: Mapping[str, str]) -> str:
    values = f"{name}: {slot.value} in memory, {there.value} in {where}"
    if there.dtype != slot.dtype:
        return f"{values}; {slot.dtype} in memory, {there.dtype} there"
    if there.blank and not slot.blank:
        return f"{values}: it starts anew from zero"
    origin = places.get(there.digest)
    if origin is not None and origin != name:
        return f"{values}: the values there are those of {origin}"
    return f"{values}; its bytes are others"


def _limit(found: list[Evidence]) -> list[Evidence]:
    if len(found) <= _TOLD:
        return found
    more = f"{len(found) - _TOLD + 1} more variables differ"
    return [*found[: _TOLD - 1], _evidence(found[_TOLD - 1].name, "", "", more)]


def _evidence(name: str, reference: str, candidate: str, detail: str) -> Evidence:
    return Evidence(kind=EvidenceKind.STATE, name=name, reference=reference, candidate=candidate, detail=detail)
