"""What a run doesn't show: the layers of two sources compared at rest, and what a report says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tracer.core import hidden
from tracer.core.compare import Trace
from tracer.core.holdings import Holder
from tracer.core.plan import static_path
from tracer.records import Cause, Fault, Report, Status


def unseen(reference: Any, candidate: Any, trace: Trace, blamed: Iterable[Fault]) -> tuple[Fault, ...]:
    """Paired layers that aren't the same and aren't blamed, in execution order; the sources are at rest.

    Raises:
        TracerError: when a worker fails.
    """
    called = [static_path(judgement.reference.path) for judgement in trace.judgements]
    return _unseen(reference, candidate, called, [static_path(fault.layer) for fault in blamed])


def _unseen(reference: Holder, candidate: Holder, called: Sequence[str], blamed: Sequence[str]) -> tuple[Fault, ...]:
    here, there = reference.holdings(), candidate.holdings()
    found = hidden.faults(
        hidden.weight_evidence(reference, candidate, here, there),
        hidden.setting_evidence(reference, candidate, here, there),
        here,
        same_environment=dict(reference.environment) == dict(candidate.environment),
    )
    return hidden.unblamed(found, blamed, called)


def with_hidden(report: Report, found: tuple[Fault, ...], *, strict: bool) -> Report:
    """The report with what the run doesn't show; other weights make it diverge, with `strict` all of it does."""
    fails = any(strict or fault.cause is Cause.WEIGHTS for fault in found)
    return replace(report, hidden=found, status=Status.DIVERGED if fails else report.status)
