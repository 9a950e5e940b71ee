"""Why a layer differs, which side is wrong, whether that is known and what helps: the one diagnosis.

A comparison of two models and a check against a golden ask it alike (`tracer.core.diagnosis.suspects`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tracer.core.comparison.localize import BlameKind
from tracer.core.diagnosis import known_issues
from tracer.core.diagnosis.known_issues import KnownIssue
from tracer.core.diagnosis.suspects import Suspect
from tracer.core.environment import is_same
from tracer.core.layer.differences import unreadable_evidence
from tracer.core.layer.patches import instruction
from tracer.core.source import Facts, Function, PatchAction
from tracer.records import Cause, Evidence, EvidenceKind, Fault, Side

# Requantizing a merged int8 kernel moves each weight by at most half a step of 127: outputs by a few per cent.
_REQUANTIZATION = 0.1
_REQUANTIZED = (
    "Nothing is broken: merging or writing quantized weights rounds them anew, a loss that is expected. To avoid it, "
    "save before quantizing, or keep adapters unmerged"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What holds for all suspects of one comparison.

    Attributes:
        same_environment: both sides run the same Keras on the same backend.
        is_recorded: the reference is a golden: what it recorded is the truth, wherever the candidate runs.
        releases: Keras release by side, `reference` and `candidate`.
        backends: what they ran on, by side.
        format: family of the file format between the two sides; None where nothing was saved, or it isn't known.
    """

    same_environment: bool
    is_recorded: bool = False
    releases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    backends: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    format: str | None = None

    @classmethod
    def between(
        cls,
        reference: Mapping[str, str],
        candidate: Mapping[str, str],
        *,
        is_recorded: bool = False,
        format: str | None = None,
    ) -> Circumstances:
        """Those of two sides that ran in these environments; a golden may not say all of its own."""
        ran = {"reference": reference, "candidate": candidate}
        return cls(
            same_environment=is_same(reference, candidate),
            is_recorded=is_recorded,
            releases={side: one.get("keras", "") for side, one in ran.items()},
            backends={side: one.get("backend", "") for side, one in ran.items()},
            format=format,
        )


def explain(suspect: Suspect, circumstances: Circumstances) -> Fault:
    """The fault that a suspect is: cause, side, evidence, the known issue that it is, and what helps."""
    cause = _cause(suspect, circumstances)
    fault = Fault(
        layer=suspect.layer,
        class_name=suspect.class_name,
        side=_side(suspect, cause, circumstances),
        cause=cause,
        evidence=tuple(_evidence(suspect, cause)),
    )
    issue = _known_issue(suspect, fault, circumstances)
    if issue is not None:
        fault = replace(fault, known_issue=issue.thread, fixed_in=issue.fixed_in or None)
    return replace(fault, remedy=_remedy(suspect, cause, issue, circumstances))


# --- the cause


def _is_stale(suspect: Suspect) -> bool:
    """Its state isn't what its weights say; other weights explain that too, unless deriving it was seen to help."""
    helps = suspect.mend is not None and suspect.mend.action == PatchAction.FINALIZE_STATE
    return bool(suspect.differs_in("stale")) and (helps or not suspect.differs_in("weight"))


def _is_another_class(suspect: Suspect) -> bool:
    reference, candidate = suspect.facts
    return reference is not None and candidate is not None and _short(reference) != _short(candidate)


def _is_wired_otherwise(suspect: Suspect) -> bool:
    return not any(suspect.differences.values()) and any(e.kind == EvidenceKind.WIRING for e in suspect.seen)


def _has_another_policy(suspect: Suspect) -> bool:
    """A layer that computes in another dtype because it is configured otherwise differs in its configuration."""
    return bool(suspect.differs_in("policy")) and not _weighty(suspect.differs_in("config"))


def _is_configured_otherwise(suspect: Suspect) -> bool:
    lost = any(e.kind == EvidenceKind.LOST_CONFIG for e in suspect.differs_in("state"))
    return _weighty(suspect.differs_in("config")) or (lost and not suspect.differs_in("policy"))


def _short(facts: Facts) -> str:
    return facts.class_name.rpartition(".")[2]


def _weighty(config: Iterable[Evidence]) -> bool:
    """Initializers, regularizers and the like are configuration too, but no trained layer computes with them."""
    idle = ("_initializer", "_regularizer", "_constraint", "trainable", "seed", "lora_rank")
    return any(not any(part in e.name for part in idle) for e in config)


def _is_quantization(suspect: Suspect) -> bool:
    """Both sides quantized and the integers moved a little, or only one side is quantized at all."""
    reference, candidate = suspect.facts
    if reference is None or candidate is None:
        return False
    here, there = (facts.policy.get("quantization_mode") for facts in (reference, candidate))
    if here != there:
        return True
    merged = any("lora" in e.name for e in suspect.differs_in("weight"))
    return here is not None and merged and 0.0 < suspect.local_error <= _REQUANTIZATION


# The first that holds is the cause: each one would explain those below it.
_CAUSES: tuple[tuple[Callable[[Suspect], bool], Cause], ...] = (
    (lambda suspect: suspect.kind == BlameKind.CONTEXT, Cause.CALL_CONTEXT),
    (lambda suspect: suspect.kind == BlameKind.TOPOLOGY, Cause.TOPOLOGY),
    (_is_quantization, Cause.QUANTIZATION),
    (_is_stale, Cause.UNSAVED_STATE),
    (_is_another_class, Cause.TOPOLOGY),
    (_is_wired_otherwise, Cause.TOPOLOGY),
    (_has_another_policy, Cause.DTYPE_POLICY),
    (_is_configured_otherwise, Cause.CONFIG),
    (lambda suspect: bool(suspect.differs_in("weight")), Cause.WEIGHTS),
    (lambda suspect: bool(suspect.differs_in("state")), Cause.UNSAVED_STATE),
    (lambda suspect: bool(suspect.differs_in("config")), Cause.CONFIG),
)


