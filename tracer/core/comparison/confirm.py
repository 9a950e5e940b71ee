"""Before a layer is blamed: is it equal to itself, does it only round otherwise, and what would put it right?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tracer.core.comparison.gap import ALONE, Gap, Terms, gaps
from tracer.core.comparison.judge import Judgement, as_random, forced_by, handed_in, handed_otherwise, local_gaps
from tracer.core.layer.differences import paired_weights
from tracer.core.layer.nearly import answer, nudged_alike, on_moved_inputs
from tracer.core.layer.patches import mends
from tracer.core.layer.weights import measured
from tracer.core.numbers.rounding import ALIKE, DRAWS, MOST, NUDGES, OF_EITHER_SIGN, Average, Reach, rounding_note
from tracer.core.numbers.tolerance import tolerance_for
from tracer.core.source import Call, Facts, Patch, PatchAction, Stop, Value
from tracer.records import Verdict

_SINGLE: Final = "float32"


def confirm(
    judged: Judgement,
    reference: Stop,
    candidate: Stop,
    inner: Sequence[Judgement] = (),
    *,
    standing: bool = True,
    terms: Terms = ALONE,
) -> Judgement:
    """Is it even equal to itself?  Does it only round otherwise?  Then: is either side's state stale, and what helps?

    Args:
        judged: introduced, as far as `judge` can tell.
        reference: to run the call again, for determinism, and to ask for facts.
        candidate: at this call site.
        inner: judgements of the call sites inside, when this is a box: what they do isn't its own.
        standing: the reference stands at this call site too; False when it came by earlier, in another order.
        terms: of this run.
    """
    r, c = judged.reference, judged.candidate
    random = "reference" if standing and _differs_from_itself(r, reference, inner, terms) else ""
    random = random or ("candidate" if _is_random(r, candidate, inner, terms) else "")
    if random:
        return as_random(judged, f"the {random} differs from itself when run twice on equal inputs")
    facts = reference.facts(r.path), candidate.facts(r.path)
    rounds = _as_rounding_alone(judged, facts, reference, candidate, terms) if standing else None
    if rounds is not None:
        return rounds
    stale = _stale(r, facts[0], reference, terms) if standing else None, _stale(c, facts[1], candidate, terms)
    return replace(judged, facts=facts, stale=stale, mend=_what_helps(judged, facts, stale, candidate, terms))


def confirm_again(judged: Judgement, known: Judgement, candidate: Stop, *, terms: Terms = ALONE) -> Judgement | None:
    """The same of a layer that was confirmed on other inputs: it is looked at no more, only what helped there is tried.

    Args:
        judged: introduced, as far as `judge` can tell.
        known: of the same call site, confirmed.
        candidate: at this call site.
        terms: of this run.

    Returns:
        None where it is wrong in another way here, so that it has to be confirmed anew.
    """
    r, c = judged.reference, judged.candidate
    if bool(c.error) != bool(known.candidate.error):
        return None
    if known.mend is not None:
        found = local_gaps(r, candidate.attempt(known.mend, r.inputs, r.context), terms, (r.compute_dtype,))
        if any(g.beyond_locally for g in found):
            return None
    return replace(judged, facts=known.facts, stale=known.stale, mend=known.mend)


def _as_rounding_alone(
    judged: Judgement, facts: tuple[Facts | None, Facts | None], reference: Stop, candidate: Stop, terms: Terms
) -> Judgement | None:
    """The judgement where rounding alone makes the two differ; None where it doesn't."""
    r = judged.reference
    dtypes = {r.compute_dtype, *(value.array.dtype.name for value in r.outputs)}
    if not terms.rounds_otherwise or r.is_box or dtypes != {_SINGLE}:
        return None
    if rounding := _of_the_same(r, facts, (reference, candidate), terms):
        return _as_rounding(judged, rounding, ALIKE, terms)
    if rounding := _lost_on_average(r, reference, candidate, terms):
        return _as_rounding(judged, rounding, OF_EITHER_SIGN, terms)
    return None


def _of_the_same(r: Call, facts: tuple[Facts | None, Facts | None], sides: tuple[Stop, Stop], terms: Terms) -> float:
    """The relative L2 error, where inputs and weights that count as the same make as much on both sides; else 0.0."""
    if facts[0] is None or facts[1] is None or not _hold_the_same(facts[0], facts[1]):
        return 0.0
    own = sides[1].replay(r.inputs, r.context)
    apart = local_gaps(r, own, terms, (_SINGLE,))
    if any(gap.kind for gap in apart):
        return 0.0
    explained = _reach(r, facts[0], sides[0], r.outputs, own.outputs, terms) and _reach(
        r, facts[1], sides[1], own.outputs, r.outputs, terms
    )
    return max(gap.difference.rel_error for gap in apart) if explained else 0.0


def _reach(r: Call, facts: Facts, side: Stop, own: Sequence[Value], other: Sequence[Value], terms: Terms) -> bool:
    """Whether one side's outputs for inputs and weights that count as the same are as far off as the other side's."""
    found = [Reach(value.array, terms.count(value)) for value in own]
    for seed in range(NUDGES):
        outputs = answer(side, r, nudged_alike(r, facts, seed)).outputs
        if len(outputs) != len(found):
            return False
        for reach, value in zip(found, outputs, strict=True):
            reach.add(value.array)
    return all(reach.includes(value.array) for reach, value in zip(found, other, strict=True))


