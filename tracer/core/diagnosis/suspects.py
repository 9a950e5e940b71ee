"""What every diagnosis starts from: a layer to blame, with all that was seen of it, wherever it was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from tracer.core.comparison.alignment import static_path
from tracer.core.comparison.localize import Blame, BlameKind
from tracer.core.golden.evidence import identity_evidence, output_evidence
from tracer.core.golden.fingerprint import Fingerprint, Identity
from tracer.core.golden.match import Match
from tracer.core.layer.differences import (
    Siblings,
    config_differences,
    is_autocasting,
    nobody,
    policy_differences,
    state_differences,
    weight_differences,
)
from tracer.core.source import Call, Facts, Patch
from tracer.records import Evidence, EvidenceKind

Kind: TypeAlias = Literal["config", "weight", "policy", "state", "stale"]
_NO_DIFFERENCES: Mapping[Kind, Sequence[Evidence]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A layer that is to blame, before it is said why.

    Attributes:
        layer: layer path.
        class_name: class of the layer.
        kind: what it is blamed for; see `Blame`.
        facts: of the layer, reference's and candidate's; None on a side where nothing can be said of it.
        differences: what differs between the two, or is stale on one side, by kind.
        stale: by side, whether deriving the layer's state anew changes what it computes; None where it has none.
        seen: what the run itself shows.
        call: the reference's call; None where it wasn't seen.
        local_error: the largest error on equal inputs; 0 where it wasn't measured.
        fails: the candidate's layer raises, on inputs with which the reference's returns.
        mend: the change to the candidate's layer that was seen to put it right, or None.
    """

    layer: str
    class_name: str
    kind: BlameKind = BlameKind.LAYER
    facts: tuple[Facts | None, Facts | None] = (None, None)
    differences: Mapping[Kind, Sequence[Evidence]] = field(default_factory=lambda: _NO_DIFFERENCES)
    stale: tuple[bool | None, bool | None] = (None, None)
    seen: tuple[Evidence, ...] = ()
    call: Call | None = None
    local_error: float = 0.0
    fails: bool = False
    mend: Patch | None = None

    def differs_in(self, kind: Kind) -> Sequence[Evidence]:
        """What differs of this kind."""
        return self.differences.get(kind, ())


# --- from a lock-step comparison


def from_blame(blame: Blame, *, same_environment: bool, siblings: Siblings = nobody) -> Suspect:
    """What a comparison of two models has seen of a layer.

    Args:
        blame: from `tracer.core.comparison.localize.blames`.
        same_environment: both sides run the same Keras on the same backend.
        siblings: weights of the reference's other layers of the same class; called only when weights differ, to find
            those that went to the wrong layer.
    """
    judgement = blame.judgement
    if judgement is None:
        return Suspect(layer=blame.layer, class_name=blame.class_name, kind=blame.kind, seen=blame.evidence)
    return Suspect(
        layer=blame.layer,
        class_name=blame.class_name,
        kind=blame.kind,
        facts=judgement.facts,
        differences=_differences(blame, same_environment, siblings),
        stale=judgement.stale,
        seen=blame.evidence,
        call=judgement.reference,
        local_error=max((layer.local_error or 0.0 for layer in judgement.layers), default=0.0),
        fails=bool(judgement.candidate.error) and judgement.same_inputs,
        mend=judgement.mend,
    )


def _differences(blame: Blame, same_environment: bool, siblings: Siblings) -> Mapping[Kind, Sequence[Evidence]]:
    """What differs between the two layers; nothing where the layers are right and only called or wired otherwise."""
    judgement = blame.judgement
    reference, candidate = judgement.facts if judgement is not None else (None, None)
    if blame.kind != BlameKind.LAYER or judgement is None or reference is None or candidate is None:
        return _NO_DIFFERENCES
    config = config_differences(reference, candidate)
    found: dict[Kind, list[Evidence]] = {
        "config": config,
        "weight": weight_differences(reference, candidate, siblings),
        "policy": policy_differences(reference, candidate),
        "state": state_differences(reference, candidate, {e.name for e in config}),
    }
    if not same_environment:
        found = {kind: list(filter(_in_both, items)) for kind, items in found.items()}
        found["policy"] = [e for e in found["policy"] if not is_autocasting(e.name) or _sets_autocast(judgement.mend)]
    return {**found, "stale": _stale_evidence(judgement.stale)}


def _sets_autocast(mend: Patch | None) -> bool:
    """Whether other autocasting was seen to help; between releases a class may simply do without it."""
    return mend is not None and any(map(is_autocasting, mend.attributes))


def _in_both(evidence: Evidence) -> bool:
    """Releases add attributes and configuration keys; that one side lacks them says nothing."""
    return "absent" not in (evidence.reference, evidence.candidate) and not evidence.name.startswith("_")


def _stale_evidence(stale: tuple[bool | None, bool | None]) -> list[Evidence]:
    if True not in stale:
        return []
    words = {True: "changed", False: "unchanged", None: "has none"}
    here, there = stale
    detail = "computed anew from the layer's own weights; a state that this changes was out of date"
    return [
        Evidence(
            kind=EvidenceKind.STALE,
            name="finalize_state()",
            reference=words[here],
            candidate=words[there],
            detail=detail,
        )
    ]


# --- from a check against a golden


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a model at a call site where it leaves its golden.

    Attributes:
        output: fingerprint of the output, in detail; None where there was none.
        facts: what can be said of the layer without running it; None where that is nothing.
        mend: the change to the layer that was seen to give what was recorded, or None.
    """

    output: Fingerprint | None = None
    facts: Facts | None = None
    mend: Patch | None = None


def from_golden(one: Match, layer: str, seen: Seen, recorded: Identity | None, now: Identity | None) -> Suspect:
    """What a check has seen of a layer.

    Args:
        one: the call site, held against the golden.
        layer: layer path of the call that it is an output of.
        seen: what a second run has shown there.
        recorded: what the golden holds of the layer's weights and settings, as digests.
        now: the same of the model.
    """
    identity = identity_evidence(static_path(layer), recorded, now)
    is_stale = seen.mend is not None and seen.mend.finalize
    detail = "computed anew from the layer's own weights, it gives what was recorded"
    stale = Evidence(kind=EvidenceKind.STALE, name="finalize_state()", candidate="changed", detail=detail)
    return Suspect(
        layer=layer,
        class_name=one.golden.class_name,
        facts=(None, seen.facts),
        differences={
            "config": [e for e in identity if e.kind == EvidenceKind.CONFIG],
            "weight": [e for e in identity if e.kind == EvidenceKind.WEIGHT],
            "stale": [stale] if is_stale else [],
        },
        stale=(None, True if is_stale else None),
        seen=tuple(_seen_of_output(one, seen.output)),
        mend=seen.mend,
    )


def _seen_of_output(one: Match, found: Fingerprint | None) -> Sequence[Evidence]:
    told = [] if found is None else [*output_evidence(one.golden.path, one.golden.truth, found)]
    note = [Evidence(kind=EvidenceKind.OUTPUT, name=one.golden.path, detail=one.note)] if one.note else []
    return [*told, *note]
