"""Prove a blame both ways: put right, the error must go; put wrong elsewhere, the same error must come.

heal   the candidate, with the reference's outputs at the faults alone  →  must give the reference's outputs
break  the reference, with the candidate's outputs at the faults alone  →  must give the candidate's outputs
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from tracer.core.comparison.alignment import call_named
from tracer.core.comparison.gap import Gap, Terms, gaps
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame, BlameKind
from tracer.core.comparison.lockstep import Trace
from tracer.core.drive import run_together
from tracer.core.numbers.tolerance import PER_SAMPLE
from tracer.core.source import Call, End, Source, Value
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
    right, wrong = _activations(blames, trace)
    if not right or not wrong or any(_has_one_side(blame) for blame in blames):
        return None
    error, tolerance = output_error(trace)
    implied = _heals_by_induction(blames, right, trace)
    healed, broken = _heal_and_break([] if implied else [(candidate, right)], (reference, wrong), trace)
    if healed is None or broken is None:
        return None
    holds = healed <= tolerance and _is_same_error(broken, error, tolerance)
    return Proof(healed=healed, broken=broken, output_error=error, holds=holds, implied=implied)


_Outputs: TypeAlias = dict[str, Sequence[Value]]
_Job: TypeAlias = tuple[Source, Mapping[str, Sequence[Value]]]


def _heal_and_break(healing: Sequence[_Job], breaking: _Job, trace: Trace) -> tuple[float | None, float | None]:
    """The two residuals; None where a model doesn't run with what is put in.

    Args:
        healing: the run that heals; none where it is known to give the reference's outputs.
        breaking: the run that breaks.
        trace: of the run in which the blamed were found.
    """
    healed, broken = [0.0, *_residuals([*healing, breaking], trace)][-2:]
    if broken is None and math.isinf(output_error(trace)[0]):
        broken = math.inf  # the reference fails on the candidate's outputs as the candidate itself does
    return healed, broken


def _has_one_side(blame: Blame) -> bool:
    """A layer that raised has nothing to put into the other side."""
    return any(not here or not there for _, here, there in blame.replaced)


def _activations(blames: Sequence[Blame], trace: Trace) -> tuple[_Outputs, _Outputs]:
    """What is put into the candidate at the blamed call sites, and what into the reference, by layer path."""
    replaced = [each for blame in blames for each in blame.replaced]
    right: _Outputs = {path: here for path, here, _ in replaced if here}
    wrong: _Outputs = {path: there for path, _, there in replaced if there}
    for r, c in _behind_the_lone(blames, trace):
        right.update(_handed(c, r, _uses(trace, "candidate")) or {c.path: r.outputs})
        wrong.update(_handed(r, c, _uses(trace, "reference")) or {r.path: c.outputs})
    return right, wrong


def _behind_the_lone(blames: Sequence[Blame], trace: Trace) -> Iterable[tuple[Call, Call]]:
    """The paired calls that are given what a blamed layer returns which only one side has."""
    lone = {blame.layer for blame in blames if blame.reaches}
    for judgement in trace.judgements if lone else ():
        r, c = judgement.reference, judgement.candidate
        if r.outputs and c.outputs and _sources(r, c) & lone:
            yield r, c


def _sources(*calls: Call) -> set[str]:
    """Paths of the call sites that some calls get their inputs from."""
    return {call_named(label) for call in calls for label in call.wiring or ()}


def _uses(trace: Trace, side: Literal["reference", "candidate"]) -> Counter[str]:
    """How often what a call site returns is used on a side, by its path."""
    here = side == "reference"
    alone, end = (
        (trace.unmatched_reference, trace.reference_end) if here else (trace.unmatched_candidate, trace.candidate_end)
    )
    paired = (judgement.reference if here else judgement.candidate for judgement in trace.judgements)
    wirings = (*(call.wiring for call in (*paired, *alone)), end.wiring)
    return Counter(call_named(label) for wiring in wirings for label in wiring or ())


def _handed(call: Call, other: Call, uses: Mapping[str, int]) -> _Outputs | None:
    """What the call sites before a call have to return for it to be handed what the other side's is; None: can't be.

    A layer that only one side has is healed where it is, and not at the call site behind it, which would be right
    whatever came before.  Inputs that come from the same call site on both sides are left alone, and what a neighbour
    returns to somebody else too isn't changed.
    """
    here, there = call.wiring or (), other.wiring or ()
    if not len(here) == len(there) == len(call.inputs) == len(other.inputs):
        return None
    places = zip(here, there, other.inputs, strict=True)
    found: _Outputs = {mine: (given,) for mine, theirs, given in places if mine != theirs}
    return found if all(_is_free(label, uses) for label in found) else None


def _is_free(label: str, uses: Mapping[str, int]) -> bool:
    """Whether it is the one output of a call site, and not an input of the model, and nobody else uses it."""
    return uses[label] == 1 and call_named(label) == label and not label.rpartition("/")[2].startswith("<")


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
    if any(blame.kind != BlameKind.LAYER for blame in blames):
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


def _unseen_error(trace: Trace) -> float:
    """What an output may be off without anything of a fault being in it: what one layer's rounding may do."""
    return max((min(gap.tolerance, gap.local_tolerance * trace.slack) for gap in trace.outputs), default=0.0)


def _is_by_sample(trace: Trace) -> bool:
    """Whether the error of whole batches doesn't show what is wrong in one sample."""
    if any(gap.kind or gap.difference.rel_error > gap.tolerance for gap in trace.outputs):
        return False
    return any((gap.difference.sample_error or 0.0) > gap.tolerance * PER_SAMPLE for gap in trace.outputs)


def _error(gap: Gap, by_sample: bool) -> float:
    if gap.kind:
        return math.inf
    return gap.difference.sample_error or 0.0 if by_sample else gap.difference.rel_error


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
    """Layer paths of the blames of which nothing reaches a model output.

    A layer that raises isn't among them, whatever the outputs are like once the reference's have helped it along.
    """
    return all_masked(blames, trace) or _masked(blames, trace, reference) - _raising(blames)


def all_masked(blames: Sequence[Blame], trace: Trace) -> frozenset[str]:
    """The same where no output shows anything of any of them, which takes no run; else empty."""
    error, tolerance = output_error(trace)[0], _unseen_error(trace)
    if error > tolerance * (PER_SAMPLE if _is_by_sample(trace) else 1.0):
        return frozenset()
    return frozenset(blame.layer for blame in blames) - _raising(blames)


def _raising(blames: Sequence[Blame]) -> frozenset[str]:
    return frozenset(b.layer for b in blames if b.judgement is not None and b.judgement.candidate.error)


def _masked(blames: Sequence[Blame], trace: Trace, reference: Source) -> frozenset[str]:
    tolerance = _unseen_error(trace)
    if not 1 < len(blames) <= _ONE_BY_ONE:
        return frozenset()
    unreached = {blame.layer for blame in blames if not blame.replaced and not blame.reaches}
    return frozenset(unreached | {b.layer for b in blames if _leaves_no_trace(b, trace, reference, tolerance)})


def _leaves_no_trace(blame: Blame, trace: Trace, reference: Source, tolerance: float) -> bool:
    """Whether the reference still gives its own outputs with the candidate's outputs at this blame alone."""
    _, wrong = _activations([blame], trace)
    residual = _residuals([(reference, wrong)], trace)[0] if wrong else None
    return residual is not None and residual <= tolerance
