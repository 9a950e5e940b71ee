"""From two sources to a report: lock-step, localization, proof, explanation.  The one way."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ParamSpec

from tracer.core.batches.proved import Proved
from tracer.core.comparison import conclusion, localize, prove
from tracer.core.comparison.alignment import static_path
from tracer.core.comparison.lockstep import Trace, lockstep
from tracer.core.diagnosis import suspects
from tracer.core.diagnosis.explain import Circumstances, explain
from tracer.core.formats import FORMATS
from tracer.core.host import Host
from tracer.core.layer.differences import nobody
from tracer.core.layer.weights import held_by_siblings
from tracer.core.numbers.predictions import count_changed
from tracer.core.soundness.reasons import reason_to_doubt
from tracer.core.soundness.signals import check_inputs
from tracer.core.source import Arrays, Source, TakesTurns
from tracer.errors import ModelError
from tracer.progress import Progress
from tracer.records import Fault, LayerReport, Predictions, Proof, Report, Rule, Verdict
from tracer.workflows.budgeting import limit_of, within
from tracer.workflows.unseen import unseen, with_hidden

_Asked = ParamSpec("_Asked")
# With more faults than this nobody looks for single weights that went astray.
_FEW = 32
_IN_TURNS = "only one of the two models was loaded at a time, and the reference's activations were kept on disk."


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How two sources are to be compared.

    Attributes:
        training: passed on to both models; None for nothing, as people call them.
        prove: heal and break, to prove the blame.
        format: the way the candidate was saved and loaded; None where it wasn't.
        progress: called with (phase, done, total).
        memory_limit: bytes that both may take over the loaded models, or such a size as text.
        pictures: every layer that differs has small pictures for a page.
        strict: settings that differ make the sides diverge even where they have no effect on these inputs.
        rules: what counts as a prediction, by model output; None to tell it from the outputs.
        proved: what earlier batches have shown, to which this comparison adds; None where there are none.
    """

    training: bool | None = False
    prove: bool = True
    format: str | None = None
    progress: Progress | None = None
    memory_limit: str | int | None = None
    pictures: bool = False
    strict: bool = False
    rules: Mapping[str, Rule] | None = None
    proved: Proved | None = None


@dataclass(slots=True)
class Timings:
    """Seconds by phase, added up as phases end."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Time what is done within it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


def clocked(run: Callable[_Asked, Report]) -> Callable[_Asked, Report]:
    """Has the report say what all of it took, from opening the models to ending their workers, as its `total`."""

    @functools.wraps(run)
    def timed(*args: _Asked.args, **options: _Asked.kwargs) -> Report:
        start = time.perf_counter()
        report = run(*args, **options)
        return replace(report, timings={**report.timings, "total": round(time.perf_counter() - start, 4)})

    return timed


def compare(reference: Host, candidate: Host, inputs: Arrays, options: Options, timings: Timings) -> Report:
    """Run both in lock-step, say who is to blame, prove it, explain it.

    Raises:
        ModelError: when nothing could be compared.
        MemoryLimitError: when it needs more than it may.
        TracerError: when a model or its worker fails.
    """
    check_inputs(inputs)
    for source in (reference, candidate):
        source.prepare(inputs, training=options.training)
    reference, candidate = within(limit_of(options.memory_limit), inputs, reference, candidate)
    with timings.of("compare"):
        trace = _trace(reference, candidate, inputs, options)
    if not trace.judgements:
        raise ModelError(_nothing_in_common(reference, candidate, trace))
    faults = _faults(trace, reference, candidate, options, timings)
    with timings.of("weights"):
        is_first = options.proved is None or options.proved.batch == 0
        not_shown = unseen(reference, candidate, trace, faults, at_rest=is_first)
    hidden = frozenset(fault.layer for fault in faults if fault.masked)
    report = _report(trace, faults, hidden, reference, candidate, timings)
    report = replace(report, predictions=_predictions(trace, options))
    return with_hidden(report, not_shown, strict=options.strict)


def _trace(reference: Source, candidate: Source, inputs: Arrays, options: Options) -> Trace:
    """The lock-step run; where the reference takes turns and was asked what it couldn't say, once more."""

    def run() -> Trace:
        return lockstep(
            reference,
            candidate,
            inputs,
            training=options.training,
            pictures=options.pictures,
            progress=options.progress,
            known={} if options.proved is None else options.proved.confirmed,
        )

    trace = run()
    while isinstance(reference, TakesTurns) and reference.catch_up():
        trace = run()
    return trace


def _faults(trace: Trace, reference: Host, candidate: Host, options: Options, timings: Timings) -> tuple[Fault, ...]:
    """Who is to blame, explained and proved; what an earlier batch has proved is taken from there."""
    found, proved = localize.blames(trace), options.proved
    known = proved.known(found, prove.all_masked(found, trace)) if proved is not None and found else None
    if known is not None:
        return known
    proof, hidden = _prove(found, trace, reference, candidate, options, timings)
    with timings.of("explain"):
        faults = tuple(
            replace(fault, proof=proof, masked=fault.layer in hidden)
            for fault in _explain(found, reference, candidate, options)
        )
    if proved is not None:
        holds = not options.prove or (proof is not None and proof.holds)
        proved.add(trace, zip(found, faults, strict=True) if holds else ())
    return faults


