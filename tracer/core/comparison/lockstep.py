"""Run two sources in lock-step, call site by call site, and judge each pair as it passes.

reference  ── a ── b ── c ── d ── ▶        both stop after every call site; the pair is compared, judged,
candidate  ── a ── b ── c ── d ── ▶        and let go before the next one runs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tracer.core.comparison.alignment import Alignment, align
from tracer.core.comparison.bounds import Bounds
from tracer.core.comparison.confirm import confirm, confirm_again
from tracer.core.comparison.gap import Gap, Terms, gaps, slack_between
from tracer.core.comparison.judge import Judgement, judge, pictured
from tracer.core.comparison.pace import LARGE, Pace
from tracer.core.comparison.same_call import CallMatch, match_calls
from tracer.core.drive import at_rest_afterwards
from tracer.core.environment import is_same
from tracer.core.numbers.equal_tensors import EqualTensors
from tracer.core.soundness.signals import Signal, Signals, look_at_inputs, output_signal, signal_of
from tracer.core.source import Arrays, Call, End, Run, Source, Value
from tracer.core.structure import count_samples
from tracer.progress import Progress

LocalErrors = dict[str, float]
_NOTHING_KNOWN: Mapping[str, Judgement] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that one lock-step run has found.

    Attributes:
        judgements: of the paired call sites, in execution order.
        unmatched_reference: calls without a partner.
        unmatched_candidate: calls without a partner.
        outputs: gap of each model output.
        reference_end: the reference's return.
        candidate_end: the candidate's return.
        leak: path of the call site after which the sides' call contexts first differed, by the path of each call site
            that was called in another context.
        alignment: the layers that the sides have in common.
        signals: what the reference's activations carry, by which `soundness` says whether it is enough.
        samples: see `tracer.core.comparison.gap.Terms`.
        slack: see there.
        upstream: least precise dtype of all that a call site's inputs were computed from, by its path.
        run: what both sides were run on.
    """

    judgements: tuple[Judgement, ...]
    unmatched_reference: tuple[Call, ...]
    unmatched_candidate: tuple[Call, ...]
    outputs: tuple[Gap, ...]
    reference_end: End
    candidate_end: End
    leak: dict[str, str]
    alignment: Alignment
    run: Run
    signals: Signals = field(default_factory=Signals)
    samples: int = 0
    slack: float = 1.0
    upstream: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _TraceBuilder:
    """What a run has found so far."""

    bounds: Bounds
    alignment: Alignment
    explain: bool = True
    known: Mapping[str, Judgement] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    inside: dict[str, list[Judgement]] = field(default_factory=dict)
    held: dict[str, Call] = field(default_factory=dict)
    lone_reference: list[Call] = field(default_factory=list)
    lone_candidate: list[Call] = field(default_factory=list)
    leak: dict[str, str] = field(default_factory=dict)
    leaking: str | None = None
    signals: list[Signal] = field(default_factory=list)
    upstream: dict[str, str] = field(default_factory=dict)


def lockstep(
    reference: Source,
    candidate: Source,
    inputs: Arrays,
    *,
    training: bool | None = False,
    explain: bool = True,
    pictures: bool = False,
    progress: Progress | None = None,
    ahead: bool = True,
    large: int = LARGE,
    known: Mapping[str, Judgement] = _NOTHING_KNOWN,
) -> Trace:
    """Run both on the same inputs, once; the candidate speaks in the reference's layer names from here on.

    Both are at rest afterwards, whatever happens.

    Args:
        reference: the side that is taken as the measure; see `tracer.core.source.Source`.
        candidate: the other one.
        inputs: arrays in the structure that both models take.
        training: passed on to both models.
        explain: find out why, and keep the tensors of what is wrong; False: local errors are all that is wanted.
        pictures: make small pictures of every output that differs; for pages.
        progress: called with (phase, call sites done, call sites in all).
        ahead: let the sides compute on while their outputs are compared; the trace is the same without.
        large: bytes of outputs from which on layers run one side after the other.
        known: call sites that were found at fault on other inputs, by layer path: they aren't looked into again.

    Raises:
        TracerError: when a model or its worker fails.
    """
    alignment = align(reference.outline, candidate.outline)
    candidate.rename(alignment.names)
    run = Run(inputs=inputs, training=training, seeds=reference.seeds())
    pace = Pace(reference, candidate, run, ahead, large)
    wider = slack_between(reference, candidate)
    terms = Terms(
        slack=wider,
        samples=count_samples(inputs),
        twins=EqualTensors(),
        pictures=pictures,
        rounds_otherwise=not is_same(reference.environment, candidate.environment),
    )
    found = _TraceBuilder(Bounds(terms), alignment, explain=explain, known=known)
    with at_rest_afterwards(reference, candidate):
        pace.begin()
        while isinstance(pace.r, Call) or isinstance(pace.c, Call):
            _step(pace, found)
            if progress is not None:
                progress("comparing", len(found.judgements), len(alignment.reference))
        return _trace(pace, found)


