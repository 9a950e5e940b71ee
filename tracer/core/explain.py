"""Why a blamed layer differs, and which side is wrong: from what can be read off the two layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracer.core.facts import (
    Siblings,
    config_differences,
    policy_differences,
    state_differences,
    weight_differences,
)
from tracer.core.localize import Blame
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
        blame: from `tracer.core.localize.blames`.
        same_environment: both sides run the same Keras on the same backend.
        siblings: the reference's other layers of the same class; called only when weights differ, to find weights that
            went to the wrong layer.
    """
    evidence = list(blame.evidence)
    reference, candidate = blame.judgement.facts if blame.judgement else (None, None)
    if blame.kind != "layer" or reference is None or candidate is None:
        cause = {"context": Cause.CALL_CONTEXT, "topology": Cause.TOPOLOGY}.get(blame.kind, Cause.UNKNOWN)
        side = Side.CANDIDATE if same_environment and cause is not Cause.UNKNOWN else Side.UNKNOWN
        return _fault(blame, cause, side, evidence)
    found = _differences(reference, candidate, siblings)
    if not same_environment:
        found = {kind: [e for e in items if _in_both(e)] for kind, items in found.items()}
    stale = _stale_evidence(blame)
    cause = _cause(blame, reference, candidate, found, bool(stale))
    evidence = [*_ordered(cause, found), *stale, *evidence]
    return _fault(blame, cause, _side(blame, cause, same_environment), evidence)


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
            kind="stale", name="finalize_state()", reference=words[here], candidate=words[there],
            detail="deriving the layer's state anew from its own weights changes what the stale side computes",
        )
    ]  # fmt: skip


def _cause(blame: Blame, r: Facts, c: Facts, found: Mapping[str, list[Evidence]], stale: bool) -> Cause:
    """The first of these that was found: each one would explain the ones below it."""
    if _is_quantization(blame, r, c, found):
        return Cause.QUANTIZATION
    if stale and not found["weight"]:
        return Cause.UNSAVED_STATE
    if r.class_name != c.class_name and _short(r) != _short(c):
        return Cause.TOPOLOGY
    if any(e.kind == "wiring" for e in blame.evidence) and not any(found.values()):
        return Cause.TOPOLOGY
    lost = [e for e in found["state"] if e.kind == "lost-config"]
    if found["policy"]:
        return Cause.CONFIG if _weighty(found["config"]) else Cause.DTYPE_POLICY
    if _weighty(found["config"]) or lost:
        return Cause.CONFIG
    if found["weight"]:
        return Cause.WEIGHTS
    if found["state"]:
        return Cause.UNSAVED_STATE
    if found["config"]:
        return Cause.CONFIG
    return Cause.IMPLEMENTATION


def _short(facts: Facts) -> str:
    return facts.class_name.rpartition(".")[2]


def _weighty(config: list[Evidence]) -> bool:
    """Initializers, regularizers and the like are configuration too, but no trained layer computes with them."""
    idle = ("_initializer", "_regularizer", "_constraint", "trainable", "seed", "lora_rank")
    return any(not any(part in e.name for part in idle) for e in config)


def _is_quantization(blame: Blame, r: Facts, c: Facts, found: Mapping[str, list[Evidence]]) -> bool:
    """Both sides quantized and the integers moved a little, or only one side is quantized at all."""
    modes = r.policy.get("quantization_mode"), c.policy.get("quantization_mode")
    if modes[0] != modes[1]:
        return True
    if modes[0] is None or blame.judgement is None:
        return False
    local = max((layer.local_error or 0.0 for layer in blame.judgement.layers), default=0.0)
    merged = any("lora" in e.name for e in found["weight"])
    return merged and 0.0 < local <= _REQUANTIZATION


def _ordered(cause: Cause, found: Mapping[str, list[Evidence]]) -> list[Evidence]:
    """All that differs, what names the cause first."""
    first = {
        Cause.UNSAVED_STATE: "state", Cause.CONFIG: "config", Cause.WEIGHTS: "weight", Cause.DTYPE_POLICY: "policy",
        Cause.QUANTIZATION: "weight",
    }.get(cause, "")  # fmt: skip
    lost = [e for e in found["state"] if e.kind == "lost-config"]
    named = lost if cause is Cause.CONFIG and lost else []
    rest = [e for kind, items in found.items() if kind != first for e in items if e not in named]
    return [*named, *found.get(first, []), *rest]


def _side(blame: Blame, cause: Cause, same_environment: bool) -> Side:
    """A side is wrong when it is stale and the other isn't; else the reference is the measure, where there is one.

    Two releases that compute otherwise from the same layer disagree, and neither is the measure of the other.
    """
    stale = blame.judgement.stale if blame.judgement else (None, None)
    if cause is Cause.UNSAVED_STATE and stale.count(True) == 1:
        return Side.REFERENCE if stale[0] else Side.CANDIDATE
    if cause in (Cause.QUANTIZATION, Cause.IMPLEMENTATION, Cause.UNKNOWN) or not same_environment:
        return Side.UNKNOWN
    return Side.CANDIDATE
