"""What a test holds against a report: which layers count, and how far each may be off.

A pattern is a layer path (`encoder/dense`), which covers what lies inside that layer too, a class (`Dense`), or a glob
over either (`encoder/*`, `*Normalization`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from tracer.core.comparison.alignment import static_path
from tracer.core.comparison.conclusion import Conclusion, conclude, counts, differs, first_divergence
from tracer.core.numbers.rounding import is_rounding
from tracer.core.numbers.tolerance import PER_SAMPLE
from tracer.core.soundness.limits import NO_BOUND
from tracer.core.soundness.reasons import is_doubt
from tracer.core.spec import nearest
from tracer.errors import SpecError
from tracer.records import Fault, LayerReport, Report, Status, Verdict

_NAMED = 6  # layers that a note names
_ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a report counts.

    Attributes:
        only: patterns of the layers that count; empty for all of them.
        ignore: patterns of the layers that don't.
        tolerances: by pattern, the relative L2 error that an output may have as it came. Of several patterns that
            match a layer, the last one counts.
        strict: settings that differ count also where the inputs don't show it.
    """

    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerances: Mapping[str, float] = field(default_factory=dict)
    strict: bool = False

    def keeps(self, layer: str, class_name: str) -> bool:
        """Whether a layer counts."""
        wanted = not self.only or _any_matches(self.only, layer, class_name)
        return wanted and not _any_matches(self.ignore, layer, class_name)

    def tolerance(self, layer: str, class_name: str) -> float | None:
        """What was given for a layer; None where its own tolerance holds."""
        found = [bound for pattern, bound in self.tolerances.items() if matches(pattern, layer, class_name)]
        return found[-1] if found else None


def matches(pattern: str, layer: str, class_name: str) -> bool:
    """Whether a pattern names a layer."""
    place = static_path(layer)
    inside = place.startswith(f"{pattern}/")
    return inside or any(fnmatchcase(name, pattern) for name in (layer, place, class_name))


def _any_matches(patterns: Iterable[str], layer: str, class_name: str) -> bool:
    return any(matches(pattern, layer, class_name) for pattern in patterns)


def select(report: Report, selection: Selection) -> Report:
    """The report as if only what was selected had been compared, with notes on what was left out.

    Raises:
        SpecError: if a pattern names no layer of the report, or a tolerance isn't one.
    """
    _check(report, selection)
    if not (selection.only or selection.ignore or selection.tolerances):
        return report
    chosen, tolerated = _choose(report, selection)
    failing = tuple(_failing(chosen, report))
    says = _conclude(report, chosen, failing, strict=selection.strict)
    return replace(
        chosen,
        status=says.status,
        reason=says.reason,
        notes=(*report.notes, *_left_out(report, chosen, tolerated), *_excused(chosen, tolerated, failing)),
        first_divergence=first_divergence(failing or chosen.layers),
    )


def _choose(report: Report, selection: Selection) -> tuple[Report, tuple[Fault, ...]]:
    """What counts of a report, and the faults within the tolerance that was given."""
    layers = tuple(_held(layer, selection) for layer in report.layers if selection.keeps(layer.layer, layer.class_name))
    faults = tuple(_keep(report.faults, selection))
    tolerated = tuple(fault for fault in faults if _is_tolerated(fault, layers, selection))
    unmatched = {side: _kept_paths(paths, selection) for side, paths in report.unmatched.items()}
    return replace(
        report,
        layers=layers,
        compared=len(layers),
        faults=tuple(fault for fault in faults if fault not in tolerated),
        hidden=tuple(_keep(report.hidden, selection)),
        unmatched=unmatched,
    ), tolerated


def _check(report: Report, selection: Selection) -> None:
    places = tuple(_places(report))
    known = {name for place in places for name in place if name}
    for pattern in (*selection.only, *selection.ignore, *selection.tolerances):
        if pattern != _ALL and not any(matches(pattern, *place) for place in places):
            hint = nearest(pattern, sorted(known))
            raise SpecError(f"{pattern!r} names no layer that was compared, by its path or its class.{hint}")
    _check_tolerances(selection)


def _check_tolerances(selection: Selection) -> None:
    for pattern, bound in selection.tolerances.items():
        if not 0.0 <= bound < NO_BOUND:
            raise SpecError(
                f"tolerance {bound!r} for {pattern!r}: a relative L2 error of at least 0 and less than {NO_BOUND} is "
                "needed; a larger one is no bound."
            )


def _places(report: Report) -> Iterator[tuple[str, str]]:
    """Layer path and class of whatever a report speaks of."""
    yield from ((static_path(layer.layer), layer.class_name) for layer in report.layers)
    yield from ((static_path(fault.layer), fault.class_name) for fault in (*report.faults, *report.hidden))
    for paths in report.unmatched.values():
        yield from ((static_path(path), "") for path in paths)


def _keep(faults: Sequence[Fault], selection: Selection) -> Iterator[Fault]:
    return (fault for fault in faults if selection.keeps(fault.layer, fault.class_name))


def _kept_paths(paths: Sequence[str], selection: Selection) -> tuple[str, ...]:
    return tuple(path for path in paths if selection.keeps(path, ""))


