"""Why a blamed layer differs, and which side is wrong: from what can be read off the two layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tracer.core.comparison.localize import Blame
from tracer.core.layer.differences import (
    Siblings,
    config_differences,
    policy_differences,
    state_differences,
    unreadable_evidence,
    weight_differences,
)
from tracer.core.source import Facts
from tracer.records import Cause, Evidence, Fault, Side

# Requantizing a merged int8 kernel moves each weight by at most half a step of 127: outputs by a few per cent.
_REQUANTIZATION = 0.1


def explain(
    blame: Blame,
    *,
    same_environment: bool,
    siblings: Siblings = tuple,
) -> Fault:
    """The fault that a blame is, with cause, side and evidence.

    Args:
        blame: from `tracer.core.comparison.localize.blames`.
        same_environment: both sides run the same Keras on the same backend.
        siblings: the reference's other layers of the same class; called only when weights differ, to find weights that
            went to the wrong layer.
    """
    reference, candidate = blame.judgement.facts if blame.judgement else (None, None)
    if blame.kind != "layer" or reference is None or candidate is None:
        return _explain_call(blame, same_environment)
    found = _differences(reference, candidate, siblings)
    if not same_environment:
        found = {kind: list(filter(_in_both, items)) for kind, items in found.items()}
    stale = _stale_evidence(blame)
    findings = _Findings(blame=blame, reference=reference, candidate=candidate, differences=found, stale=bool(stale))
    cause = _cause(findings) or _cause_of_the_rest(reference, candidate, same_environment)
    if cause is Cause.UNSAVED_STATE and not found["state"] and not stale:
        found["state"] = unreadable_evidence(reference, candidate)
    evidence = [*_ordered(cause, found), *stale, *blame.evidence]
    return _fault(blame, cause, _side(blame, cause, same_environment), evidence)


def _explain_call(blame: Blame, same_environment: bool) -> Fault:
    """Of a call site whose two layers say nothing: the way it is called or wired differs, or only one side has it."""
    cause = {"context": Cause.CALL_CONTEXT, "topology": Cause.TOPOLOGY}.get(blame.kind, Cause.UNKNOWN)
    side = Side.CANDIDATE if same_environment and cause is not Cause.UNKNOWN else Side.UNKNOWN
    return _fault(blame, cause, side, blame.evidence)


def _fault(blame: Blame, cause: Cause, side: Side, evidence: Iterable[Evidence]) -> Fault:
    return Fault(layer=blame.layer, class_name=blame.class_name, side=side, cause=cause, evidence=tuple(evidence))


def _differences(reference: Facts, candidate: Facts, siblings: Siblings) -> dict[str, list[Evidence]]:
    config = config_differences(reference, candidate)
    return {
        "config": config,
        "weight": weight_differences(reference, candidate, siblings),
        "policy": policy_differences(reference, candidate),
        "state": state_differences(reference, candidate, {e.name for e in config}),
    }


def _in_both(evidence: Evidence) -> bool:
    """Releases add attributes and configuration keys; that one side lacks them says nothing."""
    return "absent" not in (evidence.reference, evidence.candidate) and not evidence.name.startswith("_")


def _stale_evidence(blame: Blame) -> list[Evidence]:
    if blame.judgement is None or True not in blame.judgement.stale:
        return []
    words = {True: "stale", False: "as its weights say", None: "nothing to derive"}
    here, there = blame.judgement.stale
    return [
        Evidence(
            kind="stale",
            name="finalize_state()",
            reference=words[here],
            candidate=words[there],
            detail="deriving the layer's state anew from its own weights changes what the stale side computes",
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """All that is known of a blamed layer, as `_CAUSES` asks for it.

    Attributes:
        blame: from the trace.
        reference: facts of the reference's layer.
        candidate: facts of the candidate's layer.
        differences: what differs between the two, by kind.
        stale: deriving the layer's state anew changes what one side computes.
    """

    blame: Blame
    reference: Facts
    candidate: Facts
    differences: Mapping[str, list[Evidence]]
    stale: bool


def _is_stale(found: _Findings) -> bool:
    return found.stale and not found.differences["weight"]


def _is_another_class(found: _Findings) -> bool:
    return found.reference.class_name != found.candidate.class_name and _short(found.reference) != _short(
        found.candidate
    )


def _is_wired_otherwise(found: _Findings) -> bool:
    return not any(found.differences.values()) and any(e.kind == "wiring" for e in found.blame.evidence)


def _has_another_policy(found: _Findings) -> bool:
    """A layer that computes in another dtype because it is configured otherwise differs in its configuration."""
    return bool(found.differences["policy"]) and not _weighty(found.differences["config"])


def _is_configured_otherwise(found: _Findings) -> bool:
    lost = any(e.kind == "lost-config" for e in found.differences["state"])
    return _weighty(found.differences["config"]) or (lost and not found.differences["policy"])


def _short(facts: Facts) -> str:
    return facts.class_name.rpartition(".")[2]


def _weighty(config: list[Evidence]) -> bool:
    """Initializers, regularizers and the like are configuration too, but no trained layer computes with them."""
    idle = ("_initializer", "_regularizer", "_constraint", "trainable", "seed", "lora_rank")
    return any(not any(part in e.name for part in idle) for e in config)


def _is_quantization(found: _Findings) -> bool:
    """Both sides quantized and the integers moved a little, or only one side is quantized at all."""
    here, there = (facts.policy.get("quantization_mode") for facts in (found.reference, found.candidate))
    if here != there:
        return True
    if here is None or found.blame.judgement is None:
        return False
    local = max((layer.local_error or 0.0 for layer in found.blame.judgement.layers), default=0.0)
    merged = any("lora" in e.name for e in found.differences["weight"])
    return merged and 0.0 < local <= _REQUANTIZATION


# The first that holds is the cause: each one would explain those below it.
_CAUSES: tuple[tuple[Callable[[_Findings], bool], Cause], ...] = (
    (_is_quantization, Cause.QUANTIZATION),
    (_is_stale, Cause.UNSAVED_STATE),
    (_is_another_class, Cause.TOPOLOGY),
    (_is_wired_otherwise, Cause.TOPOLOGY),
    (_has_another_policy, Cause.DTYPE_POLICY),
    (_is_configured_otherwise, Cause.CONFIG),
    (lambda found: bool(found.differences["weight"]), Cause.WEIGHTS),
    (lambda found: bool(found.differences["state"]), Cause.UNSAVED_STATE),
    (lambda found: bool(found.differences["config"]), Cause.CONFIG),
)


def _cause(found: _Findings) -> Cause | None:
    """What the differences say; None where nothing that can be read differs."""
    return next((cause for holds, cause in _CAUSES if holds(found)), None)


def _cause_of_the_rest(reference: Facts, candidate: Facts, same_environment: bool) -> Cause:
    """Other code, where that can be; the same code in one environment computes with something that can't be read."""
    same_code = reference.code == candidate.code != "" and reference.class_name == candidate.class_name
    if not same_environment or not same_code:
        return Cause.IMPLEMENTATION
    return Cause.UNSAVED_STATE if reference.unreadable or candidate.unreadable else Cause.UNKNOWN