def _cause(suspect: Suspect, circumstances: Circumstances) -> Cause:
    shown = next((cause for holds, cause in _CAUSES if holds(suspect)), None)
    if shown is Cause.UNSAVED_STATE and not circumstances.same_environment and _holds_other_versions(suspect):
        return Cause.IMPLEMENTATION
    return shown or _cause_of_the_rest(suspect, circumstances.same_environment)


def _holds_other_versions(suspect: Suspect) -> bool:
    """Whether all that its state differs in are functions of one name, of which each release has its own."""
    here, there = (facts.state if facts is not None else {} for facts in suspect.facts)
    pairs = [(here.get(e.name), there.get(e.name)) for e in suspect.differs_in("state")]
    return bool(pairs) and not suspect.differs_in("stale") and all(_is_one_by_name(a, b) for a, b in pairs)


def _is_one_by_name(a: object, b: object) -> bool:
    """Modules may be called otherwise in another release."""
    if not isinstance(a, Function) or not isinstance(b, Function):
        return False
    return a.name.rpartition(".")[2] == b.name.rpartition(".")[2]


def _cause_of_the_rest(suspect: Suspect, same_environment: bool) -> Cause:
    """Other code, where that can be; the same code in one environment computes with something that can't be read."""
    reference, candidate = suspect.facts
    if not same_environment:
        return Cause.IMPLEMENTATION
    if reference is None or candidate is None:
        return Cause.UNKNOWN
    if not reference.code == candidate.code != "" or reference.class_name != candidate.class_name:
        return Cause.IMPLEMENTATION
    return Cause.UNSAVED_STATE if _unreadable(suspect) else Cause.UNKNOWN


def _unreadable(suspect: Suspect) -> list[Evidence]:
    reference, candidate = suspect.facts
    return unreadable_evidence(reference, candidate) if reference is not None and candidate is not None else []


# --- the evidence

# The kinds of evidence that name a cause, in the order in which they are told.
_NAMED_BY: Mapping[Cause, tuple[EvidenceKind, ...]] = MappingProxyType(
    {
        Cause.UNSAVED_STATE: (EvidenceKind.STATE, EvidenceKind.STALE),
        Cause.CONFIG: (EvidenceKind.LOST_CONFIG, EvidenceKind.CONFIG),
        Cause.WEIGHTS: (EvidenceKind.WEIGHT,),
        Cause.DTYPE_POLICY: (EvidenceKind.POLICY,),
        Cause.QUANTIZATION: (EvidenceKind.WEIGHT,),
    }
)


def _evidence(suspect: Suspect, cause: Cause) -> list[Evidence]:
    """All that differs, what names the cause first, then what the run itself shows."""
    differences = [e for items in suspect.differences.values() for e in items]
    first = _NAMED_BY.get(cause, ())
    if cause is Cause.UNSAVED_STATE and not any(e.kind in first for e in differences):
        differences += _unreadable(suspect)
    differences.sort(key=lambda e: first.index(e.kind) if e.kind in first else len(first))
    return [*differences, *suspect.seen]


# --- the side


def _side(suspect: Suspect, cause: Cause, circumstances: Circumstances) -> Side:
    """A side is wrong when it is stale and the other isn't; else the reference is the measure, where there is one.

    Two releases that compute otherwise from the same layer disagree, and neither is the measure of the other.
    """
    if circumstances.is_recorded:
        return Side.CANDIDATE
    if cause is Cause.UNSAVED_STATE and suspect.stale.count(True) == 1:
        return Side.REFERENCE if suspect.stale[0] else Side.CANDIDATE
    if suspect.fails:
        return Side.CANDIDATE  # whatever two releases disagree about, a layer that can't run is wrong by itself
    if cause in (Cause.QUANTIZATION, Cause.IMPLEMENTATION, Cause.UNKNOWN) or not circumstances.same_environment:
        return Side.UNKNOWN
    return Side.CANDIDATE


# --- what is known, and what helps


def _known_issue(suspect: Suspect, fault: Fault, circumstances: Circumstances) -> KnownIssue | None:
    facts = next((one for one in suspect.facts if one is not None), None)
    return known_issues.match(
        fault,
        releases=circumstances.releases,
        backends=circumstances.backends,
        format=circumstances.format,
        nested="/" in suspect.layer,
        settings={} if facts is None else known_issues.settings_of(facts, suspect.call),
    )


def _remedy(suspect: Suspect, cause: Cause, issue: KnownIssue | None, circumstances: Circumstances) -> str | None:
    """What helps: first what was seen to, then what is known to."""
    parts = []
    if suspect.mend is not None:
        truth = "what was recorded" if circumstances.is_recorded else "what the reference returns"
        seen = f"verified here: with it the layer returns {truth}"
        parts.append(f"{instruction(suspect.mend, suspect.layer)} ({seen})")
    if issue is not None:
        parts.append(issue.remedy_beside(suspect.mend))
    elif cause is Cause.QUANTIZATION:
        parts.append(_REQUANTIZED)
    return ". ".join(part.rstrip(".") for part in parts) + "." if parts else None
