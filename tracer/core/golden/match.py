"""Hold a run against a golden: where is it beyond tolerance, and where does the error enter?

A fingerprint can't be replayed, so blame follows from the wiring: an error that is beyond tolerance where everything
that the layer gets is within it has entered in this layer.

    a ✓ ── b ✗ ── c ✗ ── d ✗         b is blamed; c and d inherit, unless one of them multiplies the error
            ╰──── e ✓ ───╯
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from tracer.core.comparison.alignment import call_named
from tracer.core.comparison.conclusion import Conclusion, conclude
from tracer.core.golden.fingerprint import Fingerprint, Site
from tracer.core.golden.golden import FACTOR, Golden, GoldenSite, relative
from tracer.core.numbers.rounding import AS_LITTLE, rounding_note
from tracer.core.soundness.limits import check_bound
from tracer.core.soundness.reasons import reason_to_doubt
from tracer.core.soundness.signals import Signal, Signals, look_at_inputs
from tracer.errors import FixtureError
from tracer.records import Difference, LayerReport, Verdict

# A layer that hands on an error makes it at most a few times larger, relative to its output; one that makes it this
# much larger has an error of its own behind somebody else's. Measured: tests/quality/test_goldens_blame.py.
_JUMP = 30.0
# An error that fades below tolerance and comes up again further down is the same error, not a second one.
_FAINT = 4.0
# Of the two models' layers: with fewer in common they aren't the same model.
LIKENESS = 0.5
_NO_ROUNDING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One output of one call site, held against its golden.

    Attributes:
        golden: what was recorded.
        found: fingerprint of the run; None where the layer is missing or raised.
        error: estimated relative L2 error; inf where there is no number.
        tolerance: what it may be.
        note: shape, type or mask that differ, in words.
        same: its digest is the recorded one.
        entered: the error enters here.
        passed_on: an error comes in, and grows out of proportion here.
        rounds: its error was seen to be rounding alone.
        rounding: the largest such error that it, or what it is computed from, was seen to have.
    """

    golden: GoldenSite
    found: Fingerprint | None
    error: float
    tolerance: float
    note: str = ""
    same: bool = False
    entered: bool = False
    passed_on: bool = False
    rounds: bool = False
    rounding: float = 0.0

    @property
    def beyond(self) -> bool:
        """More than tolerance allows; a NaN is."""
        return bool(self.note) or not self.error <= self.tolerance


def hold(
    golden: Golden, sites: Sequence[Site], *, factor: float = FACTOR, rounding: Mapping[str, float] = _NO_ROUNDING
) -> tuple[Match, ...]:
    """Every call site of a golden, in the recorded order, held against a run's.

    Args:
        golden: what was recorded.
        sites: of the run.
        factor: tolerance, in units of each layer's noise floor.
        rounding: relative L2 errors that layers were seen to have by rounding alone, by path; what they feed may be as
            far off.

    Raises:
        FixtureError: if the bound of a call site is none, because of a factor or a noise floor out of all proportion.
    """
    run = {site.path: site for site in sites}
    held = tuple(_held(golden, site, run.get(site.path), factor) for site in golden.sites)
    if rounding:
        held = tuple(_widened(golden.sites, held, rounding))
    if not any(one.beyond for one in held):
        return held
    flow = _flow(golden.sites, held)
    return tuple(_classify(one, flow) if one.beyond else one for one in held)


def _widened(sites: Sequence[GoldenSite], held: Sequence[Match], rounding: Mapping[str, float]) -> Iterator[Match]:
    """Those that round, and what comes from them, with what they may be off; what is exact stays so."""
    sources, handed_on = _sources(sites), dict[str, float]()
    for one in held:
        path = one.golden.path
        came = max((handed_on.get(source, 0.0) for source in sources[path]), default=0.0)
        handed_on[path] = max(came, rounding.get(path, 0.0))
        wide = max(one.tolerance, handed_on[path]) if one.tolerance else 0.0
        yield replace(one, tolerance=wide, rounds=path in rounding, rounding=handed_on[path])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    """The way of the errors through a model.

    Attributes:
        errors: relative L2 error of every call site, by layer path.
        beyond: of those beyond tolerance, or within it only because of rounding, the error that what follows may have
            from there.
        first: the first of them in execution order.
        sources: the call sites that the inputs of each one come from.
        boxes: composite layers with a call site inside that is beyond tolerance.
    """

    errors: Mapping[str, float]
    beyond: Mapping[str, float]
    first: str
    sources: Mapping[str, tuple[str, ...]]
    boxes: frozenset[str]

    def arriving(self, path: str) -> tuple[float, ...]:
        """Errors beyond tolerance that come in at a call site."""
        return tuple(self.beyond[source] for source in self.sources[path] if source in self.beyond)

    def faint(self, path: str) -> float:
        """The largest error that comes in, within tolerance or not; 0 where no error was seen before."""
        if path == self.first:
            return 0.0
        return max((self.errors.get(source, 0.0) for source in self.sources[path]), default=0.0)


