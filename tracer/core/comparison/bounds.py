"""What a run has found of precision so far, and what a call site may be off by for it.

A layer behind one that computes in half precision can't be held to single precision; and neither can one behind a layer
whose own rounding was seen to be beyond its bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tracer.core.comparison.alignment import call_named
from tracer.core.comparison.gap import Terms
from tracer.core.numbers.blocks import name_of
from tracer.core.numbers.tolerance import least_precise, most_precise
from tracer.core.source import Call


@dataclass(slots=True)
class Bounds:
    """The terms of a run, as they are where its call sites are.

    Attributes:
        terms: of the run as a whole.
        precision: dtype of what comes from a call site, at best, by its path.
        rounding: relative L2 error of what comes from it that rounding was seen to make, beyond its bound, by its path.
        coarsest: least precise dtype of all paired call sites so far; "" for none.
    """

    terms: Terms
    precision: dict[str, str] = field(default_factory=dict)
    rounding: dict[str, float] = field(default_factory=dict)
    coarsest: str = ""
    _known: dict[tuple[str, float], Terms] = field(default_factory=dict)

    def terms_at(self, *wirings: Sequence[str] | None) -> Terms:
        """The terms for what comes from call sites, by side: no side's own loss of precision widens a bound."""
        upstream, rounding = most_precise(*map(self._coarsest_at, wirings)), max(map(self._rounding_at, wirings))
        if (upstream, rounding) not in self._known:
            self._known[upstream, rounding] = replace(self.terms, upstream=upstream, rounding=rounding)
        return self._known[upstream, rounding]

    def _rounding_at(self, wiring: Sequence[str] | None) -> float:
        """The largest rounding error beyond its bound that was seen on the way to what comes from call sites."""
        if not self.rounding:
            return 0.0
        paths = self.rounding if wiring is None else map(call_named, wiring)
        return max((self.rounding.get(path, 0.0) for path in paths), default=0.0)

    def _coarsest_at(self, wiring: Sequence[str] | None) -> str:
        """Least precise dtype that went into what comes from call sites; where that isn't known, into any so far."""
        if wiring is None:
            return self.coarsest
        paths = (call_named(label) for label in wiring if not label.startswith("<input"))
        return least_precise(*(self.precision.get(path, self.coarsest) for path in paths))

    def passed(self, terms: Terms, inner: Sequence[str], *calls: Call) -> None:
        """Note how precise what comes from a call site can be at best, on the side that is more precise.

        Args:
            terms: of this call site; see `terms_at`.
            inner: paths of the call sites inside, where it is a box.
            calls: of the sides that have it.
        """
        path, upstream = calls[0].path, terms.upstream
        self.note_rounding(path, terms.rounding, *(self.rounding.get(each, 0.0) for each in inner))
        inside = [self.precision[each] for each in inner]
        self.precision[path] = most_precise(*(least_precise(upstream, *inside, *_dtypes_of(call)) for call in calls))
        if len(calls) > 1:
            self.coarsest = least_precise(self.coarsest, self.precision[path])

    def note_rounding(self, path: str, *errors: float) -> None:
        """Note how far what comes from a call site may be off by rounding alone, where its bound allows less."""
        if any(errors):
            self.rounding[path] = max(self.rounding.get(path, 0.0), *errors)


def _dtypes_of(call: Call) -> Iterator[str]:
    yield call.compute_dtype
    for value in (*call.inputs, *call.outputs):
        yield name_of(value.array.dtype)
