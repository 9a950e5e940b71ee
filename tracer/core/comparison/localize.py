"""From a trace to faults: which call sites are to blame."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tracer.core.comparison.alignment import call_named, static_path
from tracer.core.comparison.gap import Terms, hold_other_numbers
from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.lockstep import Trace
from tracer.core.comparison.same_call import is_only_cast
from tracer.core.layer.innermost import innermost_of
from tracer.core.source import Call, Value
from tracer.records import Evidence, EvidenceKind, Verdict


class BlameKind(StrEnum):
    """What a call site is to blame for."""

    LAYER = "layer"  # wrong by itself
    CONTEXT = "context"  # it, or its code, calls others in another context
    TOPOLOGY = "topology"  # wired otherwise, or only one side has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """A call site to blame, before it is explained.

    Attributes:
        layer: layer path.
        class_name: class of the layer.
        kind: `layer` (wrong by itself), `context` (it, or its code, calls others in another context) or `topology`.
        judgement: of the call site; None where only one side has it.
        evidence: what the trace itself shows.
        replaced: reference's and candidate's outputs at the call sites that heal or break this blame, by layer path.
        order: position in execution order.
        reaches: for a layer that only one side has: a compared call site, or a model output, gets other numbers.
    """

    layer: str
    class_name: str
    kind: BlameKind
    judgement: Judgement | None
    evidence: tuple[Evidence, ...] = ()
    replaced: tuple[tuple[str, tuple[Value, ...], tuple[Value, ...]], ...] = ()
    order: int = 0
    reaches: bool = False


def blames(trace: Trace) -> tuple[Blame, ...]:
    """Everything that is to blame, in execution order, each call site once."""
    found: dict[str, Blame] = {}
    lone = _implicated(trace)
    for order, judgement in enumerate(trace.judgements):
        for blame in _blames(judgement, trace, order, lone):
            known = found.setdefault(blame.layer, blame)
            if known is not blame:
                found[blame.layer] = replace(known, replaced=(*known.replaced, *blame.replaced))
    for blame in (*_lone_blames(trace, lone), *_output_blames(trace, found, lone)):
        found.setdefault(blame.layer, blame)
    if not found and any(g.beyond for g in trace.outputs):
        found.update((blame.layer, blame) for blame in _handed_otherwise(trace))
    return tuple(sorted(found.values(), key=lambda blame: blame.order))


def _handed_otherwise(trace: Trace) -> Iterable[Blame]:
    """Where nothing else explains it: the first call site that gets other tensors though all before it are equal."""
    for order, judgement in enumerate(trace.judgements):
        r, c = judgement.reference, judgement.candidate
        if not judgement.same_inputs and _gets_other_numbers(judgement, trace):
            detail = (
                f"the argument {', '.join(judgement.other_inputs)} differs, though everything before it is the same"
            )
            evidence = Evidence(kind=EvidenceKind.CONTEXT, name=", ".join(judgement.other_inputs), detail=detail)
            yield Blame(
                layer=r.path,
                class_name=r.class_name,
                kind=BlameKind.CONTEXT,
                judgement=judgement,
                order=order,
                evidence=(evidence,),
                replaced=((r.path, r.outputs, c.outputs),),
            )
            return
        if any(layer.verdict is not Verdict.IDENTICAL for layer in judgement.layers):
            return


def _blames(judgement: Judgement, trace: Trace, order: int, lone: frozenset[str]) -> Iterator[Blame]:
    """Whom a call site tells of: itself, who calls it in another context, or both."""
    r, c = judgement.reference, judgement.candidate
    blame = functools.partial(Blame, judgement=judgement, replaced=((r.path, r.outputs, c.outputs),), order=order)
    if judgement.introduced:
        layer, class_name = innermost(judgement)
        evidence = _layer_evidence(judgement)
        yield blame(layer=layer, class_name=class_name, kind=BlameKind.LAYER, evidence=evidence)
    if judgement.context_differs:
        layer = trace.leak.get(r.path) or r.box or r.path
        evidence = _context_evidence(judgement)
        # What is wrong of the layer itself says nothing of who calls it.
        caller = functools.partial(
            blame, judgement=replace(judgement, facts=(None, None), stale=(None, None), mend=None)
        )
        yield caller(layer=layer, class_name=_class_at(trace, layer), kind=BlameKind.CONTEXT, evidence=evidence)
    elif not judgement.introduced and _is_rewired_without(lone, judgement, trace):
        evidence = (_wiring_evidence(r.wiring, c.wiring),)
        yield blame(layer=r.path, class_name=r.class_name, kind=BlameKind.TOPOLOGY, evidence=evidence)


def _is_rewired_without(lone: frozenset[str], judgement: Judgement, trace: Trace) -> bool:
    """Whether it is handed other tensors, and not because of a layer that only one side has."""
    wirings = set(judgement.reference.wiring or ()) | set(judgement.candidate.wiring or ())
    return _is_handed_otherwise(judgement, trace) and not wirings & lone


def innermost(judgement: Judgement) -> tuple[str, str]:
    """Path and class of the layer to blame; see `tracer.core.layer.innermost`."""
    r = judgement.reference
    return innermost_of(r.path, r.class_name, *judgement.facts)


def _is_handed_otherwise(judgement: Judgement, trace: Trace) -> bool:
    """Whether its inputs come from elsewhere, and aren't the same numbers up to rounding."""
    is_rewired = judgement.reference.wiring != judgement.candidate.wiring
    return is_rewired and not judgement.same_inputs and _gets_other_numbers(judgement, trace)


