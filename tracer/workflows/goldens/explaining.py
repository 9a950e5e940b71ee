"""Why a model isn't what its golden recorded: run once more, stopped where an error enters, and asked there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tracer.core.comparison.alignment import static_path
from tracer.core.diagnosis import suspects
from tracer.core.diagnosis.explain import Circumstances, explain
from tracer.core.diagnosis.suspects import Seen
from tracer.core.drive import running
from tracer.core.golden.evidence import in_the_same_words
from tracer.core.golden.fingerprint import Site, fingerprint
from tracer.core.golden.golden import Golden
from tracer.core.golden.match import Match, hold
from tracer.core.host import Host
from tracer.core.source import Arrays, Call, Patch, PatchAction, Run, Source, Value
from tracer.records import Fault

_EXPLAINED = 8  # faults that are looked at in a second run; behind more than these one usually is the cause
_FINALIZE = Patch(action=PatchAction.FINALIZE_STATE, finalize=True)


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


def explain_culprits(
    source: Host, inputs: Arrays, golden: Golden, culprits: Sequence[Match], *, masked: bool
) -> tuple[Fault, ...]:
    """The call sites where an error enters, explained: run once more, and stopped at each."""
    seen = _look_at(source, inputs, golden, culprits[:_EXPLAINED])
    recorded = golden.provenance.get("environment", {})
    identities = in_the_same_words(source.identities(), recorded, source.environment)
    circumstances = Circumstances.between(recorded, source.environment, is_recorded=True)
    found = []
    for one in culprits:
        layer, _ = golden.call_of(one.golden)
        path = layer if layer in golden.identities else static_path(layer)
        recorded_as, is_now = golden.identities.get(path), identities.get(path)
        suspect = suspects.from_golden(one, layer, seen.get(layer, Seen()), recorded_as, is_now)
        found.append(replace(explain(suspect, circumstances), masked=masked))
    return tuple(found)


def _look_at(source: Source, inputs: Arrays, golden: Golden, culprits: Sequence[Match]) -> dict[str, Seen]:
    """What is seen at each of these call sites, by layer path."""
    wanted = {golden.call_of(one.golden)[0]: one for one in culprits}
    seen: dict[str, Seen] = {}
    with running(source, Run(inputs=inputs, seeds=source.seeds())) as calls:
        for call in calls:
            if call.path in wanted:
                seen[call.path] = _seen_at(source, call, wanted[call.path], golden)
            if len(seen) == len(wanted):
                break
    return seen


def _seen_at(source: Source, call: Call, one: Match, golden: Golden) -> Seen:
    index, facts = golden.call_of(one.golden)[1], source.facts(call.path)
    if call.error or index >= len(call.outputs):
        return Seen(facts=facts)
    output = fingerprint(call.outputs[index], digest_limit=0)
    if facts is None or not facts.derives:
        return Seen(output=output, facts=facts)
    tried = source.attempt(_FINALIZE, call.inputs, call.context)
    helps = not tried.error and _is_right(tried.outputs[index], one, golden)
    return Seen(output=output, facts=facts, mend=_FINALIZE if helps else None)


def _is_right(value: Value, one: Match, golden: Golden) -> bool:
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
