"""Run two sources in lock-step, call site by call site, and judge each pair as it passes.

reference  ── a ── b ── c ── d ── ▶        both stop after every call site; the pair is compared, judged,
candidate  ── a ── b ── c ── d ── ▶        and let go before the next one runs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tracer.core.judge import Gap, Judgement, confirm, gaps, judge, look_equal, slack_between
from tracer.core.plan import align, all_paths, static_path
from tracer.core.soundness import Signal, Signals, look_at_inputs, output_signal, signal_of
from tracer.core.source import Call, End, Source, Value
from tracer.core.twins import Twins, stays
from tracer.errors import ModelError
from tracer.progress import Progress
from tracer.records import Verdict

LocalErrors = dict[str, float]
_LARGE = 16 << 20  # bytes: of layers with such outputs two at once would take too much memory
_RETURNS = 2  # so often a side runs ahead in vain; then both wait for the verdict


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
        known: layer paths, without calls, of each side's model.
        signals: what the reference's activations carry, by which `tracer.core.soundness` says whether it is enough.
    """

    judgements: tuple[Judgement, ...]
    unmatched_reference: tuple[Call, ...]
    unmatched_candidate: tuple[Call, ...]
    outputs: tuple[Gap, ...]
    reference_end: End
    candidate_end: End
    leak: dict[str, str]
    known: tuple[frozenset[str], frozenset[str]]
    signals: Signals = field(default_factory=Signals)

    def called_elsewhere(self, path: str) -> bool:
        """Whether both sides have the layer, so that one of them merely doesn't make this call of it."""
        return all(static_path(path) in side for side in self.known)


@dataclass(slots=True)
class _Progressing:
    """What a run has found so far."""

    explain: bool = True
    judgements: list[Judgement] = field(default_factory=list)
    inside: dict[str, list[Judgement]] = field(default_factory=dict)
    held: dict[str, Call] = field(default_factory=dict)
    lone_reference: list[Call] = field(default_factory=list)
    lone_candidate: list[Call] = field(default_factory=list)
    leak: dict[str, str] = field(default_factory=dict)
    leaking: str | None = None
    signals: list[Signal] = field(default_factory=list)
    twins: Twins = field(default_factory=Twins)