def _hold_the_same(here: Facts, there: Facts) -> bool:
    """Whether the two have the same weights, up to rounding."""
    return all(
        a is not None
        and b is not None
        and a.shape == b.shape
        and measured(a.reshape(-1), b.reshape(-1), a.dtype.name, b.dtype.name) is None
        for _, a, b in paired_weights(here.weights, there.weights)
    )


def _lost_on_average(r: Call, reference: Stop, candidate: Stop, terms: Terms) -> float:
    """The relative L2 error that is lost on average over inputs that are nearly the same; 0.0 where it isn't."""
    averages = [Average(terms.count(value)) for value in r.outputs]
    for seed in range(DRAWS):
        returned = _on_moved_inputs(r, seed, reference, candidate, terms)
        if len(returned) != len(averages):
            return 0.0
        for average, (here, there) in zip(averages, returned, strict=True):
            average.add(here.array, there.array)
    return 0.0 if any(average.stays() for average in averages) else max(average.largest for average in averages)


def _on_moved_inputs(
    r: Call, seed: int, reference: Stop, candidate: Stop, terms: Terms
) -> tuple[tuple[Value, Value], ...]:
    """What both sides return on inputs that are nearly those of a call, on these themselves for seed 0.

    Empty where that differs by more than any rounding.
    """
    question = on_moved_inputs(r, seed) if seed else (None, r.inputs)
    here = answer(reference, r, question).outputs if seed else r.outputs
    there = answer(candidate, r, question).outputs
    found = gaps(here, there, terms.alone, dtypes=(_SINGLE,), inputs=question[1])
    return () if any(map(_is_more, found)) else tuple(zip(here, there, strict=True))


def _is_more(gap: Gap) -> bool:
    """Whether it is more than any rounding."""
    return bool(gap.kind) or gap.exceeds(MOST * gap.local_tolerance)


def _as_rounding(judged: Judgement, rounding: float, why: str, terms: Terms) -> Judgement:
    """Nobody is blamed for rounding; as it came, it may be off by what it is alone, and what came in by what it is.

    A layer that multiplies it beyond measure isn't to blame either, but what it returns isn't the same any more.
    """
    noted = rounding if rounding <= MOST * tolerance_for(_SINGLE, local=True) else 0.0
    allowed = noted * terms.slack
    layers = tuple(
        replace(
            layer,
            tolerance=max(layer.tolerance, allowed),
            note=rounding_note(rounding, why),
            verdict=Verdict.INHERITED if layer.rel_error > max(layer.tolerance, allowed) else Verdict.CLOSE,
        )
        for layer in judged.layers
    )
    return replace(judged, layers=layers, introduced=False, rounding=noted)


def _differs_from_itself(r: Call, reference: Stop, inner: Sequence[Judgement], terms: Terms) -> bool:
    """Whether the reference's layer, called again, returns something else, or hands something else to those inside."""
    again = reference.replay(r.inputs, r.context, forced_by(inner) if r.is_box else None)
    found = local_gaps(r, again, terms, (r.compute_dtype,))
    return any(g.beyond_locally for g in found) or handed_otherwise(handed_in(inner), again) is not None


def _is_random(r: Call, candidate: Stop, inner: Sequence[Judgement], terms: Terms) -> bool:
    """Whether the candidate's layer does two different things when it is called twice on the reference's inputs."""
    forced = forced_by(inner) if r.is_box else None
    first, second = (candidate.replay(r.inputs, r.context, forced) for _ in range(2))
    if first.error or second.error:
        return bool(first.error) != bool(second.error)
    found = local_gaps(replace(r, outputs=first.outputs), second, terms, (r.compute_dtype,))
    handed = {path: received[0] for path, received in first.inner.items()}
    return any(g.beyond_locally for g in found) or handed_otherwise(handed, second) is not None


def _stale(call: Call, facts: Facts | None, source: Stop, terms: Terms) -> bool | None:
    if facts is None or not facts.derives or call.error:
        return None
    derived = source.attempt(Patch(action=PatchAction.FINALIZE_STATE, finalize=True), call.inputs, call.context)
    return any(g.beyond_locally for g in local_gaps(call, derived, terms, (call.compute_dtype,)))


def _what_helps(
    judged: Judgement,
    facts: tuple[Facts | None, Facts | None],
    stale: tuple[bool | None, bool | None],
    candidate: Stop,
    terms: Terms,
) -> Patch | None:
    """The first change with which the candidate's layer returns what the reference's returned, on its inputs."""
    r = judged.reference
    if facts[0] is None or facts[1] is None or r.is_box:
        return None
    for mend in mends(facts[0], facts[1], stale):
        found = local_gaps(r, candidate.attempt(mend, r.inputs, r.context), terms, (r.compute_dtype,))
        if not any(g.beyond_locally for g in found):
            return mend
    return None
