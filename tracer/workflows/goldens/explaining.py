"""Why a model isn't what its golden recorded: run once more, stopped where an error enters, and asked there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tracer.core import environment
from tracer.core.comparison.alignment import static_path
from tracer.core.diagnosis import known_issues
from tracer.core.drive import running
from tracer.core.golden import evidence
from tracer.core.golden.fingerprint import Site, fingerprint
from tracer.core.golden.golden import Golden, GoldenSite
from tracer.core.golden.match import Held, hold
from tracer.core.host import Host, Identities
from tracer.core.layer.patches import instruction
from tracer.core.source import Arrays, Call, Facts, Mend, Run, Source, Value
from tracer.records import Evidence, Fault, Side

_EXPLAINED = 8  # faults that are looked at in a second run; behind more than these one usually is the cause
_FINALIZE = Mend(action="finalize_state", finalize=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen at a call site where an error enters.

    Attributes:
        evidence: what the statistics of its output say.
        facts: what can be said of the layer without running it; None where that is nothing.
        finalizing_helps: deriving the layer's state anew gives what was recorded.
    """

    evidence: tuple[Evidence, ...] = ()
    facts: Facts | None = None
    finalizing_helps: bool = False


def differs_from_itself(
    source: Host, inputs: Arrays, golden: Golden, sites: Sequence[Site], factor: float
) -> frozenset[str]:
    """Layer paths where the model differs from itself, beyond tolerance, when run twice."""
    again = {site.path: site.fingerprint for site in source.fingerprints(inputs)}
    found = set()
    recorded = {site.path: site for site in golden.sites}
    for site in sites:
        other, mine = again.get(site.path), site.fingerprint
        if mine is None or other is None or site.path not in recorded:
            continue
        gap = abs(mine.sketch - other.sketch).max(initial=0.0)
        if gap > golden.tolerance(recorded[site.path], mine.dtype, factor) * float((mine.sketch**2).sum()) ** 0.5:
            found.add(site.path)
    return frozenset(found)


def explain(
    source: Host, inputs: Arrays, golden: Golden, culprits: Sequence[Held], *, masked: bool
) -> tuple[Fault, ...]:
    """The call sites where an error enters, explained: run once more, and stopped at each."""
    seen = _look_at(source, inputs, golden, culprits[:_EXPLAINED])
    identities, ran = source.identities(), source.environment
    return tuple(
        replace(_fault(one, seen.get(_layer_of(one), Seen()), golden, identities, ran), masked=masked)
        for one in culprits
    )


def _look_at(source: Source, inputs: Arrays, golden: Golden, culprits: Sequence[Held]) -> dict[str, Seen]:
    """What is seen at each of these call sites, by layer path."""
    wanted = {_layer_of(one): one for one in culprits}
    seen: dict[str, Seen] = {}
    with running(source, Run(inputs=inputs, seeds=source.seeds())) as calls:
        for call in calls:
            if call.path in wanted:
                seen[call.path] = _seen_at(source, call, wanted[call.path], golden)
            if len(seen) == len(wanted):
                break
    return seen


def _layer_of(one: Held) -> str:
    return one.golden.path.partition(":")[0]


def _seen_at(source: Source, call: Call, one: Held, golden: Golden) -> Seen:
    index, facts = _output_index(one.golden), source.facts(call.path)
    if call.error or index >= len(call.outputs):
        return Seen(facts=facts)
    found = fingerprint(call.outputs[index], digest_limit=0)
    told = evidence.output_evidence(one.golden.path, one.golden.truth, found)
    if facts is None or not facts.derives:
        return Seen(evidence=told, facts=facts)
    mended = source.attempt(_FINALIZE, call.inputs, call.context)
    helps = not mended.error and _is_right(mended.outputs[index], one, golden)
    return Seen(evidence=told, facts=facts, finalizing_helps=helps)


def _output_index(site: GoldenSite) -> int:
    tail = site.path.rpartition(":")[2]
    return int(tail) if tail.isdigit() and ":" in site.path else 0


def _is_right(value: Value, one: Held, golden: Golden) -> bool:
    site = Site(
        path=one.golden.path,
        class_name="",
        box="",
        is_box=False,
        wiring=None,
        fingerprint=fingerprint(value, detail=False),
    )
    alone = replace(golden, sites=(one.golden,))
    return not hold(alone, [site])[0].beyond


def _fault(
    one: Held,
    seen: Seen,
    golden: Golden,
    identities: Identities,
    ran: Mapping[str, str],
) -> Fault:
    layer = _layer_of(one)
    static = static_path(layer)
    found = [*evidence.identity_evidence(static, golden.identities.get(static), identities.get(static)), *seen.evidence]
    if seen.finalizing_helps:
        detail = "deriving the layer's state anew from its own weights gives what was recorded"
        found.insert(0, Evidence(kind="stale", name="finalize_state()", candidate="stale", detail=detail))
    if one.note:
        found.append(Evidence(kind="output", name=one.golden.path, detail=one.note))
    kinds = {evidence.kind: True for evidence in found}
    recorded = golden.provenance.get("environment", {})
    cause = evidence.cause_of(kinds, same_environment=environment.is_same(recorded, ran))
    fault = Fault(
        layer=layer, class_name=one.golden.class_name, side=Side.CANDIDATE, cause=cause, evidence=tuple(found)
    )
    return _known(fault, seen, ran.get("keras", ""), recorded.get("keras", ""))


def _known(fault: Fault, seen: Seen, release: str, recorded: str) -> Fault:
    """With the known Keras defect that it is, if it is one, and what helps."""
    issue = known_issues.match(
        fault,
        releases={"reference": recorded, "candidate": release},
        format=None,
        nested="/" in fault.layer,
        settings=known_issues.settings_of(seen.facts, None) if seen.facts is not None else {},
    )
    parts = []
    if seen.finalizing_helps:
        verified = "verified here: with it the layer returns what was recorded"
        parts.append(f"{instruction(_FINALIZE, fault.layer)} ({verified})")
    if issue is not None:
        parts.append(issue.remedy)
        fault = replace(fault, known_issue=issue.thread, fixed_in=issue.fixed_in or None)
    return replace(fault, remedy=". ".join(part.rstrip(".") for part in parts) + "." if parts else None)