def _trace(pace: Pace, found: _TraceBuilder) -> Trace:
    r, c = pace.r, pace.c
    assert isinstance(r, End)
    assert isinstance(c, End)
    return Trace(
        judgements=tuple(found.judgements),
        unmatched_reference=(*found.lone_reference, *found.held.values()),
        unmatched_candidate=tuple(found.lone_candidate),
        outputs=gaps(r.outputs, c.outputs, replace(found.bounds.terms_at(r.wiring, c.wiring), twins=None)),
        upstream=found.upstream,
        samples=found.bounds.terms.samples,
        slack=found.bounds.terms.slack,
        reference_end=r,
        candidate_end=c,
        leak=found.leak,
        alignment=found.alignment,
        run=pace.run,
        signals=_signals(found.signals, r, pace.run.inputs),
    )


def _step(pace: Pace, found: _TraceBuilder) -> None:
    """Judge the pair if it is one, else let the side go on that is ahead of nothing."""
    r, c = pace.r, pace.c
    if isinstance(r, Call) and isinstance(c, Call) and r.path == c.path:
        del r, c  # see `Pace.next`
        pace.next(*_together(pace, found))
    elif isinstance(c, Call) and c.path in found.held:
        pace.next_candidate(_belated(pace, c, found))
    elif isinstance(c, Call) and (not isinstance(r, Call) or found.alignment.is_only_in_candidate(c.path)):
        found.bounds.passed(found.bounds.terms_at(c.wiring), (), c)
        found.lone_candidate.append(_light(c))
        pace.next_candidate()
    else:
        _pass_by(pace, found)


def _pass_by(pace: Pace, found: _TraceBuilder) -> None:
    """Let the reference go on from a call to which the candidate hasn't come, and may never come."""
    r, c = pace.r, pace.c
    assert isinstance(r, Call)
    if isinstance(c, Call) and not found.alignment.is_only_in_reference(r.path):
        found.held[r.path] = r  # the candidate may come to it later, in another order
    else:
        found.bounds.passed(found.bounds.terms_at(r.wiring), (), r)
        found.lone_reference.append(_light(r))
    pace.next_reference()


def _together(pace: Pace, found: _TraceBuilder) -> tuple[bool, tuple[Value, ...] | None]:
    """Judge a pair of calls at which both sides stand; see `Pace.next` for what is returned."""
    r, c = pace.r, pace.c
    assert isinstance(r, Call)
    assert isinstance(c, Call)
    match = match_calls(r, c, found.bounds.terms.twins)
    pace.run_ahead(r, c, match)
    judged = _judged(pace, r, c, match, found)
    _note_judgement(judged, found)
    return pace.in_turn(r, c), pace.instead(r, c, judged)


def _belated(pace: Pace, c: Call, found: _TraceBuilder) -> tuple[Value, ...] | None:
    """Judge a call of the candidate's that the reference came by earlier; with what the candidate is to go on."""
    r = found.held.pop(c.path)
    judged = _judged(pace, r, c, match_calls(r, c, found.bounds.terms.twins), found, standing=False)
    _note_judgement(judged, found)
    return pace.instead(r, c, judged)