@dataclass(slots=True)
class _Pace:
    """Both sides, and which of them may be a call site ahead of the comparison.

    Both compute on while their outputs are compared, where these are small and look equal.  Where the candidate's
    layer has to be called again, because other tensors came in, only the reference does.  If the layer is found guilty
    all the same, both are needed at that call site, and are run again up to it.
    """

    reference: Source
    candidate: Source
    inputs: Any
    training: bool
    seeds: Any
    r: Call | End | None = None
    c: Call | End | None = None
    wider: float = 1.0
    returns: int = 0
    helped: bool = False

    def begin(self) -> None:
        """Start both, and wait for the first call of each."""
        self.wider = slack_between(self.reference, self.candidate)
        for source in (self.reference, self.candidate):
            source.begin(self.inputs, training=self.training, seeds=self.seeds)
        self.r, self.c = self.reference.receive(), self.candidate.receive()

    def next_reference(self) -> None:
        """Let the reference alone go on to its next call."""
        self.r = None  # its tensors are in nobody's way while the next layer runs
        self.reference.proceed()
        self.r = self.reference.receive()

    def next_candidate(self, outputs: Sequence[Value] | None = None) -> None:
        """Let the candidate alone go on, with these outputs in place of its own where given."""
        self.c = None
        self.candidate.proceed(outputs)
        self.c = self.candidate.receive()

    def next(self, ahead: Sequence[Source], in_turn: bool, outputs: Sequence[Value] | None = None) -> None:
        """Let both go on of whom those `ahead` do already; one after the other where that saves memory.

        The candidate comes first, because it may have got the reference's outputs and let its own go.
        """
        self.r = self.c = None
        if self.candidate not in ahead:
            self.candidate.proceed(outputs)
        self.c = self.candidate.receive() if in_turn else None
        if self.reference not in ahead:
            self.reference.proceed()
        self.r = self.reference.receive()
        self.c = self.c or self.candidate.receive()

    def run_ahead(self, r: Call, c: Call, twins: Twins) -> tuple[Source, ...]:
        """Let those go on of whom it is likely that nobody will ask about this call; they are returned."""
        if self.returns >= _RETURNS or r.error or c.error or r.is_box or c.is_box:
            return ()
        if _is_large(r) or not all(map(stays, (*r.inputs, *r.outputs, *c.outputs))):
            return ()
        came_otherwise = len(r.inputs) != len(c.inputs) or not all(map(twins.known, r.inputs, c.inputs))
        same_call = not came_otherwise and dict(r.context) == dict(c.context)
        ahead: tuple[Source, ...] = (self.reference,) if came_otherwise else ()
        if all(look_equal(a, b) for a, b in zip(r.outputs, c.outputs, strict=False)):
            # A candidate whose layer raised came this far with the reference's outputs, and would not come back alone.
            both = same_call and not self.helped
            ahead = (self.reference, self.candidate) if both else (self.reference,)
        for source in ahead:
            source.proceed()
        return ahead

    def instead(self, r: Call, c: Call, judged: Judgement) -> tuple[Value, ...] | None:
        """What the candidate is to go on with in place of its own outputs.

        The reference's where it has none, because its layer raised; and where the two are large, bit for bit the same,
        and of one process: one of them can be let go before the next layer runs.
        """
        if c.error and not r.error:
            self.helped = True
            return r.outputs
        both = (*r.outputs, *c.outputs)
        share = _is_large(r) and all(value.native is not None and stays(value) for value in both)
        return r.outputs if share and all(one.verdict is Verdict.IDENTICAL for one in judged.layers) else None

    def go_back(self, ahead: Sequence[Source], path: str) -> None:
        """Run those that are ahead again, up to a call site.

        Raises:
            ModelError: if one doesn't come by there again.
        """
        self.returns += bool(ahead)
        for source in ahead:
            source.begin(self.inputs, training=self.training, seeds=self.seeds)
            message = source.receive()
            while isinstance(message, Call) and message.path != path:
                source.proceed()
                message = source.receive()
            if not isinstance(message, Call):
                raise ModelError(
                    f"{source.spec}: run twice on the same inputs it didn't call {path} again. A model that chooses "
                    "its layers at random can't be compared layer by layer: fix its choice, or compare its parts."
                )


def pair_up(reference: Source, candidate: Source) -> None:
    """Let the candidate speak in the reference's layer names."""
    candidate.rename(align(reference.outline, candidate.outline))


def lockstep(
    reference: Source, candidate: Source, inputs: Any, *, training: bool = False, explain: bool = True,
    progress: Progress | None = None,
) -> Trace:  # fmt: skip
    """Run both on the same inputs, once.

    Args:
        reference: the side that is taken as the measure; see `tracer.core.source.Source`.
        candidate: the other one, after `pair_up`.
        inputs: arrays in the structure that both models take.
        training: passed on to both models.
        explain: find out why, and keep the tensors of what is wrong; False: local errors are all that is wanted.
        progress: called with (phase, call sites done, call sites in all).

    Raises:
        TracerError: when a model or its worker fails.
    """
    seeds = reference.seeds()
    pace = _Pace(reference, candidate, inputs, training, seeds)
    pace.begin()
    known = all_paths(reference.outline), all_paths(candidate.outline, align(reference.outline, candidate.outline))
    found = _Progressing(explain=explain)
    while isinstance(pace.r, Call) or isinstance(pace.c, Call):
        _step(pace, known, found)
        if progress is not None:
            progress("comparing", len(found.judgements), len(known[0]))
    r, c = pace.r, pace.c
    assert isinstance(r, End) and isinstance(c, End)
    return Trace(
        judgements=tuple(found.judgements),
        unmatched_reference=(*found.lone_reference, *found.held.values()),
        unmatched_candidate=tuple(found.lone_candidate),
        outputs=gaps(r.outputs, c.outputs, slack=pace.wider),
        reference_end=r,
        candidate_end=c,
        leak=found.leak,
        known=known,
        signals=_signals(found.signals, r, inputs),
    )


