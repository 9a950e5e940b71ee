"""From a trace to what a report says of it: every output's verdict, the first divergence, and the status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tracer.core.comparison.localize import innermost
from tracer.core.comparison.lockstep import Trace
from tracer.core.numbers.tolerance import PER_SAMPLE
from tracer.core.soundness.reasons import reason_to_doubt
from tracer.records import Cause, Fault, LayerReport, Report, Status, Verdict

# What makes two sides differ though no run shows it.
_ALWAYS: Final = frozenset({Cause.WEIGHTS, Cause.OPTIMIZER_STATE})
_MAPS: Final = 8  # layers at fault whose map of the error is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a whole comparison says, and, where it is inconclusive, why."""

    status: Status
    reason: str = ""


def conclude(
    *,
    nothing: str = "",
    faults: bool = False,
    random: str = "",
    differs: bool = False,
    unsound: str = "",
    same: bool = False,
) -> Conclusion:
    """The one place where a status is decided.

    Args:
        nothing: why nothing was compared at all; "" where something was.
        faults: something is to blame.
        random: why a layer that differs from itself keeps the rest from being judged; "" where none does.
        differs: an output is beyond tolerance, or has no numbers on one side.
        unsound: why equal sides show nothing; see `reason_to_doubt`.
        same: everything is bit for bit the same.
    """
    if nothing:
        return Conclusion(status=Status.INCONCLUSIVE, reason=nothing)
    if faults:
        return Conclusion(status=Status.DIVERGED)
    if random:
        return Conclusion(status=Status.INCONCLUSIVE, reason=random)
    if differs:
        return Conclusion(status=Status.DIVERGED)
    if unsound:
        return Conclusion(status=Status.INCONCLUSIVE, reason=unsound)
    return Conclusion(status=Status.PASS if same else Status.WITHIN_TOLERANCE)


def counts(hidden: Iterable[Fault], *, strict: bool) -> bool:
    """Whether layers that aren't the same, though a run doesn't show it, make two sides diverge.

    Other weights do, and another state of the optimizer; with `strict`, all of it does.
    """
    return any(strict or fault.cause in _ALWAYS for fault in hidden)


def diverged(report: Report, reason: str = "") -> Report:
    """The report of a run that diverges for something else than the run itself, with why.

    That the run showed too little is still worth knowing, though no longer what the report says first.
    """
    notes = (*report.notes, report.reason) if report.reason else report.notes
    return replace(report, status=Status.DIVERGED, reason=reason, notes=notes)


def layer_reports(trace: Trace, masked: Iterable[str]) -> tuple[LayerReport, ...]:
    """Every compared output, in execution order; faults that reach no model output are `masked`."""
    hidden = set(masked)
    found = []
    for judgement in trace.judgements:
        path, class_name = innermost(judgement) if judgement.introduced else (judgement.reference.path, "")
        for layer in judgement.layers:
            suffix = layer.layer.removeprefix(judgement.reference.path)
            is_hidden = layer.verdict is Verdict.INTRODUCED and path in hidden
            verdict = Verdict.MASKED if is_hidden else layer.verdict
            found.append(
                replace(layer, layer=path + suffix, class_name=class_name or layer.class_name, verdict=verdict)
            )
    return tuple(_with_few_maps(found))


def _with_few_maps(layers: Iterable[LayerReport]) -> Iterator[LayerReport]:
    """The same; a report of hundreds of layers at fault would be several megabytes of pictures that nobody looks at."""
    left = _MAPS
    for layer in layers:
        at_fault = layer.verdict in (Verdict.INTRODUCED, Verdict.MASKED)
        left -= at_fault and layer.error_map is not None
        yield layer if left >= 0 or not at_fault else replace(layer, error_map=None)


def differs(layer: LayerReport) -> bool:
    """Whether an output, as it came, is not the reference's within tolerance."""
    return layer.verdict not in (Verdict.IDENTICAL, Verdict.CLOSE) and (
        layer.rel_error > layer.tolerance
        or (layer.sample_error or 0.0) > layer.tolerance * PER_SAMPLE
        or bool(layer.note)
    )


def first_divergence(layers: Iterable[LayerReport]) -> str | None:
    """Layer path of the first output, in execution order, that differs beyond tolerance."""
    return next((layer.layer for layer in layers if differs(layer)), None)


def conclusion(trace: Trace, layers: Sequence[LayerReport], faults: int) -> Conclusion:
    """What the whole comparison says, and why where that is nothing."""
    verdicts = [layer.verdict for layer in layers]
    same = all(verdict is Verdict.IDENTICAL for verdict in verdicts) and all(g.same for g in trace.outputs)
    # A candidate whose layer raised went on with the reference's outputs: that its own agree says nothing.
    helped = any(judgement.candidate.error and not judgement.reference.error for judgement in trace.judgements)
    return conclude(
        nothing=_nothing(layers),
        faults=faults > 0,
        random=_random(layers),
        differs=helped or any(g.beyond for g in trace.outputs) or Verdict.INCOMPARABLE in verdicts,
        unsound=reason_to_doubt(trace.signals)
        if trace.outputs
        else "the model returns no tensor, so nothing can be compared.",
        same=same,
    )


def _nothing(layers: Sequence[LayerReport]) -> str:
    if not layers:
        return "nothing was compared: no layer output is on both sides."
    if all(layer.verdict is Verdict.INCOMPARABLE for layer in layers):
        first = layers[0]
        why = f"the first is {first.layer}: {first.note}"
        return f"nothing was compared: no layer output has numbers on both sides ({why})"
    return ""


def _random(layers: Sequence[LayerReport]) -> str:
    random = [layer for layer in layers if layer.verdict is Verdict.NONDETERMINISTIC]
    if not random:
        return ""
    named = ", ".join(layer.layer for layer in random[:3]) + (f" and {len(random) - 3} more" if len(random) > 3 else "")
    why = random[0].note or "it differs from itself when run twice"
    return f"{named}: {why}, so a difference there, and behind it, blames nobody. Fix its seed, or leave it out."