def _gets_other_numbers(judgement: Judgement, trace: Trace) -> bool:
    r, c = judgement.reference, judgement.candidate
    if not r.inputs and not c.inputs:  # they weren't kept: what came out tells
        return any(layer.verdict is Verdict.INHERITED for layer in judgement.layers)
    terms = Terms(slack=trace.slack, samples=trace.samples, upstream=trace.upstream.get(r.path, ""))
    return hold_other_numbers(r, c, terms) and not is_only_cast(r, c)


def _layer_evidence(judgement: Judgement) -> tuple[Evidence, ...]:
    found = [
        Evidence(kind=_kind_of(layer.note), name=layer.layer, detail=layer.note)
        for layer in judgement.layers
        if layer.note
    ]
    if judgement.inner_inputs:
        detail = "its own code hands this layer inside other tensors than the reference's does"
        found.append(Evidence(kind=EvidenceKind.WIRING, name=judgement.inner_inputs, detail=detail))
    r, c = judgement.reference, judgement.candidate
    if r.class_name != c.class_name:
        found.append(Evidence(kind=EvidenceKind.WIRING, name="class", reference=r.class_name, candidate=c.class_name))
    return tuple(found)


def _kind_of(note: str) -> EvidenceKind:
    return EvidenceKind.MASK if "mask" in note else EvidenceKind.OUTPUT


def _context_evidence(judgement: Judgement) -> tuple[Evidence, ...]:
    r, c = dict(judgement.reference.context), dict(judgement.candidate.context)
    where = judgement.reference.path
    return tuple(
        Evidence(
            kind=EvidenceKind.CONTEXT,
            name=name,
            reference=r.get(name, "absent"),
            candidate=c.get(name, "absent"),
            detail=f"{where} is right, but called otherwise",
        )
        for name in sorted(r.keys() | c.keys())
        if r.get(name) != c.get(name)
    )


def _wiring_evidence(r: Sequence[str] | None, c: Sequence[str] | None) -> Evidence:
    return Evidence(
        kind=EvidenceKind.WIRING,
        name="inputs",
        reference=", ".join(r or ("?",)),
        candidate=", ".join(c or ("?",)),
        detail="the layer is right on identical inputs; its inputs come from elsewhere",
    )


def _class_at(trace: Trace, path: str) -> str:
    return next((j.reference.class_name for j in trace.judgements if j.reference.path == path), "")


# --- layers that only one side has


def _implicated(trace: Trace) -> frozenset[str]:
    """Lone call sites that a paired call site with other inputs, or a differing output, hangs on."""
    lone = {call.path: call for call in (*trace.unmatched_reference, *trace.unmatched_candidate)}
    queue = _suspect_labels(trace)
    seen: set[str] = set()
    while queue:
        path = call_named(queue.pop())
        inside = [name for name in lone if name == path or name.startswith(f"{path}/")]
        for name in set(inside) - seen:
            seen.add(name)
            queue += lone[name].wiring or ()
    # Another call of a layer that both sides have is a way to what is missing, and not itself missing.
    return frozenset(name for name in seen if not trace.alignment.is_in_both(name))