def _flow(sites: Sequence[GoldenSite], held: Sequence[Match]) -> _Flow:
    beyond = {one.golden.path: _handed_on(one) for one in held if one.beyond or one.rounding}
    return _Flow(
        errors={one.golden.path: one.error for one in held},
        beyond=beyond,
        first=next(iter(beyond)),
        sources=_sources(sites),
        boxes=frozenset(one.golden.box for one in held if one.beyond and one.golden.box),
    )


def _classify(one: Match, flow: _Flow) -> Match:
    """Of an output beyond tolerance: does its error enter here, or does it only pass through?"""
    path = one.golden.path
    if one.golden.is_box and call_named(path) in flow.boxes:
        return replace(one, passed_on=True)
    arriving = flow.arriving(path)
    if not arriving:
        resurfaces = not one.note and one.error <= _FAINT * flow.faint(path)
        return replace(one, entered=not resurfaces, passed_on=resurfaces)
    grows = max(arriving) > 0.0 and math.isfinite(one.error) and one.error > _JUMP * max(arriving)
    is_retyped = bool(one.note) and all(map(math.isfinite, arriving))
    return replace(one, entered=grows or is_retyped, passed_on=not grows)


def coming_in(golden: Golden, held: Sequence[Match]) -> dict[str, float]:
    """The largest relative L2 error of what comes in at each call site, by its path; 0 where nothing is known of it."""
    errors = {one.golden.path: one.error for one in held}
    return {
        path: max((errors.get(source, 0.0) for source in sources), default=0.0)
        for path, sources in _sources(golden.sites).items()
    }


def _handed_on(one: Match) -> float:
    """The error that what follows may have from here: any at all behind another mask, however equal the numbers are."""
    return math.inf if one.found is not None and one.found.mask != one.golden.truth.mask else one.error


def likeness(golden: Golden, sites: Sequence[Site]) -> float:
    """The share of the golden's call sites that a run has too, with the same class."""
    run = {(site.path, site.class_name) for site in sites}
    return sum((site.path, site.class_name) in run for site in golden.sites) / max(len(golden.sites), 1)


def _held(golden: Golden, site: GoldenSite, got: Site | None, factor: float) -> Match:
    if got is None or got.fingerprint is None:
        why = "the layer isn't there" if got is None else f"raises {got.error}"
        return Match(golden=site, found=None, error=math.inf, tolerance=golden.tolerance(site, "", factor), note=why)
    found = got.fingerprint
    tolerance = golden.tolerance(site, found.dtype, factor)
    check_bound(site.path, tolerance, f"factor {factor:g}, noise floor {site.floor:g}")
    return _measure(site, found, tolerance)


def _measure(site: GoldenSite, found: Fingerprint, tolerance: float) -> Match:
    truth = site.truth
    has_digests = bool(found.digest) and bool(truth.digest)
    same = has_digests and found.digest == truth.digest
    note = _type_note(truth, found)
    error = 0.0 if same and not note else relative(truth, found)
    if not tolerance and has_digests and not same:
        note = note or "the values differ, and nothing is rounded here"
    return Match(golden=site, found=found, error=error, tolerance=tolerance, note=note, same=same)


def _type_note(truth: Fingerprint, found: Fingerprint) -> str:
    parts = []
    if truth.shape != found.shape:
        parts.append(f"shape {truth.shape} against {found.shape}")
    if truth.dtype != found.dtype:
        parts.append(f"dtype {truth.dtype} against {found.dtype}")
    if truth.mask != found.mask:
        parts.append("the mask")
    return ", ".join(parts)


def _sources(sites: Sequence[GoldenSite]) -> dict[str, tuple[str, ...]]:
    """The call sites that each one's inputs come from.

    What isn't in a graph, or comes out of a nested graph or into it, is taken to follow the call site before it.
    """
    order: list[str] = []
    places: dict[str, int] = {}
    found: dict[str, tuple[str, ...]] = {}
    for site in sites:
        before = order[-1:]
        labels = site.wiring if site.wiring is not None else ("?",)
        named = [label if label in places else _last_inside(label, order) for label in labels]
        found[site.path] = tuple(dict.fromkeys(label or (before[0] if before else "") for label in named))
        places[site.path] = len(order)
        order.append(site.path)
    return found