def _held(layer: LayerReport, selection: Selection) -> LayerReport:
    """The layer against the tolerance that was given for it."""
    bound = selection.tolerance(layer.layer, layer.class_name)
    if (
        bound is None
        or (layer.note and not is_rounding(layer.note))
        or layer.verdict in (Verdict.IDENTICAL, Verdict.NONDETERMINISTIC, Verdict.INCOMPARABLE)
    ):
        return layer
    if _is_within(layer, bound):
        return replace(layer, tolerance=bound, verdict=Verdict.CLOSE)
    local = layer.rel_error if layer.local_error is None else layer.local_error
    verdict = layer.verdict
    if verdict in (Verdict.CLOSE, Verdict.INHERITED):
        verdict = Verdict.INTRODUCED if local > bound else Verdict.INHERITED
    return replace(layer, tolerance=bound, verdict=verdict)


def _is_within(layer: LayerReport, bound: float) -> bool:
    errors = (layer.rel_error, layer.local_error or 0.0, (layer.sample_error or 0.0) / PER_SAMPLE)
    return all(error <= bound for error in errors)


def _is_tolerated(fault: Fault, layers: Sequence[LayerReport], selection: Selection) -> bool:
    """Whether every output of a fault is within the tolerance that was given for it."""
    if selection.tolerance(fault.layer, fault.class_name) is None:
        return False
    own = [layer for layer in layers if re.sub(r":\d+$", "", layer.layer) == fault.layer]
    return bool(own) and all(layer.verdict in (Verdict.CLOSE, Verdict.IDENTICAL) for layer in own)


def _failing(chosen: Report, report: Report) -> Iterator[LayerReport]:
    """Outputs that count and are beyond tolerance; not those that only pass on what a fault that was left out did."""
    order = {layer.layer: place for place, layer in enumerate(report.layers)}
    kept = {layer.layer for layer in chosen.layers}
    left = [place for name, place in order.items() if name not in kept and _is_origin(report.layers[place])]
    since = min(left, default=len(order))
    for layer in chosen.layers:
        only_inherits = layer.verdict is Verdict.INHERITED and order[layer.layer] > since
        if not only_inherits and _counts_against(layer):
            yield layer


def _counts_against(layer: LayerReport) -> bool:
    """Whether an output by itself keeps a report from being a pass."""
    if layer.verdict is Verdict.NONDETERMINISTIC:
        return False
    return differs(layer) or layer.verdict in (Verdict.INTRODUCED, Verdict.MASKED)


def _is_origin(layer: LayerReport) -> bool:
    return layer.verdict in (Verdict.INTRODUCED, Verdict.MASKED, Verdict.INCOMPARABLE)


def _is_explained(report: Report, chosen: Report) -> bool:
    """Whether something that made the report diverge was left out, or is within the tolerance that was given."""
    still = {layer.layer for layer in chosen.layers if differs(layer)}
    return (
        len(chosen.faults) < len(report.faults)
        or len(chosen.hidden) < len(report.hidden)
        or any(differs(layer) and layer.layer not in still for layer in report.layers)
    )


def _conclude(report: Report, chosen: Report, failing: Sequence[LayerReport], *, strict: bool) -> Conclusion:
    """What the selected part says."""
    if chosen.layers and report.status is Status.INCONCLUSIVE:
        return Conclusion(status=report.status, reason=report.reason)
    unexplained = report.status is Status.DIVERGED and not _is_explained(report, chosen)
    return conclude(
        nothing="" if chosen.layers else "nothing is left to compare: only= and ignore= leave no layer output.",
        faults=bool(chosen.faults) or counts(chosen.hidden, strict=strict),
        differs=bool(failing) or unexplained,
        unsound=next((note for note in report.notes if is_doubt(note)), _random(report)),
        same=all(layer.verdict is Verdict.IDENTICAL for layer in chosen.layers),
    )


def _random(report: Report) -> str:
    """Why layers that differ from themselves keep the others from being judged; "" where none does."""
    random = [layer for layer in report.layers if layer.verdict is Verdict.NONDETERMINISTIC]
    return f"{random[0].layer}: {random[0].note}, so a difference behind it blames nobody." if random else ""


def _left_out(report: Report, chosen: Report, tolerated: Sequence[Fault]) -> Iterator[str]:
    """What doesn't count, and whether it differed."""
    kept = {layer.layer for layer in chosen.layers}
    left = [layer.layer for layer in report.layers if layer.layer not in kept]
    if left:
        yield f"left out by only= and ignore=: {_some(left)} ({len(left)} of {len(report.layers)} layer outputs)."
    remaining = {*chosen.faults, *tolerated, *chosen.hidden}
    wrong = [f"{f.layer} ({f.cause})" for f in (*report.faults, *report.hidden) if f not in remaining]
    if wrong:
        yield f"left out, and not the same: {_some(wrong)}."


def _excused(chosen: Report, tolerated: Sequence[Fault], failing: Sequence[LayerReport]) -> Iterator[str]:
    """What differs and counts all the same for nothing, and what doesn't."""
    if tolerated:
        yield f"within the tolerance that was given: {_some([fault.layer for fault in tolerated])}."
    inherited = [layer.layer for layer in chosen.layers if differs(layer) and layer not in failing]
    if inherited:
        yield f"differ only by what they inherit from layers that were left out: {_some(inherited)}."
    for layer in failing[:_NAMED]:
        yield f"{layer.layer}: relative error {layer.rel_error:.2g}, tolerance {layer.tolerance:.2g}."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
