"""How far one output of the candidate is from the reference's, and how far it may be: the whole batch, each sample."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tracer.core.comparison.same_call import same_mask, same_numbers
from tracer.core.numbers.difference import difference
from tracer.core.numbers.equal_tensors import EqualTensors
from tracer.core.numbers.samples import relative_to_inputs
from tracer.core.numbers.tolerance import PER_SAMPLE, is_rounded, most_precise, slack, tolerance_for
from tracer.core.source import Call, Source, Value
from tracer.records import Difference

SAME: Final = Difference(rel_error=0.0, max_abs=0.0, max_ulp=0.0, cosine=1.0)
NO_NUMBER: Final = Difference(rel_error=math.inf, max_abs=math.inf, max_ulp=math.nan, cosine=math.nan)
_GLANCES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms the outputs of a run are compared.

    Attributes:
        slack: factor by which the bound of an output as it came is wider; see `slack_between`.
        samples: how many there are in the inputs; 0 where that can't be told.
        twins: tensors of this run that are known to be equal; None where nothing is to be remembered.
        upstream: least precise dtype of what an output as it came was computed from; "" where that isn't known.
        pictures: every output that differs has small pictures, which are looked at in a page.
        rounds_otherwise: the sides compute by other code, so that each layer may add up in another order.
        rounding: relative L2 error that layers upstream were seen to have by rounding alone, beyond their bound.
    """

    slack: float = 1.0
    samples: int = 0
    twins: EqualTensors | None = None
    upstream: str = ""
    pictures: bool = False
    rounds_otherwise: bool = False
    rounding: float = 0.0

    def count(self, value: Value) -> int:
        """The samples of an output; 0 where there is only one, or its first axis doesn't count them."""
        counts = self.samples > 1 and value.array.ndim > 0 and value.array.shape[0] == self.samples
        return self.samples if counts else 0

    def widen(self, bound: float) -> float:
        """The bound of an output as it came: what is exact stays so."""
        return max(bound, self.rounding) * self.slack if bound else 0.0

    @property
    def alone(self) -> Terms:
        """The terms for one layer by itself, whose outputs nobody else gets."""
        return Terms(samples=self.samples)


ALONE: Final = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far one output of the candidate is from the reference's.

    Attributes:
        difference: of the numbers; without numbers where the shapes differ.
        kind: what of its type differs (shape, dtype, sparsity, mask), in words; "" when the types are equal.
        tolerance: relative L2 bound for it, as it came.
        local_tolerance: relative L2 bound for one layer on identical inputs.
        same: bit for bit the same, type and mask included.
        by_sample: each sample is held against a bound as well.
    """

    difference: Difference
    kind: str
    same: bool
    tolerance: float = 0.0
    local_tolerance: float = 0.0
    by_sample: bool = False

    @property
    def beyond(self) -> bool:
        """Whether this is more than tolerance allows an output as it came."""
        return self.exceeds(self.tolerance)

    @property
    def beyond_locally(self) -> bool:
        """Whether this is more than tolerance allows one layer on identical inputs."""
        return self.exceeds(self.local_tolerance)

    @property
    def hidden_sample(self) -> str:
        """The sample that is wrong although the whole batch keeps within its bound, in words; "" for none."""
        if not self.beyond_locally or self.kind or self.difference.rel_error > self.local_tolerance:
            return ""
        error, bound = self.difference.sample_error or 0.0, self.local_tolerance * PER_SAMPLE
        return (
            f"sample {self.difference.worst_sample} is wrong by {error:.1e}, where {bound:.1e} is allowed; the other "
            "samples are so much larger that the error of the whole batch doesn't show it"
        )

    def exceeds(self, tolerance: float) -> bool:
        """Whether this is more than a relative L2 error allows, or the types differ."""
        sample = self.difference.sample_error if self.by_sample else None
        return (
            bool(self.kind)
            or self.difference.rel_error > tolerance
            or (sample is not None and sample > tolerance * PER_SAMPLE)
        )


def gaps(
    reference: Sequence[Value],
    candidate: Sequence[Value],
    terms: Terms = ALONE,
    *,
    dtypes: Sequence[str] = (),
    inputs: Sequence[Value] | None = None,
) -> tuple[Gap, ...]:
    """Compare output by output; a missing output is a gap of kind "missing".

    Args:
        reference: outputs of the reference.
        candidate: outputs of the candidate.
        terms: of the run.
        dtypes: that the two were computed in.
        inputs: that both were computed from; without them samples are told apart, but not held against a bound.
    """
    found = [_gap(a, b, terms, dtypes, inputs) for a, b in zip(reference, candidate, strict=False)]
    for _ in range(abs(len(reference) - len(candidate))):
        kind = f"{len(reference)} outputs against {len(candidate)}"
        found.append(Gap(difference=NO_NUMBER, kind=kind, same=False))
    return tuple(found)


def _gap(
    reference: Value, candidate: Value, terms: Terms, dtypes: Sequence[str], inputs: Sequence[Value] | None
) -> Gap:
    kind = type_difference(reference, candidate)
    wide, tight = _tolerances(reference.array.dtype, candidate.array.dtype, tuple(dtypes), terms.upstream)
    if same_numbers(reference, candidate, terms.twins):
        return Gap(difference=SAME, kind=kind, same=not kind, tolerance=terms.widen(wide), local_tolerance=tight)
    found = NO_NUMBER
    if reference.array.shape == candidate.array.shape:
        found = difference(reference.array, candidate.array, samples=terms.count(reference))
    gap = Gap(
        difference=found,
        kind=kind,
        same=False,
        tolerance=terms.widen(wide),
        local_tolerance=tight,
        by_sample=inputs is not None,
    )
    return _look_at_again(gap, reference, candidate, inputs) if gap.hidden_sample and inputs else gap


def _look_at_again(gap: Gap, reference: Value, candidate: Value, inputs: Sequence[Value]) -> Gap:
    """A sample whose output is next to nothing isn't wrong because of what was rounded away of its inputs."""
    arrays = [value.array for value in inputs]
    error, sample = relative_to_inputs(reference.array, candidate.array, arrays)
    return replace(gap, difference=replace(gap.difference, sample_error=error, worst_sample=sample))