def _last_inside(label: str, order: Sequence[str]) -> str:
    """The last call site inside a nested graph that a label names; "" for none."""
    prefix = f"{call_named(label)}/"
    return next((path for path in reversed(order) if path.startswith(prefix)), "")


# --- what it all says


def layer_report(one: Match, *, masked: bool = False, random: bool = False) -> LayerReport:
    """The row of a report; `local_error` can't be told from a fingerprint."""
    truth = one.golden.truth
    return LayerReport(
        layer=one.golden.path,
        class_name=one.golden.class_name,
        verdict=_verdict(one, masked, random),
        difference=Difference(
            rel_error=one.error,
            max_abs=math.nan,
            max_ulp=math.nan,
            cosine=math.nan,
            nonfinite_reference=truth.nonfinite,
            nonfinite_candidate=one.found.nonfinite if one.found is not None else 0,
        ),
        local_error=None,
        tolerance=one.tolerance,
        shape=truth.shape,
        dtype=truth.dtype,
        note=one.note or (rounding_note(one.error, AS_LITTLE) if one.rounds else ""),
    )


def _verdict(one: Match, masked: bool, random: bool) -> Verdict:
    if random:
        return Verdict.NONDETERMINISTIC
    if one.beyond:
        if one.entered:
            return Verdict.MASKED if masked else Verdict.INTRODUCED
        return Verdict.INCOMPARABLE if one.found is None else Verdict.INHERITED
    return Verdict.IDENTICAL if one.same else Verdict.CLOSE


def reaches_output(held: Sequence[Match]) -> bool:
    """Whether an output that nothing else consumes is beyond tolerance."""
    ends = {site.path for site in _ends([one.golden for one in held])}
    return any(one.beyond for one in held if one.golden.path in ends)


def _ends(sites: Sequence[GoldenSite]) -> Sequence[GoldenSite]:
    """The outputs that nothing else consumes."""
    used = {call_named(label) for site in sites for label in site.wiring or ()}
    return [site for site in sites if call_named(site.path) not in used and not site.box] or sites[-1:]


def conclusion(held: Sequence[Match], *, lone: int = 0, random: Sequence[str] = (), inputs: object = ()) -> Conclusion:
    """What the whole check says.

    Args:
        held: every call site of the golden.
        lone: call sites that the golden doesn't have.
        random: layer paths that differ from themselves, where nothing else is to blame.
        inputs: what the model was fed.
    """
    differs = any(one.beyond for one in held) or lone > 0
    return conclude(
        nothing="" if any(one.found is not None for one in held) else _NOTHING,
        random=_random_words(random) if differs else "",
        differs=differs,
        unsound=doubt([one.golden for one in held], inputs),
        same=all(one.same for one in held),
    )


def _random_words(layers: Sequence[str]) -> str:
    if not layers:
        return ""
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    return f"{', '.join(layers[:3])}{more}: differs from itself when run twice; nothing can be blamed."


_NOTHING = "nothing was compared: no layer of the golden returned anything here."


def doubt(sites: Sequence[GoldenSite], inputs: object) -> str:
    """Why recorded activations, by their statistics, show nothing of a model; "" where they show something."""
    paths = {site.path for site in _ends(sites)}
    calls = tuple(signal_of(site) for site in sites)
    outputs = tuple(call for call in calls if call.layer in paths)
    return reason_to_doubt(Signals(calls=calls, outputs=outputs, fed=look_at_inputs(inputs)))


def check_worth_recording(golden: Golden, inputs: object) -> None:
    """Does nothing where a golden shows something of its model.

    Raises:
        FixtureError: if it would accept another model as well.
    """
    if why := doubt(golden.sites, inputs):
        raise FixtureError(f"{golden.name}: {why} Not recorded.")


def signal_of(site: GoldenSite) -> Signal:
    """What one recorded activation carries."""
    truth = site.truth
    exact, size = truth.dtype == "string" or truth.dtype.startswith(("int", "uint")), truth.count
    constant = truth.dtype != "string" and size > 0 and not truth.nonfinite and truth.minimum == truth.maximum
    return Signal(
        layer=site.path,
        size=size,
        exact=exact,
        truths=truth.dtype == "bool",
        constant=constant,
        zero=constant and not exact and truth.rms == 0.0,
        nan=truth.nonfinite > 0,
        blind=0 < size <= truth.nonfinite,
    )
