"""What a run doesn't show: the layers of two sources compared at rest, and what a report says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tracer.core import environment
from tracer.core.comparison import conclusion, localize
from tracer.core.comparison.alignment import classes_of, static_path, translated
from tracer.core.comparison.lockstep import Trace
from tracer.core.diagnosis import hidden
from tracer.core.golden.evidence import in_the_same_words
from tracer.core.golden.golden import Golden
from tracer.core.host import Host, Identities
from tracer.core.layer.holdings import Holder
from tracer.core.layer.settings import setting_evidence
from tracer.core.layer.weights import weight_evidence
from tracer.core.releases import is_keras_2
from tracer.records import Fault, Report


def unseen(
    reference: Holder, candidate: Holder, trace: Trace, blamed: Iterable[Fault], *, at_rest: bool = True
) -> tuple[Fault, ...]:
    """Paired layers that aren't the same and aren't blamed, in execution order, then layers that only one side has.

    Args:
        reference: at rest.
        candidate: at rest.
        trace: of the run.
        blamed: the faults of the run.
        at_rest: also what doesn't depend on the inputs: an earlier batch has told that already.

    Raises:
        TracerError: when a worker fails.
    """
    called = [static_path(judgement.reference.path) for judgement in trace.judgements]
    paths = [fault.layer for fault in blamed]
    found = _unseen(reference, candidate, called, [static_path(path) for path in paths]) if at_rest else ()
    same = environment.is_same(reference.environment, candidate.environment)
    return (*found, *hidden.lone(localize.without_effect(trace, paths), same_environment=same))


def _unseen(reference: Holder, candidate: Holder, called: Sequence[str], blamed: Sequence[str]) -> tuple[Fault, ...]:
    with ThreadPoolExecutor(1) as aside:  # the two processes, where there are two, look at the same time
        asked = aside.submit(candidate.holdings)
        here, there = reference.holdings(), asked.result()
    found = hidden.faults(
        weight_evidence(reference, candidate, here, there),
        setting_evidence(reference, candidate, here, there) if _one_generation(reference, candidate) else {},
        here,
        same_environment=environment.is_same(reference.environment, candidate.environment),
    )
    return hidden.unblamed(found, blamed, called)


def _one_generation(reference: Holder, candidate: Holder) -> bool:
    """Whether both are Keras 2 or both Keras 3; between the two, one setting is written in different words."""
    here, there = (is_keras_2(source.environment.get("keras", "")) for source in (reference, candidate))
    return here is there


def unlike_recorded(
    golden: Golden, source: Host, identities: Identities, names: Mapping[str, str], blamed: Iterable[Fault]
) -> tuple[Fault, ...]:
    """Layers that aren't those of a golden and aren't blamed, as far as the golden has digests.

    Args:
        golden: what was recorded.
        source: what is held against it.
        identities: of the source.
        names: the golden's names of the source's layers.
        blamed: the faults of the run.
    """
    deriving = [translated(path, names) for path in source.deriving()]
    recorded = golden.provenance.get("environment", {})
    identities = in_the_same_words(identities, recorded, source.environment)
    found = hidden.recorded(golden.identities, identities, dict(classes_of(golden.outline)), deriving)
    called = [static_path(site.path) for site in golden.sites]
    return hidden.unblamed(found, [static_path(fault.layer) for fault in blamed], called)


def with_hidden(report: Report, found: tuple[Fault, ...], *, strict: bool) -> Report:
    """The report with what the run doesn't show, which may make it diverge."""
    report = replace(report, hidden=found)
    return conclusion.diverged(report) if conclusion.counts(found, strict=strict) else report
