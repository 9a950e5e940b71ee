"""Compare two sources by what their models return alone, where one of them has no layers to look into."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracer.core.compare import run_with
from tracer.core.judge import Gap, gaps
from tracer.core.localize import first_divergence
from tracer.core.source import Call, End, Source
from tracer.errors import SpecError
from tracer.records import LayerReport, Report, Status, Verdict
from tracer.workflows.comparing import Options, Timings

_NOTE = (
    "what came back is one function without layers: only the model outputs were compared. Where they differ, another "
    "format of the same model (--format keras) tells which layer."
)


def compare_outputs(reference: Source, candidate: Source, inputs: object, options: Options, timings: Timings) -> Report:
    """Run both once and compare the outputs.

    Raises:
        SpecError: if training is asked for: what was exported is inference.
        TracerError: when a model or its worker fails.
    """
    if options.training:
        raise SpecError("an exported model only does inference: leave --training out, or name another format.")
    seeds = reference.seeds()
    with timings.of("compare"):
        calls = _count_calls(reference, inputs, options)
        first = run_with(reference, inputs, {}, training=options.training, seeds=seeds)
        second = run_with(candidate, inputs, {}, training=options.training, seeds={})
        found = gaps(first.outputs, second.outputs)
    reference.rest()
    candidate.rest()
    layers = tuple(_layer(first, index, gap) for index, gap in enumerate(found))
    return Report(
        status=_status(found),
        compared=len(layers),
        coverage=len(layers) / max(calls, len(layers), 1),
        first_divergence=first_divergence(layers),
        faults=(),
        layers=layers,
        environments={"reference": dict(reference.environment), "candidate": dict(candidate.environment)},
        specs={"reference": reference.spec, "candidate": candidate.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=(_NOTE,),
    )


def _count_calls(source: Source, inputs: object, options: Options) -> int:
    """Call sites of the side that has layers: what the comparison can't see."""
    source.begin(inputs, training=options.training)
    count = 0
    while isinstance(source.receive(), Call):
        count += 1
        source.proceed()
    return count


def _status(found: Sequence[Gap]) -> Status:
    if not found:
        return Status.INCONCLUSIVE
    if any(gap.beyond for gap in found):
        return Status.DIVERGED
    return Status.PASS if all(gap.same for gap in found) else Status.WITHIN_TOLERANCE


def _layer(end: End, index: int, gap: Gap) -> LayerReport:
    """The layer that a model output comes from; which one is at fault isn't known."""
    wired = end.wiring or ()
    value = end.outputs[index] if index < len(end.outputs) else None
    numbers = gap.difference
    verdict = Verdict.IDENTICAL if gap.same else Verdict.INHERITED if gap.beyond else Verdict.CLOSE
    return LayerReport(
        layer=wired[index] if index < len(wired) else f"output:{index}" if index else "output",
        class_name="",
        verdict=Verdict.INCOMPARABLE if math.isnan(numbers.max_ulp) and gap.kind else verdict,
        rel_error=numbers.rel_error,
        local_error=None,
        tolerance=gap.tolerance,
        max_abs=numbers.max_abs,
        max_ulp=numbers.max_ulp,
        cosine=numbers.cosine,
        shape=() if value is None else tuple(value.array.shape),
        dtype="" if value is None else value.array.dtype.name,
        note=gap.kind,
    )