def _step(pace: _Pace, known: tuple[frozenset[str], frozenset[str]], found: _Progressing) -> None:
    """Judge the pair if it is one, else let the side go on that is ahead of nothing."""
    r, c = pace.r, pace.c
    if isinstance(r, Call) and isinstance(c, Call) and r.path == c.path:
        del r, c  # see `_Pace.next`
        pace.next(*_together(pace, found))
    elif isinstance(c, Call) and c.path in found.held:
        pace.next_candidate(_belated(pace, c, found))
    elif isinstance(c, Call) and (not isinstance(r, Call) or _only_in(c.path, known[1], known[0])):
        found.lone_candidate.append(_light(c))
        pace.next_candidate()
    else:
        assert isinstance(r, Call)
        if isinstance(c, Call) and not _only_in(r.path, known[0], known[1]):
            found.held[r.path] = r  # the candidate may come to it later, in another order
        else:
            found.lone_reference.append(_light(r))
        pace.next_reference()


def _together(pace: _Pace, found: _Progressing) -> tuple[tuple[Source, ...], bool, tuple[Value, ...] | None]:
    """Judge a pair of calls at which both sides stand; see `_Pace.next` for what is returned."""
    r, c = pace.r, pace.c
    assert isinstance(r, Call)
    assert isinstance(c, Call)
    ahead = pace.run_ahead(r, c, found.twins)
    judged = judge(r, c, pace.candidate, found.inside.pop(r.path, ()), wider=pace.wider, twins=found.twins)
    if judged.introduced and found.explain:
        pace.go_back(ahead, r.path)
        ahead = ()
        judged = confirm(judged, pace.reference, pace.candidate)
    _judged(judged, found)
    return ahead, _is_large(r), pace.instead(r, c, judged)


def _belated(pace: _Pace, c: Call, found: _Progressing) -> tuple[Value, ...] | None:
    """Judge a call of the candidate's that the reference came by earlier; with what the candidate is to go on."""
    r = found.held.pop(c.path)
    judged = judge(r, c, pace.candidate, found.inside.pop(c.path, ()), wider=pace.wider, twins=found.twins)
    if judged.introduced and found.explain:
        judged = confirm(judged, pace.reference, pace.candidate, standing=False)
    _judged(judged, found)
    return pace.instead(r, c, judged)


def _is_large(call: Call) -> bool:
    return sum(value.array.nbytes for value in call.outputs) > _LARGE


def _only_in(path: str, here: frozenset[str], there: frozenset[str]) -> bool:
    name = static_path(path)
    return name in here and name not in there


def _light(call: Call) -> Call:
    """Without its tensors: nothing will be compared with it."""
    return replace(call, inputs=(), outputs=())


def _judged(judgement: Judgement, found: _Progressing) -> None:
    r, c = judgement.reference, judgement.candidate
    if dict(r.context) != dict(c.context) and found.leaking is not None:
        found.leak[r.path] = found.leaking
    found.leaking = (found.leaking or r.path) if r.training_after != c.training_after else None
    found.signals += [signal_of(r.path, value.array) for value in r.outputs]
    if r.box:
        found.inside.setdefault(r.box, []).append(judgement)
    keep = judgement.introduced or judgement.context_differs or (not judgement.same_inputs and _rewired(judgement))
    if not (keep and found.explain):
        judgement = _without_tensors(judgement)
    found.judgements.append(judgement)


def _rewired(judgement: Judgement) -> bool:
    return judgement.reference.wiring != judgement.candidate.wiring


def _without_tensors(judgement: Judgement) -> Judgement:
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


def local_errors(reference: Source, candidate: Source, inputs: Any, *, progress: Progress | None = None) -> LocalErrors:
    """Relative L2 error of every layer alone, on the reference's inputs: {layer path: error}, in execution order.

    Raises:
        TracerError: when a model or its worker fails.
    """
    pair_up(reference, candidate)
    trace = lockstep(reference, candidate, inputs, explain=False, progress=progress)
    return {layer.layer: layer.local_error or 0.0 for judgement in trace.judgements for layer in judgement.layers}


def run_with(source: Source, inputs: Any, replaced: dict[str, Sequence[Value]], *, training: bool, seeds: Any) -> End:
    """Run one source alone, with other outputs put in at some call sites; the way blame is proved."""
    source.begin(inputs, training=training, seeds=seeds)
    message: Call | End | None = source.receive()
    while isinstance(message, Call):
        path, message = message.path, None  # its tensors are in nobody's way while the next layer runs
        source.proceed(replaced.get(path))
        message = source.receive()
    assert message is not None
    return message
