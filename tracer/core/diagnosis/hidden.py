"""Paired layers that aren't the same though a run doesn't show it, as faults.  Nothing here runs a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tracer.core.golden.evidence import identity_evidence
from tracer.core.golden.fingerprint import Identity
from tracer.core.layer.holdings import Holding
from tracer.core.layer.settings import is_origin
from tracer.records import Cause, Evidence, EvidenceKind, Fault, Side

# What only training computes with.
_TRAINING: Final = ("regularizer", "constraint", "trainable")


def faults(
    weights: Mapping[str, Sequence[Evidence]],
    settings: Mapping[str, Sequence[Evidence]],
    holdings: Mapping[str, Holding],
    *,
    same_environment: bool,
) -> dict[str, Fault]:
    """A fault for each layer of which something differs, by layer path.

    Args:
        weights: what differs of its variables.
        settings: what differs of its configuration, state and policy.
        holdings: of the reference.
        same_environment: both sides run the same Keras on the same backend.
    """
    side = Side.CANDIDATE if same_environment else Side.UNKNOWN
    found = {}
    for path in (path for path in holdings if path in weights or path in settings):
        evidence = [*weights.get(path, ()), *settings.get(path, ())]
        one = holdings[path]
        found[path] = _fault(path or one.name, one.class_name, side, evidence, derives=one.derives)
    return found


def recorded(
    then: Mapping[str, Identity], now: Mapping[str, Identity], classes: Mapping[str, str], deriving: Iterable[str]
) -> dict[str, Fault]:
    """The same for a golden, as far as it has digests.

    Args:
        then: what the golden has, by layer path.
        now: the same of the model that is held against it.
        classes: of the layers of the golden; they are told of in this order.
        deriving: layer paths of layers that derive state from their weights.
    """
    found, derived = {}, frozenset(deriving)
    for path in classes:
        told = identity_evidence(path, then.get(path), now.get(path))
        evidence = [e for e in told if then[path].weights or e.kind != EvidenceKind.WEIGHT]
        evidence = [e for e in evidence if e.kind != EvidenceKind.CONFIG or not is_origin(e.name)]
        if evidence:
            found[path] = _fault(path, classes[path], Side.CANDIDATE, evidence, derives=path in derived)
    return found


def lone(found: Mapping[str, tuple[str, Evidence]], *, same_environment: bool) -> tuple[Fault, ...]:
    """A fault for each layer that only one side has, where nothing of it reaches what was compared.

    Args:
        found: class and evidence by layer path; see `tracer.core.comparison.localize.without_effect`.
        same_environment: both sides run the same Keras on the same backend.
    """
    side = Side.CANDIDATE if same_environment else Side.UNKNOWN
    return tuple(
        Fault(layer=path, class_name=name, side=side, cause=Cause.TOPOLOGY, evidence=(evidence,))
        for path, (name, evidence) in found.items()
    )


def _fault(path: str, class_name: str, side: Side, evidence: Sequence[Evidence], *, derives: bool) -> Fault:
    """A layer that derives its state from its variables has them as state, and not as weights."""
    told = [replace(e, kind=EvidenceKind.STATE) if derives and e.kind == EvidenceKind.WEIGHT else e for e in evidence]
    return Fault(layer=path, class_name=class_name, side=side, cause=_cause(told), evidence=tuple(told))


def _cause(evidence: Sequence[Evidence]) -> Cause:
    kinds = {e.kind for e in evidence}
    if EvidenceKind.WEIGHT in kinds:
        return Cause.WEIGHTS
    if EvidenceKind.POLICY in kinds:
        names = {e.name for e in evidence}
        return Cause.QUANTIZATION if "quantization_mode" in names else Cause.DTYPE_POLICY
    if kinds == {EvidenceKind.CONFIG} and all(map(_is_for_training, evidence)):
        return Cause.TRAINING_CONFIG
    return Cause.CONFIG if kinds & {EvidenceKind.CONFIG, EvidenceKind.LOST_CONFIG} else Cause.UNSAVED_STATE


def _is_for_training(evidence: Evidence) -> bool:
    return any(word in evidence.name for word in _TRAINING)


def unblamed(found: Mapping[str, Fault], blamed: Iterable[str], called: Sequence[str]) -> tuple[Fault, ...]:
    """Those that nobody has been told of yet: in execution order, layers that are never called after the others.

    Args:
        found: by layer path, in the order of the model's outline.
        blamed: layer paths, without calls, of the faults of the run.
        called: layer paths, without calls, of the call sites, in execution order.
    """
    order = {path: number for number, path in reversed(list(enumerate(called)))}
    covered = {_called(path, order) for path in blamed} | set(blamed)
    kept = [path for path in found if not _is_covered(path, covered, order) and not _is_echo(path, found)]
    return tuple(found[path] for path in sorted(kept, key=lambda path: order.get(path, len(order))))


def _called(path: str, order: Mapping[str, int]) -> str:
    """The innermost layer around a blamed one, or itself, that is called: its own name may be another one here."""
    while path not in order and "/" in path:
        path = path.rpartition("/")[0]
    return path


def _is_covered(path: str, covered: set[str], order: Mapping[str, int]) -> bool:
    """It is blamed, or it is inside a layer that is blamed and was compared as a whole."""
    if path in covered:
        return True
    parts = path.split("/")
    above = ("/".join(parts[:n]) for n in range(1, len(parts)))
    return path not in order and any(layer in covered for layer in above)


def _is_echo(path: str, found: Mapping[str, Fault]) -> bool:
    """All that is told of it is told of a layer around it: the cell of an LSTM has the settings of the LSTM."""
    told = {(e.kind, e.name, e.reference, e.candidate) for e in found[path].evidence}
    parts = path.split("/")
    above = (found.get("/".join(parts[:n])) for n in range(1, len(parts)))
    return any(
        fault is not None and told <= {(e.kind, e.name, e.reference, e.candidate) for e in fault.evidence}
        for fault in above
    )