def _ordered(cause: Cause, found: Mapping[str, list[Evidence]]) -> list[Evidence]:
    """All that differs, what names the cause first."""
    first = {
        Cause.UNSAVED_STATE: "state",
        Cause.CONFIG: "config",
        Cause.WEIGHTS: "weight",
        Cause.DTYPE_POLICY: "policy",
        Cause.QUANTIZATION: "weight",
    }.get(cause, "")
    named = [e for e in found["state"] if e.kind == "lost-config"] if cause is Cause.CONFIG else []
    rest = [e for kind, items in found.items() if kind != first for e in items if e not in named]
    return [*named, *found.get(first, []), *rest]


def _side(blame: Blame, cause: Cause, same_environment: bool) -> Side:
    """A side is wrong when it is stale and the other isn't; else the reference is the measure, where there is one.

    Two releases that compute otherwise from the same layer disagree, and neither is the measure of the other.
    """
    stale = blame.judgement.stale if blame.judgement else (None, None)
    if cause is Cause.UNSAVED_STATE and stale.count(True) == 1:
        return Side.REFERENCE if stale[0] else Side.CANDIDATE
    if blame.judgement is not None and blame.judgement.candidate.error and blame.judgement.same_inputs:
        return Side.CANDIDATE  # whatever two releases disagree about, a layer that can't run is wrong by itself
    if cause in (Cause.QUANTIZATION, Cause.IMPLEMENTATION, Cause.UNKNOWN) or not same_environment:
        return Side.UNKNOWN
    return Side.CANDIDATE
