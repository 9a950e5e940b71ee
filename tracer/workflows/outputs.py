"""Compare two sources by what their models return alone, where one of them has no layers to look into."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tracer.core.comparison.conclusion import Conclusion, conclude, first_divergence
from tracer.core.comparison.gap import Gap, Terms, gaps
from tracer.core.comparison.judge import with_pictures
from tracer.core.comparison.lockstep import signals_of_outputs
from tracer.core.drive import run_with, running
from tracer.core.numbers.predictions import count_changed
from tracer.core.numbers.tolerance import BETWEEN_BACKENDS
from tracer.core.soundness.reasons import reason_to_doubt
from tracer.core.soundness.signals import Signals, check_inputs, look_at_inputs
from tracer.core.source import Arrays, End, Run, Source, Value
from tracer.core.structure import arrays_of, count_samples
from tracer.errors import SpecError
from tracer.records import LayerReport, Report, Verdict
from tracer.workflows.comparing import Options, Timings

_NOTE = (
    "what came back is one function without layers: only the model outputs were compared. Where they differ, another "
    "format of the same model (--format keras) tells which layer."
)


def compare_outputs(reference: Source, candidate: Source, inputs: Arrays, options: Options, timings: Timings) -> Report:
    """Run both once and compare the outputs.

    Raises:
        SpecError: if training is asked for: what was exported is inference.
        TracerError: when a model or its worker fails.
    """
    if options.training:
        raise SpecError("an exported model only does inference: leave --training out, or name another format.")
    check_inputs(inputs)
    run = Run(inputs=inputs, training=options.training, seeds=reference.seeds())
    exported = replace(run, seeds={})  # a function has no seed generators that could be set
    with timings.of("compare"):
        calls = _count_calls(reference, run)
        first, second = run_with(reference, run), run_with(candidate, exported)
        fed = [Value(array=array) for _, array in arrays_of(inputs)]
        # What was exported is compiled as a whole, and adds up in another order: like another backend.
        terms = Terms(samples=count_samples(inputs), slack=BETWEEN_BACKENDS)
        found = gaps(first.outputs, second.outputs, terms, inputs=fed)
        random = _random((reference, run), (candidate, exported)) if any(gap.beyond for gap in found) else ""
    layers = tuple(_layer(first, index, gap) for index, gap in enumerate(found))
    if options.pictures:
        layers = tuple(_drawn(layers, first, second))
    says = _conclusion(found, first, inputs, random)
    return Report(
        status=says.status,
        reason=says.reason,
        compared=len(layers),
        coverage=len(layers) / max(calls, len(layers), 1),
        first_divergence=first_divergence(layers),
        faults=(),
        layers=layers,
        environments={"reference": dict(reference.environment), "candidate": dict(candidate.environment)},
        specs={"reference": reference.spec, "candidate": candidate.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=(_NOTE,),
        predictions=count_changed(first, second, options.rules),
    )


def _count_calls(source: Source, run: Run) -> int:
    """Call sites of the side that has layers: what the comparison can't see."""
    with running(source, run) as calls:
        return sum(1 for _ in calls)


def _random(reference: tuple[Source, Run], candidate: tuple[Source, Run]) -> str:
    """Which side returns something else when it is run twice, in words; "" for none."""
    for side, (source, run) in (("reference", reference), ("candidate", candidate)):
        ends = [run_with(source, run) for _ in range(2)]
        if any(gap.beyond for gap in gaps(ends[0].outputs, ends[1].outputs)):
            return f"the {side} differs from itself when run twice on equal inputs, so a difference blames nobody."
    return ""


def _conclusion(found: Sequence[Gap], end: End, inputs: Arrays, random: str) -> Conclusion:
    fed = look_at_inputs(inputs)
    return conclude(
        nothing="" if found else "nothing was compared: neither side returns a tensor.",
        random=random,
        differs=any(gap.beyond for gap in found),
        unsound=reason_to_doubt(Signals(outputs=signals_of_outputs(end, fed.samples), fed=fed)),
        same=all(gap.same for gap in found),
    )


def _layer(end: End, index: int, gap: Gap) -> LayerReport:
    """The layer that a model output comes from; which one is at fault isn't known."""
    value = end.outputs[index] if index < len(end.outputs) else None
    return LayerReport(
        layer=_name(end, index),
        class_name="",
        verdict=_verdict(gap),
        difference=gap.difference,
        local_error=None,
        tolerance=gap.tolerance,
        shape=() if value is None else tuple(value.array.shape),
        dtype="" if value is None else value.array.dtype.name,
        note=gap.kind or gap.hidden_sample,
    )


def _drawn(layers: Sequence[LayerReport], first: End, second: End) -> Iterator[LayerReport]:
    """The same, with pictures of the outputs that both sides have."""
    for index, layer in enumerate(layers):
        both = index < min(len(first.outputs), len(second.outputs))
        yield with_pictures(layer, first.outputs[index].array, second.outputs[index].array) if both else layer


def _name(end: End, index: int) -> str:
    """The layer that a model output comes from, or its place."""
    if end.wiring is not None and index < len(end.wiring):
        return end.wiring[index]
    return f"output:{index}" if index else "output"


def _verdict(gap: Gap) -> Verdict:
    if gap.kind and math.isnan(gap.difference.max_ulp):
        return Verdict.INCOMPARABLE
    if gap.same:
        return Verdict.IDENTICAL
    return Verdict.INHERITED if gap.beyond else Verdict.CLOSE
