"""Judge one call site that both sides have just run: what differs, and whether this layer is what made it differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracer.core.metrics import difference
from tracer.core.remedy import mends
from tracer.core.same_call import CallMatch, same_mask, same_numbers
from tracer.core.source import Call, Facts, Mend, Replay, Source, Stop, Value
from tracer.core.tolerance import slack, tolerance_for
from tracer.core.twins import Twins
from tracer.records import Difference, LayerReport, Verdict

_GLANCES = 64
_SAME = Difference(rel_error=0.0, max_abs=0.0, max_ulp=0.0, cosine=1.0)
_NO_NUMBER = Difference(rel_error=math.inf, max_abs=math.inf, max_ulp=math.nan, cosine=math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far one output of the candidate is from the reference's.

    Attributes:
        difference: of the numbers; without numbers where the shapes differ.
        kind: what of its type differs (shape, dtype, sparsity, mask), in words; "" when the types are equal.
        tolerance: relative L2 bound for it, as it came.
        local_tolerance: relative L2 bound for one layer on identical inputs.
        same: bit for bit the same, type and mask included.
    """

    difference: Difference
    kind: str
    same: bool
    tolerance: float = 0.0
    local_tolerance: float = 0.0

    @property
    def beyond(self) -> bool:
        """Whether this is more than tolerance allows an output as it came."""
        return bool(self.kind) or self.difference.rel_error > self.tolerance

    @property
    def beyond_locally(self) -> bool:
        """Whether this is more than tolerance allows one layer on identical inputs."""
        return bool(self.kind) or self.difference.rel_error > self.local_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One call site, judged.

    Attributes:
        reference: the reference's call.
        candidate: the candidate's call.
        layers: a `LayerReport` for each output.
        introduced: the layer is wrong by itself.
        other_inputs: names of the arguments that have other tensors on the two sides.
        context_differs: a layer that is right was called otherwise, and that alone changed what it returned.
        inner_inputs: within a box: the call site that the box's own code hands other inputs, or None.
        facts: of the layer on both sides, when it is blamed.
        stale: by side, whether deriving the layer's state anew changes what it computes; None where it has no state
            to derive.
        mend: the change to the candidate's layer that was seen to put it right, or None.
    """

    reference: Call
    candidate: Call
    layers: tuple[LayerReport, ...]
    introduced: bool
    other_inputs: tuple[str, ...] = ()
    context_differs: bool = False
    inner_inputs: str | None = None
    facts: tuple[Facts | None, Facts | None] = (None, None)
    stale: tuple[bool | None, bool | None] = (None, None)
    mend: Mend | None = None

    @property
    def same_inputs(self) -> bool:
        """Both sides gave it the same tensors."""
        return not self.other_inputs


def gap(
    reference: Value, candidate: Value, compute_dtypes: Sequence[str] = (), slack: float = 1.0,
    twins: Twins | None = None,
) -> Gap:  # fmt: skip
    """Compare one output; `slack` widens the bound of what came, not of the layer itself; `twins` get to know it."""
    kind = type_difference(reference, candidate)
    wide, tight = _tolerances(reference, candidate, compute_dtypes)
    if same_numbers(reference, candidate, twins):
        found = _SAME
    elif reference.array.shape != candidate.array.shape:
        found = _NO_NUMBER
    else:
        found = difference(reference.array, candidate.array)
    same = found is _SAME and not kind
    return Gap(difference=found, kind=kind, same=same, tolerance=wide * slack, local_tolerance=tight)


def _tolerances(reference: Value, candidate: Value, compute_dtypes: Sequence[str]) -> tuple[float, float]:
    """As it came, and on identical inputs; exact outputs (ids, masks, text) allow nothing, however computed."""
    dtypes = [reference.array.dtype.name, candidate.array.dtype.name]
    if tolerance_for(*dtypes):
        dtypes += [name for name in compute_dtypes if name.startswith(("float", "bfloat"))]
    return tolerance_for(*dtypes), tolerance_for(*dtypes, local=True)


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


def gaps(
    reference: Sequence[Value], candidate: Sequence[Value], dtypes: Sequence[str] = (), slack: float = 1.0,
    twins: Twins | None = None,
) -> tuple[Gap, ...]:  # fmt: skip
    """Compare output by output; a missing output is a gap of kind "missing"."""
    found = [gap(a, b, dtypes, slack, twins) for a, b in zip(reference, candidate, strict=False)]
    for _ in range(abs(len(reference) - len(candidate))):
        kind = f"{len(reference)} outputs against {len(candidate)}"
        found.append(Gap(difference=_NO_NUMBER, kind=kind, same=False))
    return tuple(found)


def judge(
    r: Call, c: Call, match: CallMatch, candidate: Stop, inner: Sequence[Judgement] = (), *, wider: float = 1.0,
    twins: Twins | None = None,
) -> Judgement:  # fmt: skip
    """Judge one pair of calls. Whoever is found guilty has to be confirmed.

    Args:
        r: the reference's call.
        c: the candidate's call.
        match: in what the two were called otherwise.
        candidate: at this call site, to feed its layer the reference's inputs.
        inner: judgements of the call sites inside, when this is a box.
        wider: see `slack_between`.
        twins: tensors of this run that are known to be equal.
    """
    dtypes = (r.compute_dtype, c.compute_dtype)
    came = gaps(r.outputs, c.outputs, dtypes, wider, twins) if not (r.error or c.error) else ()
    if r.error:
        return _no_reference(r, c, match)
    all_same = bool(came) and all(g.same for g in came)
    is_box = r.is_box and c.is_box
    handed_the_same = all(judgement.same_inputs for judgement in inner)
    if all_same and (handed_the_same if is_box else match.same):
        return _judgement(r, c, match, came, came)
    if is_box:
        return _judge_box(r, c, match, came, candidate, inner)
    unchanged = match.same and not c.error
    local = came if unchanged else _local(r, candidate.replay(r.inputs, r.context), dtypes)
    judged = _judgement(r, c, match, came, local)
    if c.error and match.same and not judged.introduced:
        return _as_random(judged, f"the candidate raises {c.error} at one time and not at another")
    return judged


def look_equal(a: Value, b: Value) -> bool:
    """Whether two tensors are equal at a few dozen places; a guess that costs nothing."""
    here, there = a.array, b.array
    if here.shape != there.shape or here.dtype != there.dtype or here.dtype.kind not in "fiub" or not here.size:
        return False
    if not (here.flags.c_contiguous and there.flags.c_contiguous):
        return False
    step = max(1, here.size // _GLANCES)
    return bool(np.array_equal(here.reshape(-1)[::step], there.reshape(-1)[::step], equal_nan=here.dtype.kind == "f"))


def slack_between(reference: Source, candidate: Source) -> float:
    """How much wider the bound of an output as it came is, for these two."""
    return slack(*(source.environment.get("backend", "") for source in (reference, candidate)))


def _local(r: Call, replay: Replay, dtypes: Sequence[str]) -> tuple[Gap, ...]:
    if replay.error:
        kind = f"raises {replay.error}"
        return tuple(Gap(difference=_NO_NUMBER, kind=kind, same=False) for _ in r.outputs or (None,))
    return gaps(r.outputs, replay.outputs, dtypes)


def _judge_box(
    r: Call, c: Call, match: CallMatch, came: tuple[Gap, ...], candidate: Stop, inner: Sequence[Judgement]
) -> Judgement:
    """A layer with layers inside is at fault only for what its own code does.

    It is called on the reference's inputs while every call site inside returns what the reference's returned there;
    what still differs, in its result or in what it hands to a call site inside, is its own.
    """
    forced = {judgement.reference.path: judgement.reference.outputs for judgement in inner}
    replay = candidate.replay(r.inputs, r.context, forced)
    local = _local(r, replay, (r.compute_dtype, c.compute_dtype))
    return _judgement(r, c, match, came, local, _handed_otherwise(inner, replay))


def _handed_otherwise(inner: Sequence[Judgement], replay: Replay) -> str | None:
    """The first call site inside that the box's own code handed other tensors than the reference's did."""
    for judgement in inner:
        received = replay.inner.get(judgement.reference.path)
        if received is None:
            continue
        expected, values = judgement.reference.inputs, received[0]
        if len(values) != len(expected) or any(g.beyond for g in gaps(expected, values)):
            return judgement.reference.path
    return None


def confirm(judged: Judgement, reference: Stop, candidate: Stop, *, standing: bool = True) -> Judgement:
    """Before a layer is blamed: is it even equal to itself?  Then: is either side's state stale, and what helps?

    Args:
        judged: introduced, as far as `judge` can tell.
        reference: to run the call again, for determinism, and to ask for facts.
        candidate: at this call site.
        standing: the reference stands at this call site too; False when it came by earlier, in another order.
    """
    r, c = judged.reference, judged.candidate
    itself = _local(r, reference.replay(r.inputs, r.context), (r.compute_dtype,)) if standing else ()
    random = "reference" if any(g.beyond_locally for g in itself) else ""
    random = random or ("candidate" if _is_random(r, candidate) else "")
    if random:
        return _as_random(judged, f"the {random} differs from itself when run twice on equal inputs")
    facts = reference.facts(r.path), candidate.facts(r.path)
    stale = _stale(r, facts[0], reference) if standing else None, _stale(c, facts[1], candidate)
    return replace(judged, facts=facts, stale=stale, mend=_what_helps(judged, facts, stale, candidate))


def _as_random(judged: Judgement, note: str) -> Judgement:
    """Nobody is blamed for chance."""
    layers = tuple(replace(layer, verdict=Verdict.NONDETERMINISTIC, note=note) for layer in judged.layers)
    return replace(judged, layers=layers, introduced=False)


def _is_random(r: Call, candidate: Stop) -> bool:
    """Whether the candidate's layer, called twice on the reference's inputs, returns two different things."""
    first, second = (candidate.replay(r.inputs, r.context) for _ in range(2))
    if first.error or second.error:
        return bool(first.error) != bool(second.error)
    return any(g.beyond_locally for g in gaps(first.outputs, second.outputs, (r.compute_dtype,)))


def _stale(call: Call, facts: Facts | None, source: Stop) -> bool | None:
    if facts is None or not facts.derives or call.error:
        return None
    derived = source.attempt(Mend(action="finalize_state", finalize=True), call.inputs, call.context)
    return any(g.beyond_locally for g in _local(call, derived, (call.compute_dtype,)))


def _what_helps(
    judged: Judgement, facts: tuple[Facts | None, Facts | None], stale: tuple[bool | None, bool | None],
    candidate: Stop,
) -> Mend | None:  # fmt: skip
    """The first change with which the candidate's layer returns what the reference's returned, on its inputs."""
    r = judged.reference
    if facts[0] is None or facts[1] is None or r.is_box:
        return None
    for mend in mends(facts[0], facts[1], stale):
        found = _local(r, candidate.attempt(mend, r.inputs, r.context), (r.compute_dtype,))
        if not any(g.beyond_locally for g in found):
            return mend
    return None


def _no_reference(r: Call, c: Call, match: CallMatch) -> Judgement:
    layer = LayerReport(
        layer=r.path, class_name=r.class_name, verdict=Verdict.INCOMPARABLE, rel_error=math.inf, local_error=None,
        tolerance=0.0, note=f"the reference's layer raises {r.error}",
    )  # fmt: skip
    return Judgement(reference=r, candidate=c, layers=(layer,), introduced=False, other_inputs=match.other_inputs)


def _judgement(
    r: Call, c: Call, match: CallMatch, came: Sequence[Gap], local: Sequence[Gap], inner_inputs: str | None = None
) -> Judgement:
    """Put the gaps as they came beside the gaps on the reference's inputs."""
    if not came:  # the candidate's layer raised: there are no numbers as they came
        kind = f"raises {c.error}"
        came = [replace(g, difference=_NO_NUMBER, kind=kind, same=False) for g in local]
    guilty = inner_inputs is not None
    pairs = enumerate(zip(came, local, strict=False))
    layers = tuple(_layer(r, index, out, own, guilty) for index, (out, own) in pairs)
    introduced = guilty or any(g.beyond_locally for g in local)
    called_otherwise = not match.other_inputs and match.other_context and any(g.beyond for g in came)
    return Judgement(
        reference=r, candidate=c, layers=layers, introduced=introduced, other_inputs=match.other_inputs,
        context_differs=bool(called_otherwise) and not introduced, inner_inputs=inner_inputs,
    )  # fmt: skip


def _layer(r: Call, index: int, out: Gap, own: Gap, guilty: bool) -> LayerReport:
    if own.beyond_locally or guilty:
        verdict = Verdict.INTRODUCED
    elif out.same:
        verdict = Verdict.IDENTICAL
    else:
        verdict = Verdict.INHERITED if out.beyond else Verdict.CLOSE
    output: Mapping[str, object] = {n: getattr(out.difference, n) for n in _SAME.__dataclass_fields__}
    value = r.outputs[index] if index < len(r.outputs) else None
    return LayerReport(
        layer=f"{r.path}:{index}" if index else r.path,
        class_name=r.class_name,
        verdict=verdict,
        local_error=own.difference.rel_error,
        tolerance=out.tolerance,
        shape=() if value is None else tuple(value.array.shape),
        dtype="" if value is None else value.array.dtype.name,
        note=_note(out, own),
        **output,  # type: ignore[arg-type]
    )


def _note(out: Gap, own: Gap) -> str:
    if own.kind:
        return f"on the reference's inputs: {own.kind}"
    return out.kind
