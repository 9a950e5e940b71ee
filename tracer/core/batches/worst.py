"""One report of many batches: of every layer the worst, of the verdict the worst, of faults all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tracer.core.batches.proved import in_batch
from tracer.core.comparison.conclusion import first_divergence
from tracer.core.numbers.predictions import add_predictions
from tracer.core.numbers.tolerance import PER_SAMPLE, share_of_tolerance
from tracer.records import Fault, Inputs, LayerReport, Report, Status, Verdict

# The worst last.
_STATUS: Final = (Status.PASS, Status.WITHIN_TOLERANCE, Status.INCONCLUSIVE, Status.DIVERGED)
_VERDICTS: Final = MappingProxyType(
    {
        verdict: rank
        for rank, verdict in enumerate(
            (
                Verdict.IDENTICAL,
                Verdict.CLOSE,
                Verdict.INHERITED,
                Verdict.NONDETERMINISTIC,
                Verdict.INCOMPARABLE,
                Verdict.MASKED,
                Verdict.INTRODUCED,
            )
        )
    }
)


def add_batch(whole: Report, part: Report) -> Report:
    """The report of some batches and of the one after them.

    Args:
        whole: of `whole.batches` batches.
        part: of one more.
    """
    batch = whole.batches
    before = {layer.layer: layer for layer in (whole.layers if batch > 1 else numbered(whole.layers, 0))}
    layers = _worse(before, numbered(part.layers, batch))
    chosen = {layer.layer for layer in layers if layer.difference.worst_batch == batch}
    known, more = ([in_batch(fault, at) for fault in each.faults] for each, at in ((whole, 0), (part, batch)))
    faults = _faults(known, more, chosen, [layer.layer for layer in layers])
    blamed = {fault.layer for fault in faults}
    status, reason = max(_verdict(whole), _verdict(part), key=lambda verdict: _STATUS.index(verdict[0]))
    return replace(
        whole,
        status=status,
        reason=reason,
        compared=len(layers),
        coverage=min(whole.coverage, part.coverage),
        first_divergence=first_divergence(layers),
        faults=faults,
        layers=layers,
        unmatched={side: _union(paths, part.unmatched.get(side, ())) for side, paths in whole.unmatched.items()},
        timings=part.timings,
        notes=_union(whole.notes, part.notes),
        hidden=tuple(fault for fault in _faults(whole.hidden, part.hidden, (), ()) if fault.layer not in blamed),
        inputs=_inputs(whole.inputs, part.inputs),
        predictions=add_predictions(whole.predictions, part.predictions, _samples(whole)),
        batches=batch + 1,
    )


def _verdict(report: Report) -> tuple[Status, str]:
    """What a report says in the end, and the reason; of two that are as bad, the first one's counts."""
    return report.status, report.reason


def _samples(report: Report) -> int:
    return report.inputs.samples if report.inputs is not None else 0


def numbered(layers: Iterable[LayerReport], batch: int) -> tuple[LayerReport, ...]:
    """Layers whose numbers say which batch they are of; where nothing differs, no batch is the worst."""
    return tuple(
        layer
        if layer.verdict is Verdict.IDENTICAL
        else replace(layer, difference=replace(layer.difference, worst_batch=batch))
        for layer in layers
    )


def _worse(before: dict[str, LayerReport], after: Sequence[LayerReport]) -> tuple[LayerReport, ...]:
    """Of each layer the batch in which it is worse, in execution order; what one batch alone has comes last."""
    found = dict(before)
    for layer in after:
        earlier = found.get(layer.layer)
        if earlier is None or _badness(layer) > _badness(earlier):
            found[layer.layer] = layer
    return tuple(found.values())


def _badness(layer: LayerReport) -> tuple[int, float, float]:
    """How bad a layer is: its verdict first, then its error in units of what is allowed, and then its error."""
    error = max(layer.rel_error, (layer.sample_error or 0.0) / PER_SAMPLE, layer.local_error or 0.0)
    return _VERDICTS[layer.verdict], share_of_tolerance(error, layer.tolerance), error


def _faults(
    whole: Sequence[Fault], part: Sequence[Fault], chosen: Iterable[str], order: Sequence[str]
) -> tuple[Fault, ...]:
    """The faults of both, each as the batch tells it that the layer's numbers are of; masked only if it always is."""
    found = {fault.layer: fault for fault in whole}
    for fault in part:
        earlier = found.get(fault.layer)
        later = fault if earlier is None or fault.layer in chosen else earlier
        found[fault.layer] = later if earlier is None else replace(later, masked=earlier.masked and fault.masked)
    places = {layer: place for place, layer in enumerate(order)}
    return tuple(sorted(found.values(), key=lambda fault: places.get(fault.layer, len(places))))


def _union(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*some, *others]))


def _inputs(whole: Inputs | None, part: Inputs | None) -> Inputs | None:
    if whole is None or part is None:
        return whole or part
    return replace(whole, samples=whole.samples + part.samples, conversions=_union(whole.conversions, part.conversions))