def _suspect_labels(trace: Trace) -> list[str]:
    """Where that comes from which differs: inputs of rewired call sites, and model outputs."""
    found: list[str] = []
    for judgement in trace.judgements:
        if _is_handed_otherwise(judgement, trace):
            found += [*(judgement.reference.wiring or ()), *(judgement.candidate.wiring or ())]
    if any(g.beyond for g in trace.outputs):
        found += [*(trace.reference_end.wiring or ()), *(trace.candidate_end.wiring or ())]
    return found


def _lone_blames(trace: Trace, lone: frozenset[str]) -> Iterable[Blame]:
    """Layers that only one side has, where their effect reaches something that was compared."""
    reached = lone | frozenset(_within_the_guilty(trace))
    for path, class_name, here, there, call in _lone_calls(trace):
        if path in reached:
            evidence = (lone_evidence(path, class_name, here, there),)
            order = _order_of(call, trace)
            yield Blame(
                layer=path,
                class_name=class_name,
                kind=BlameKind.TOPOLOGY,
                judgement=None,
                evidence=evidence,
                order=order,
                reaches=path in lone,
            )


def without_effect(trace: Trace, blamed: Collection[str]) -> dict[str, tuple[str, Evidence]]:
    """Class and evidence of each layer that only one side has and that isn't blamed, by layer path.

    An operation of a graph that only one side has, such as a cast that one release writes out, isn't among them.
    """
    return {
        static_path(path): (class_name, lone_evidence(path, class_name, here, there))
        for path, class_name, here, there, call in _lone_calls(trace)
        if path not in blamed and _is_layer(call, trace)
    }


def _is_layer(call: Call, trace: Trace) -> bool:
    """Whether it is a layer that a model has; else it is an operation of a graph, or a layer that a call has made."""
    return not call.is_operation and static_path(call.path) in trace.alignment.reference | trace.alignment.candidate


def lone_evidence(path: str, class_name: str, here: str, there: str) -> Evidence:
    """That only one side has a layer."""
    values = {here: class_name, there: "absent"}
    return Evidence(
        kind=EvidenceKind.WIRING, name=path, detail=f"only the {here} has it; the {there} doesn't", **values
    )


def _lone_calls(trace: Trace) -> Iterable[tuple[str, str, str, str, Call]]:
    """Path, class, the side that has it and the side that doesn't, of every call of a layer that only one side has."""
    for call in trace.unmatched_reference:
        if not trace.alignment.is_in_both(call.path):
            yield call.path, call.class_name, "reference", "candidate", call
    for call in trace.unmatched_candidate:
        if not trace.alignment.is_in_both(call.path):
            yield call.path, call.class_name, "candidate", "reference", call


def _within_the_guilty(trace: Trace) -> Iterable[str]:
    """Lone calls of code that is at fault itself: what calls them has no wiring that would show their effect."""
    guilty = {judgement.reference.path for judgement in trace.judgements if judgement.introduced}
    differs = any(g.beyond for g in trace.outputs)
    for path, _, _, _, call in _lone_calls(trace):
        if call.wiring is None and (call.box in guilty or differs):
            yield path


def _order_of(call: Call, trace: Trace) -> int:
    """After the paired call sites that feed it."""
    sources = {call_named(path) for path in call.wiring or ()}
    return max((i for i, j in enumerate(trace.judgements) if j.reference.path in sources), default=0)


def _output_blames(trace: Trace, found: dict[str, Blame], lone: frozenset[str]) -> Iterable[Blame]:
    """Model outputs taken from elsewhere, where nothing else explains that they differ."""
    r, c = trace.reference_end.wiring or (), trace.candidate_end.wiring or ()
    if found or lone or r == c or not any(g.beyond for g in trace.outputs):
        return
    here = next((a for a, b in zip(r, c, strict=False) if a != b), r[0] if r else "output")
    evidence = replace(_wiring_evidence(r, c), name="model outputs")
    order = len(trace.judgements)
    yield Blame(
        layer=here,
        class_name=_class_at(trace, here),
        kind=BlameKind.TOPOLOGY,
        judgement=None,
        evidence=(evidence,),
        order=order,
    )