@functools.lru_cache(maxsize=256)
def _tolerances(
    reference: np.dtype[np.generic], candidate: np.dtype[np.generic], compute_dtypes: tuple[str, ...], upstream: str
) -> tuple[float, float]:
    """As it came, and on identical inputs; exact outputs (ids, masks, text) allow nothing, however computed.

    What a float32 layer is given by float16 layers is no more precise than these, and neither is what it returns.
    """
    dtypes = [reference.name, candidate.name]
    if not tolerance_for(*dtypes):
        return 0.0, 0.0
    dtypes += [name for name in compute_dtypes if is_rounded(name)]
    return tolerance_for(*dtypes, *filter(None, [upstream])), tolerance_for(*dtypes, local=True)


def hold_other_numbers(reference: Call, candidate: Call, terms: Terms) -> bool:
    """Whether two layers are given other numbers than rounding explains.

    A layer casts what it is given, whether the graph casts it before or not: one rounding to what it computes in is
    allowed, and as much as what both sides' inputs were computed from allows.
    """
    if len(reference.inputs) != len(candidate.inputs):
        return True
    here, there = _in_one_type(reference.inputs), _in_one_type(candidate.inputs)
    computed = most_precise(reference.compute_dtype, candidate.compute_dtype)
    pairs = zip(reference.inputs, candidate.inputs, strict=True)
    stored = [most_precise(a.array.dtype.name, b.array.dtype.name) for a, b in pairs]
    bounds = [max((tolerance_for(n, local=True) for n in (name, computed) if n), default=0.0) for name in stored]
    found = gaps(here, there, replace(terms, twins=None))
    return any(gap.exceeds(max(gap.tolerance, bound)) for gap, bound in zip(found, bounds, strict=True))


def _in_one_type(values: Sequence[Value]) -> list[Value]:
    rounded = [is_rounded(value.array.dtype.name) for value in values]
    return [
        replace(value, array=value.array.astype(np.float64)) if cast else value
        for value, cast in zip(values, rounded, strict=True)
    ]


def type_difference(reference: Value, candidate: Value) -> str:
    """What of the type differs, in words."""
    parts = []
    if reference.array.shape != candidate.array.shape:
        parts.append(f"shape {reference.array.shape} against {candidate.array.shape}")
    if reference.array.dtype != candidate.array.dtype:
        parts.append(f"dtype {reference.array.dtype.name} against {candidate.array.dtype.name}")
    if reference.sparse != candidate.sparse:
        names = {True: "sparse", False: "dense"}
        parts.append(f"{names[reference.sparse]} against {names[candidate.sparse]}")
    if not same_mask(reference, candidate):
        parts.append("the mask" if reference.mask is not None and candidate.mask is not None else _lost_mask(reference))
    return ", ".join(parts)


def _lost_mask(reference: Value) -> str:
    return "a mask against none" if reference.mask is not None else "no mask against one"


def look_equal(a: Value, b: Value) -> bool:
    """Whether two tensors are equal at a few dozen places; a guess that costs nothing."""
    here, there = a.array, b.array
    if here.shape != there.shape or here.dtype != there.dtype or here.dtype.kind not in "fiub" or not here.size:
        return False
    if not (here.flags.c_contiguous and there.flags.c_contiguous):
        return False
    step = max(1, here.size // _GLANCES)
    return here.reshape(-1)[::step].tobytes() == there.reshape(-1)[::step].tobytes()


def slack_between(reference: Source, candidate: Source) -> float:
    """How much wider the bound of an output as it came is, for these two."""
    ran = (source.environment for source in (reference, candidate))
    return slack(*(f"{one.get('backend', '')} {one.get('device', '')}" for one in ran))