def _prove(
    found: Sequence[localize.Blame],
    trace: Trace,
    reference: Host,
    candidate: Host,
    options: Options,
    timings: Timings,
) -> tuple[Proof | None, frozenset[str]]:
    """The proof of the blames, where one is asked for and can be made, and those that no output shows."""
    if not found:
        return None, frozenset()
    if options.progress is not None:
        options.progress("proving", 0, 0)
    with timings.of("prove"):
        proof = prove.prove(found, trace, reference, candidate) if options.prove else None
        return proof, prove.masked(found if options.prove else found[:1], trace, reference)


def _predictions(trace: Trace, options: Options) -> tuple[Predictions, ...]:
    """What changed of the predictions; a candidate whose layer raised went on with the reference's outputs."""
    if any(judgement.candidate.error for judgement in trace.judgements):
        return ()
    return count_changed(trace.reference_end, trace.candidate_end, options.rules)


def _explain(found: Sequence[localize.Blame], reference: Host, candidate: Host, options: Options) -> Iterator[Fault]:
    """Why, whose fault, whether it is known, and what helps."""
    family = FORMATS[options.format].family if options.format else None
    circumstances = Circumstances.between(reference.environment, candidate.environment, format=family)
    same, holdings = circumstances.same_environment, functools.cache(reference.holdings)
    for blame in found:
        own = reference, holdings, static_path(blame.layer), blame.class_name
        siblings = functools.partial(held_by_siblings, *own) if len(found) <= _FEW else nobody
        yield explain(suspects.from_blame(blame, same_environment=same, siblings=siblings), circumstances)


def _report(
    trace: Trace,
    faults: tuple[Fault, ...],
    hidden: frozenset[str],
    reference: Source,
    candidate: Source,
    timings: Timings,
) -> Report:
    layers = conclusion.layer_reports(trace, hidden)
    lone = len(trace.unmatched_reference) + len(trace.unmatched_candidate)
    says = conclusion.conclusion(trace, layers, len(faults))
    return Report(
        status=says.status,
        reason=says.reason,
        compared=len(layers),
        coverage=len(trace.judgements) / (len(trace.judgements) + lone),
        first_divergence=conclusion.first_divergence(layers),
        faults=faults,
        layers=layers,
        unmatched={
            "reference": tuple(call.path for call in trace.unmatched_reference),
            "candidate": tuple(call.path for call in trace.unmatched_candidate),
        },
        environments={"reference": dict(reference.environment), "candidate": dict(candidate.environment)},
        specs={"reference": reference.spec, "candidate": candidate.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=(*_notes(trace, layers, faults), *([_IN_TURNS] if isinstance(reference, TakesTurns) else [])),
    )


def _notes(trace: Trace, layers: Sequence[LayerReport], faults: Sequence[Fault]) -> Iterator[str]:
    yield from _came_back_as(trace)
    yield from _other_classes(trace)
    yield from _opaque(trace)
    if faults and (weak := reason_to_doubt(trace.signals)):
        yield weak
    random = [layer for layer in layers if layer.verdict is Verdict.NONDETERMINISTIC]
    if random:
        yield f"{', '.join(layer.layer for layer in random[:3])}: {random[0].note}, and isn't blamed."
    elif not faults and any(g.beyond for g in trace.outputs):
        yield "the model outputs differ, and no layer introduces it: rounding that the model amplifies."


def _came_back_as(trace: Trace) -> Iterator[str]:
    """Layers that lost the name that somebody gave them."""
    told = [f"`{path}` came back as `{name}`" for path, name in trace.alignment.renamed]
    if told:
        more = f" and {len(told) - 4} more" if len(told) > 4 else ""
        yield f"{', '.join(told[:4])}{more}: paired by class and by place, since a name was lost."


def _opaque(trace: Trace) -> Iterator[str]:
    """Layers that can't be looked into."""
    for path, reason in sorted({**trace.reference_end.opaque, **trace.candidate_end.opaque}.items()):
        yield f"{path or 'the model'}: {reason}; it was compared as a whole."


def _other_classes(trace: Trace) -> Iterator[str]:
    """Layers that are of another class on the two sides, and return the same."""
    for judgement in trace.judgements:
        here, there = judgement.reference.class_name, judgement.candidate.class_name
        if here != there and not judgement.introduced:
            path = judgement.reference.path
            yield f"{path}: {there} in the candidate, {here} in the reference; both return the same."


def _nothing_in_common(reference: Source, candidate: Source, trace: Trace) -> str:
    here = ", ".join(call.path for call in trace.unmatched_reference[:4]) or "no layer at all"
    there = ", ".join(call.path for call in trace.unmatched_candidate[:4]) or "no layer at all"
    return (
        f"nothing was compared: the two models have no layer in common. {reference.spec} has {here}, …; "
        f"{candidate.spec} has {there}, …. Compare two models of the same architecture."
    )