def _judged(
    pace: Pace, r: Call, c: Call, match: CallMatch, found: _TraceBuilder, *, standing: bool = True
) -> Judgement:
    """A judgement that holds; `standing` says whether the reference stands at this call too."""
    inner = found.inside.pop(r.path, ())
    terms = found.bounds.terms_at(r.wiring, c.wiring)
    found.upstream[r.path] = terms.upstream
    found.bounds.passed(terms, [judgement.reference.path for judgement in inner], r, c)
    judged = judge(r, c, match, pace.at(pace.candidate, c.path), inner, terms=terms)
    if judged.introduced and found.explain:
        judged = _confirmed(pace, judged, inner, found, standing=standing)
        found.bounds.note_rounding(r.path, judged.rounding)
    return judged


def _confirmed(
    pace: Pace, judged: Judgement, inner: Sequence[Judgement], found: _TraceBuilder, *, standing: bool
) -> Judgement:
    path, terms = judged.reference.path, found.bounds.terms
    reference, candidate = pace.at(pace.reference, path), pace.at(pace.candidate, path)
    known = found.known.get(path)
    again = confirm_again(judged, known, candidate, terms=terms) if known is not None else None
    return again or confirm(judged, reference, candidate, inner, standing=standing, terms=terms)


def _light(call: Call) -> Call:
    """Without its tensors: nothing will be compared with it."""
    return replace(call, inputs=(), outputs=())


def _note_judgement(judgement: Judgement, found: _TraceBuilder) -> None:
    r, c = judgement.reference, judgement.candidate
    _follow_context(r, c, found)
    found.signals += [signal_of(r.path, value.array) for value in r.outputs]
    if r.box:
        found.inside.setdefault(r.box, []).append(judgement)
    if found.bounds.terms.pictures:
        judgement = pictured(judgement)
    keeps = found.explain and _is_suspect(judgement)
    found.judgements.append(judgement if keeps else without_tensors(judgement))


def _follow_context(r: Call, c: Call, found: _TraceBuilder) -> None:
    """Note from which call on the sides' call contexts differ, and which calls that has reached.

    A call that is in another context when it begins has got it from the code around it, if no call before it leaks one;
    and that code, from the code around it in turn, if it is found to have begun in another context too.
    """
    began_otherwise = r.context.get("training") != c.context.get("training")
    if began_otherwise and r.box and found.leaking == r.path:
        found.leak = {path: r.box if origin == r.path else origin for path, origin in found.leak.items()}
        found.leaking = r.box
    if found.leaking is not None and dict(r.context) != dict(c.context):
        found.leak[r.path] = found.leaking
    origin = found.leaking or (r.box if began_otherwise else "") or r.path
    found.leaking = origin if r.training_after != c.training_after else None


def _is_suspect(judgement: Judgement) -> bool:
    """Whether it may be blamed, so that its tensors are still needed."""
    rewired = not judgement.same_inputs and _rewired(judgement)
    return judgement.introduced or judgement.context_differs or rewired


def _rewired(judgement: Judgement) -> bool:
    return judgement.reference.wiring != judgement.candidate.wiring


def without_tensors(judgement: Judgement) -> Judgement:
    """What is left of it once nothing will be compared with it any more."""
    return replace(judgement, reference=_light(judgement.reference), candidate=_light(judgement.candidate))


def _signals(calls: Sequence[Signal], end: End, inputs: object) -> Signals:
    fed = look_at_inputs(inputs)
    return Signals(calls=tuple(calls), outputs=signals_of_outputs(end, fed.samples), fed=fed)


def signals_of_outputs(end: End, samples: int) -> tuple[Signal, ...]:
    """What the model outputs carry, each by the layer that it comes from, or by its place."""
    names = end.wiring if end.wiring is not None and len(end.wiring) == len(end.outputs) else None
    return tuple(
        output_signal(names[index] if names else f"number {index}", value.array, samples)
        for index, value in enumerate(end.outputs)
    )


def local_errors(
    reference: Source, candidate: Source, inputs: Arrays, *, progress: Progress | None = None
) -> LocalErrors:
    """Relative L2 error of every layer alone, on the reference's inputs: {layer path: error}, in execution order.

    Raises:
        TracerError: when a model or its worker fails.
    """
    trace = lockstep(reference, candidate, inputs, explain=False, progress=progress)
    return {layer.layer: layer.local_error or 0.0 for judgement in trace.judgements for layer in judgement.layers}
