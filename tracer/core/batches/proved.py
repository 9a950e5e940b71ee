"""What earlier batches have shown of two models: a fault that was proved is only measured afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tracer.core.comparison.judge import Judgement
from tracer.core.comparison.localize import Blame
from tracer.core.comparison.lockstep import Trace, without_tensors
from tracer.core.source import Facts
from tracer.records import Fault

# What a layer is blamed for, but for the numbers.
_What: TypeAlias = tuple[object, ...]
_Facts: TypeAlias = tuple[Facts | None, Facts | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A fault that needs no further proof.

    Attributes:
        what: it is blamed for.
        facts: that its cause was found by.
        places: call sites at which it was healed and broken.
        fault: with the number of the batch in its proof.
    """

    what: _What
    facts: _Facts
    places: frozenset[str]
    fault: Fault


@dataclass(slots=True)
class Proved:
    """What is known of two models so far; it grows with every batch.

    Attributes:
        batch: number of the batch that is being compared, from 0.
        confirmed: call sites that were found at fault, by layer path; without their tensors.
    """

    batch: int = 0
    confirmed: dict[str, Judgement] = field(default_factory=dict)
    _faults: dict[str, _Known] = field(default_factory=dict)

    def known(self, blames: Sequence[Blame], masked: Collection[str]) -> tuple[Fault, ...] | None:
        """The faults that blames are, as an earlier batch has proved them; None where one of them is new.

        Args:
            blames: of this batch.
            masked: layer paths of those of which no output of this batch shows anything.
        """
        found = [self._faults.get(blame.layer) for blame in blames]
        known = [each for each, blame in zip(found, blames, strict=True) if each is not None and _is(each, blame)]
        # Whether what was masked before shows here can't be told without trying it.
        if len(known) < len(blames) or any(each.fault.masked and each.fault.layer not in masked for each in known):
            return None
        return tuple(replace(each.fault, masked=each.fault.layer in masked) for each in known)

    def add(self, trace: Trace, proved: Iterable[tuple[Blame, Fault]]) -> None:
        """Note what this batch has shown: call sites at fault, and the faults that need no further proof."""
        for judgement in trace.judgements:
            if judgement.introduced:
                self.confirmed[judgement.reference.path] = without_tensors(judgement)
        for blame, fault in proved:
            self._faults[blame.layer] = _Known(
                what=_what(blame), facts=_facts(blame), places=_places(blame), fault=in_batch(fault, self.batch)
            )


def in_batch(fault: Fault, batch: int) -> Fault:
    """The fault with the number of the batch that it was proved in, if it doesn't have one."""
    if fault.proof is None or fault.proof.batch is not None:
        return fault
    return replace(fault, proof=replace(fault.proof, batch=batch))


def _is(known: _Known, blame: Blame) -> bool:
    """Whether a layer is blamed for what it was proved to do, at no other place, and nothing new was learned of it."""
    same_facts = all(here is there for here, there in zip(known.facts, _facts(blame), strict=True))
    return same_facts and known.what == _what(blame) and _places(blame) <= known.places


def _what(blame: Blame) -> _What:
    judgement = blame.judgement
    raises = judgement is not None and bool(judgement.candidate.error)
    evidence = tuple((each.kind, each.name) for each in blame.evidence)
    return blame.class_name, blame.kind, raises, blame.reaches, evidence


def _facts(blame: Blame) -> _Facts:
    return (None, None) if blame.judgement is None else blame.judgement.facts


def _places(blame: Blame) -> frozenset[str]:
    return frozenset(path for path, _, _ in blame.replaced)
