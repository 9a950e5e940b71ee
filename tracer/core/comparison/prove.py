"""Prove a blame both ways: put right, the error must go; put wrong elsewhere, the same error must come.

heal   the candidate, with the reference's outputs at the faults alone  →  must give the reference's outputs
break  the reference, with the candidate's outputs at the faults alone  →  must give the candidate's outputs
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tracer.core.comparison.gap import Gap, Terms, gaps
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame
from tracer.core.comparison.lockstep import Trace
from tracer.core.drive import run_together
from tracer.core.numbers.tolerance import PER_SAMPLE
from tracer.core.source import End, Source, Value
from tracer.errors import ModelError
from tracer.records import Proof, Verdict

# A break must bring back the candidate's error to this share of it; rounding and the order of sums do the rest.
_SHARE = 0.05
# With more faults than this, which of them are masked is not tried one by one.
_ONE_BY_ONE = 16


def prove(blames: Sequence[Blame], trace: Trace, reference: Source, candidate: Source) -> Proof | None:
    """Heal and break at all blames together; None where there is nothing to put in.

    Residuals are relative L2 errors of the model outputs, the largest where there are several.
    """
    right, wrong = _activations(blames)
    if not right or len(wrong) < len(right):
        return None
    error, tolerance = output_error(trace)
    implied = _heals_by_induction(blames, right, trace)
    jobs = [(reference, wrong)] if implied else [(candidate, right), (reference, wrong)]
    *healing, broken = _residuals(jobs, trace)
    healed = 0.0 if implied else healing[0]
    if broken is None and math.isinf(error):
        broken = math.inf  # the reference fails on the candidate's outputs as the candidate itself does
    if healed is None or broken is None:
        return None
    holds = healed <= tolerance and _is_same_error(broken, error, tolerance)
    return Proof(healed=healed, broken=broken, output_error=error, holds=holds, implied=implied)


def _activations(blames: Sequence[Blame]) -> tuple[dict[str, Sequence[Value]], dict[str, Sequence[Value]]]:
    """The reference's outputs at the blamed call sites, and the candidate's, by layer path."""
    replaced = [each for blame in blames for each in blame.replaced]
    return {path: here for path, here, _ in replaced if here}, {path: there for path, _, there in replaced if there}


def _heals_by_induction(blames: Sequence[Blame], right: Mapping[str, Sequence[Value]], trace: Trace) -> bool:
    """Whether the healed run is known to be the reference's, without being made.

    It is where every layer but the blamed ones returns, on the reference's inputs, the very bits that the reference's
    returned, and is wired and called as the reference's is: what comes first is then equal, and so is what follows from
    it, up to the outputs.  A layer that is called twice may remember the first time, one whose inside wasn't seen may
    do anything, and where more than layers is to blame something else is wrong: with those the run is made.
    """
    if trace.unmatched_reference or trace.unmatched_candidate or trace.leak:
        return False
    if not _are_wired_alike(trace.reference_end, trace.candidate_end):
        return False
    if any(blame.kind != "layer" for blame in blames):
        return False
    return all(j.reference.path in right or _follows(j) for j in trace.judgements)


def _are_wired_alike(r: End, c: End) -> bool:
    """Whether both models are graphs that take their outputs from the same places, and those of the graphs inside."""
    return r.wiring is not None and (r.wiring, r.graphs) == (c.wiring, c.graphs) and not r.opaque and not c.opaque


def _follows(judgement: Judgement) -> bool:
    """Whether equal inputs give equal outputs at this call site, because they did, and nothing else goes in."""
    r, c = judgement.reference, judgement.candidate
    random = any(layer.verdict is Verdict.NONDETERMINISTIC for layer in judgement.layers)
    is_plain = r.wiring is not None and not r.is_box and not c.is_box and "#" not in r.path
    alike = r.wiring == c.wiring and dict(r.context) == dict(c.context)
    return judgement.exact and is_plain and alike and not random


def _is_same_error(broken: float, error: float, tolerance: float) -> bool:
    """Whether the break brought the candidate's error back; two infinite errors are the same, and no finite one is."""
    return broken == error or (math.isfinite(error) and abs(broken - error) <= max(tolerance, _SHARE * error))


def output_error(trace: Trace) -> tuple[float, float]:
    """Largest relative L2 error of a model output, and the bound for it; of a sample where only a sample is wrong."""
    error = max((_error(gap, _is_by_sample(trace)) for gap in trace.outputs), default=0.0)
    bound = max((gap.tolerance for gap in trace.outputs), default=0.0)
    return error, bound * PER_SAMPLE if _is_by_sample(trace) else bound


def _is_by_sample(trace: Trace) -> bool:
    """Whether the error of whole batches doesn't show what is wrong in one sample."""
    if any(gap.kind or gap.difference.rel_error > gap.tolerance for gap in trace.outputs):
        return False
    return any((gap.difference.sample_error or 0.0) > gap.tolerance * PER_SAMPLE for gap in trace.outputs)


def _error(gap: Gap, by_sample: bool) -> float:
    if gap.kind:
        return math.inf
    return gap.difference.sample_error or 0.0 if by_sample else gap.difference.rel_error


_Job: TypeAlias = tuple[Source, Mapping[str, Sequence[Value]]]


def _residuals(jobs: Sequence[_Job], trace: Trace) -> list[float | None]:
    """Error of each run's outputs against the reference's; None where the model doesn't run with what is put in.

    Args:
        jobs: what is run, each in the same time, and with which outputs put in at which call sites.
        trace: of the run in which these were found.
    """
    ends = run_together([(source, trace.run, replaced) for source, replaced in jobs])
    return [_residual(end, trace) for end in ends]


def _residual(end: End | ModelError, trace: Trace) -> float | None:
    if isinstance(end, ModelError):
        return None
    found = gaps(trace.reference_end.outputs, end.outputs, Terms(samples=trace.samples))
    return max((_error(gap, _is_by_sample(trace)) for gap in found), default=math.inf)


def masked(blames: Sequence[Blame], trace: Trace, reference: Source) -> frozenset[str]:
    """Layer paths of the blames of which nothing reaches a model output."""
    error, tolerance = output_error(trace)
    if error <= tolerance:
        return frozenset(blame.layer for blame in blames)
    if not 1 < len(blames) <= _ONE_BY_ONE:
        return frozenset()
    unreached = {blame.layer for blame in blames if not blame.replaced and not blame.reaches}
    return frozenset(unreached | {b.layer for b in blames if _leaves_no_trace(b, trace, reference, tolerance)})


def _leaves_no_trace(blame: Blame, trace: Trace, reference: Source, tolerance: float) -> bool:
    """Whether the reference still gives its own outputs with the candidate's outputs at this blame alone."""
    _, wrong = _activations([blame])
    residual = _residuals([(reference, wrong)], trace)[0] if wrong else None
    return residual is not None and residual <= tolerance
