"""Were a layer's two sides called the same way?  Asked once per pair of calls; everything after goes by the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tracer.core.numbers.difference import same_bytes
from tracer.core.numbers.equal_tensors import EqualTensors
from tracer.core.source import Call, Value

_FLOATING: Final = frozenset({"float16", "bfloat16", "float32", "float64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMatch:
    """In what the two calls of one call site differ, apart from what they return.

    Attributes:
        other_inputs: names of the arguments whose tensors aren't the same in number, type, mask and bytes.
        other_context: names of what else differs between the calls (`training`, arguments that aren't tensors).
    """

    other_inputs: tuple[str, ...] = ()
    other_context: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Both sides were called the same way: what differs behind them is the layer's own doing."""
        return not self.other_inputs and not self.other_context


def match_calls(reference: Call, candidate: Call, twins: EqualTensors | None = None) -> CallMatch:
    """Compare how the two were called.

    Args:
        reference: the reference's call.
        candidate: the candidate's call.
        twins: tensors of this run that are known to be equal; they aren't read again, and what is found is added.
    """
    return CallMatch(
        other_inputs=differing_inputs(reference.inputs, candidate.inputs, twins),
        other_context=differing_context(reference.context, candidate.context),
    )


def differing_inputs(a: Sequence[Value], b: Sequence[Value], twins: EqualTensors | None = None) -> tuple[str, ...]:
    """Names of the arguments whose tensors aren't bit for bit the same, in number, type, mask and bytes."""
    names = dict.fromkeys([v.name for v in (*a, *b)])
    return tuple([name for name in names if not _same_argument(name, a, b, twins)])


def differing_context(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[str, ...]:
    """Names of what else the two calls were given that differs, sorted."""
    return () if a == b else tuple(sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name)))


def same_numbers(a: Value, b: Value, twins: EqualTensors | None) -> bool:
    """Whether the numbers are bit for bit the same; not read again where that is known."""
    if twins is None:
        return same_bytes(a.array, b.array)
    if twins.known(a, b):
        return True
    same = same_bytes(a.array, b.array)
    if same:
        twins.add(a, b)
    return same


def same_mask(a: Value, b: Value) -> bool:
    """Whether both have the same mask, or none."""
    if a.mask is None or b.mask is None:
        return a.mask is b.mask
    return same_bytes(a.mask, b.mask)


def _same_argument(name: str, a: Sequence[Value], b: Sequence[Value], twins: EqualTensors | None) -> bool:
    here, there = [v for v in a if v.name == name], [v for v in b if v.name == name]
    # What is cheap to tell comes first.
    return len(here) == len(there) and all(
        x.sparse == y.sparse and same_mask(x, y) and same_numbers(x, y, twins) for x, y in zip(here, there, strict=True)
    )


def is_only_cast(reference: Call, candidate: Call) -> bool:
    """Whether one side is given what the other casts its inputs to: one release writes such a cast into the graph."""
    pairs = list(zip(reference.inputs, candidate.inputs, strict=False))
    is_cast = len(reference.inputs) == len(candidate.inputs) and any(a.array.dtype != b.array.dtype for a, b in pairs)
    return is_cast and all(_is_one_tensor(a, b, reference.compute_dtype) for a, b in pairs)


def _is_one_tensor(a: Value, b: Value, compute_dtype: str) -> bool:
    """Whether two tensors are equal, or one is the other in the dtype that is computed in."""
    if a.name != b.name or a.sparse != b.sparse or not same_mask(a, b):
        return False
    here, there = a.array, b.array
    if here.dtype != there.dtype:
        computed = {here.dtype.name: here.dtype, there.dtype.name: there.dtype}.get(compute_dtype)
        if computed is None or not {here.dtype.name, there.dtype.name} <= _FLOATING:
            return False
        here, there = here.astype(computed), there.astype(computed)
    return same_bytes(here, there)
