"""What is done in which order: diff, roundtrip, demo.  Everything else only knows its own step."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracer.core import explain, localize, prove
from tracer.core.compare import Progress, Trace, lockstep, pair_up
from tracer.core.plan import static_path
from tracer.core.source import Facts, Source
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import ModelError, TracerError
from tracer.records import Fault, Report, Verdict

_DEMO = "tracer.zoo:pretrained_classifier_nested"
# So many dead activations, of all, that the comparison proves little.
_DEAD_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How two sources are to be compared.

    Attributes:
        training: passed on to both models.
        prove: heal and break, to prove the blame.
        format: the way the candidate was saved and loaded; None where it wasn't.
        progress: called with (phase, done, total).
    """

    training: bool = False
    prove: bool = True
    format: str | None = None
    progress: Progress | None = None


def diff(
    reference: Any,
    candidate: Any,
    inputs: Any = None,
    *,
    training: bool = False,
    seed: int = 0,
    batch: int = 2,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Compare two models layer by layer and say which layers are at fault.

    Args:
        reference: a Keras model, or a specification of one (`EfficientNetB0`, `m.keras`, `package.module:callable`,
            each with `@release` or `@release+backend` behind it).
        candidate: likewise.
        inputs: array(s) in the structure that the models take, the path of a `.npz`, `.npy` or image file, or None for
            seeded ones that fit the reference's input signature.
        training: run both with `training=True`.
        seed: of seeded weights and inputs.
        batch: samples in seeded inputs.
        prove: put each side's outputs into the other at the faults, to prove the blame.
        custom_objects: modules to import first, for models that need custom objects.
        progress: called with (phase, done, total).

    Raises:
        TracerError: when a model can't be built, loaded or run, or the inputs don't fit.
    """
    options = Options(training=training, prove=prove, progress=progress)
    timings = _Timings()
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            first = _open(reference, stack, custom_objects, seed, progress)
            second = _open(candidate, stack, custom_objects, seed, progress)
            arrays = _inputs(first, inputs, seed, batch)
        return compare(first, second, arrays, options, timings)


def roundtrip(
    model: Any,
    inputs: Any = None,
    *,
    format: str = "keras",
    training: bool = False,
    seed: int = 0,
    batch: int = 2,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    same_process: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Save a model, load it in a fresh process, and compare the two layer by layer.

    Args:
        model: a Keras model, or a specification of one.
        inputs: see `diff`.
        format: how it is saved and loaded; `keras`, `h5`, `weights` or `config`.
        training: see `diff`.
        seed: see `diff`.
        batch: see `diff`.
        prove: see `diff`.
        custom_objects: modules to import in the fresh process first.
        same_process: load it in this process instead.
        progress: see `diff`.

    Raises:
        TracerError: when the model can't be built, saved, loaded or run, or the inputs don't fit.
    """
    options = Options(training=training, prove=prove, format=format, progress=progress)
    timings = _Timings()
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            first = _open(model, stack, custom_objects, seed, progress)
            arrays = _inputs(first, inputs, seed, batch)
        return _reloaded(first, model, arrays, options, custom_objects, same_process, timings)


def roundtrip_formats(
    model: Any,
    formats: Sequence[str] | None,
    inputs: Any = None,
    *,
    training: bool = False,
    seed: int = 0,
    batch: int = 2,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    same_process: bool = False,
    progress: Progress | None = None,
) -> dict[str, Report | TracerError]:
    """`roundtrip` in several formats, all that the model supports when none is named; a failure is one's result."""
    found: dict[str, Report | TracerError] = {}
    with contextlib.ExitStack() as stack:
        first = _open(model, stack, custom_objects, seed, progress)
        arrays = _inputs(first, inputs, seed, batch)
        for format in dict.fromkeys(formats or first.formats()):
            options = Options(training=training, prove=prove, format=format, progress=progress)
            try:
                found[format] = _reloaded(
                    first, model, arrays, options, custom_objects, same_process, _Timings()
                )
            except TracerError as error:
                found[format] = error
    return found


def demo(progress: Progress | None = None) -> Report:
    """A real defect of the installed Keras: a nested EfficientNet loses its normalization through `.h5`."""
    return roundtrip(_DEMO, format="h5", progress=progress)


# --- sources


def _open(
    model: Any, stack: contextlib.ExitStack, custom_objects: Sequence[str], seed: int, progress: Progress | None
) -> Any:
    """A source for a model or a specification, closed with the stack."""
    from tracer.engine import host

    if not isinstance(model, (str, ModelSpec)):
        return _closing(host.from_model(model), stack)
    spec = parse_spec(model) if isinstance(model, str) else model
    if progress is not None:
        progress(f"opening {spec.text}", 0, 0)
    if spec.release is None and spec.backend is None:
        return _closing(host.from_spec(spec, custom_objects=custom_objects, seed=seed), stack)
    worker = _worker(spec, stack)
    worker.build(spec.target, custom_objects=custom_objects, seed=seed)
    worker.spec = spec.text
    return worker


def _worker(spec: ModelSpec | None, stack: contextlib.ExitStack) -> Any:
    """A worker in the environment that a specification names; beside this process where it names none."""
    from tracer.envs import environments, remote

    if spec is None or (spec.release is None and spec.backend is None):
        return _closing(remote.RemoteHost(), stack)
    command, variables = environments.command(spec.release, spec.backend)
    return _closing(remote.RemoteHost(command, variables), stack)


def _closing(source: Any, stack: contextlib.ExitStack) -> Any:
    stack.callback(source.close)
    return source


def _inputs(source: Any, inputs: Any, seed: int, batch: int) -> Any:
    if inputs is None or isinstance(inputs, str):
        return source.make_inputs(inputs, seed=seed, batch=batch)
    if hasattr(source, "fit_inputs"):
        return source.fit_inputs(inputs)
    return inputs


def _reloaded(
    first: Any, model: Any, arrays: Any, options: Options, custom_objects: Sequence[str], same_process: bool,
    timings: _Timings,
) -> Report:  # fmt: skip
    """Save the reference, load it elsewhere, compare."""
    from tracer.engine import host

    format = str(options.format)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tracer-"))
        with timings.of("save"):
            first.save(folder, format)
        with timings.of("load"):
            if same_process:
                second = _closing(host.from_saved(folder, format, custom_objects=custom_objects), stack)
            else:
                second = _worker(parse_spec(model) if isinstance(model, str) else None, stack)
                second.load(folder, format, custom_objects=_needed(first, custom_objects))
        second.spec = f"{first.spec}, saved as {format} and loaded in {'this' if same_process else 'a fresh'} process"
        return compare(first, second, arrays, options, timings)


def _needed(first: Any, custom_objects: Sequence[str]) -> tuple[str, ...]:
    """Modules that a fresh process must import: those given, and those whose classes the model is made of."""
    own = first.modules()
    if "__main__" in own and not custom_objects:
        raise ModelError(
            "the model has layers that are defined in __main__, which a fresh process can't import. Move them into a "
            "module and name it (custom_objects), or load in this process (same_process=True, --same-process)."
        )
    return tuple(dict.fromkeys([*custom_objects, *(name for name in own if name != "__main__")]))


# --- comparison


@dataclass(slots=True)
class _Timings:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


def compare(reference: Source, candidate: Source, inputs: Any, options: Options, timings: _Timings) -> Report:
    """Lock-step, localization, proof, explanation: the one way from two sources to a report."""
    pair_up(reference, candidate)
    with timings.of("compare"):
        trace = lockstep(reference, candidate, inputs, training=options.training, progress=options.progress)
    if not trace.judgements:
        raise ModelError(_nothing_in_common(reference, candidate, trace))
    found = localize.blames(trace)
    setting = prove.Setting(inputs, options.training, reference.seeds())
    proof, hidden = None, frozenset[str]()
    if found:
        with timings.of("prove"):
            if options.prove:
                proof = prove.prove(found, trace, reference, candidate, setting)
            hidden = prove.masked(found if options.prove else found[:1], trace, reference, setting)
    with timings.of("explain"):
        faults = tuple(
            _fault(blame, reference, candidate, options, proof=proof, masked=blame.layer in hidden) for blame in found
        )
    return _report(trace, faults, hidden, reference, candidate, timings)


def _fault(
    blame: localize.Blame, reference: Source, candidate: Source, options: Options, **more: Any
) -> Fault:
    here, there = reference.facts(blame.layer), candidate.facts(blame.layer)
    fault = explain.explain(
        blame, here, there,
        same_environment=dict(reference.environment) == dict(candidate.environment),
        siblings=lambda: _siblings(blame, reference),
    )  # fmt: skip
    releases = {"reference": reference.environment["keras"], "candidate": candidate.environment["keras"]}
    issue = None
    values = {name: getattr(fault, name) for name in Fault.__dataclass_fields__} | more
    if issue is not None:
        values |= {"known_issue": issue.id, "fixed_in": issue.fixed_in or None, "remedy": issue.remedy}
    return Fault(**values)


def _siblings(blame: localize.Blame, reference: Source) -> Mapping[str, Facts]:
    """Facts of the reference's other layers of the same class."""
    own = static_path(blame.layer)
    paths = [path for path, class_name in _classes(reference.outline, "") if class_name == blame.class_name]
    found = {path: reference.facts(path) for path in paths if path != own}
    return {path: facts for path, facts in found.items() if facts is not None}


def _classes(outline: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for child in outline.children:
        yield prefix + child.name, child.class_name
        yield from _classes(child, f"{prefix}{child.name}/")


def _report(
    trace: Trace, faults: tuple[Fault, ...], hidden: frozenset[str], reference: Source, candidate: Source,
    timings: _Timings,
) -> Report:  # fmt: skip
    layers = localize.layer_reports(trace, hidden)
    lone = len(trace.unmatched_reference) + len(trace.unmatched_candidate)
    return Report(
        status=localize.status(trace, layers, len(faults)),
        compared=len(layers),
        coverage=len(trace.judgements) / (len(trace.judgements) + lone),
        first_divergence=localize.first_divergence(layers),
        faults=faults,
        layers=layers,
        unmatched={
            "reference": tuple(call.path for call in trace.unmatched_reference),
            "candidate": tuple(call.path for call in trace.unmatched_candidate),
        },
        environments={"reference": dict(reference.environment), "candidate": dict(candidate.environment)},
        specs={"reference": reference.spec, "candidate": candidate.spec},
        timings={phase: round(seconds, 4) for phase, seconds in timings.seconds.items()},
        notes=tuple(_notes(trace, layers, faults)),
    )


def _notes(trace: Trace, layers: Sequence[Any], faults: Sequence[Fault]) -> Iterator[str]:
    for path, reason in sorted((trace.reference_end.opaque | trace.candidate_end.opaque).items()):
        yield f"{path or 'the model'}: {reason}; it was compared as a whole."
    if len(trace.dead) > _DEAD_SHARE * len(trace.judgements):
        yield (
            f"the signal is dead: {len(trace.dead)} of {len(trace.judgements)} activations are constant (the first is "
            f"{trace.dead[0]}), so that the comparison proves little. Give other inputs or weights."
        )
    random = [layer.layer for layer in layers if layer.verdict is Verdict.NONDETERMINISTIC]
    if random:
        yield f"{', '.join(random[:3])}: differs from itself when run twice on the reference, and isn't blamed."
    if not faults and any(g.beyond for g in trace.outputs):
        yield "the model outputs differ, and no layer introduces it: rounding that the model amplifies."


def _nothing_in_common(reference: Source, candidate: Source, trace: Trace) -> str:
    here = [call.path for call in trace.unmatched_reference][:4]
    there = [call.path for call in trace.unmatched_candidate][:4]
    return (
        f"nothing was compared: the two models have no layer path in common. {reference.spec} has {', '.join(here)}, …; "
        f"{candidate.spec} has {', '.join(there)}, …. Compare two models of the same architecture."
    )
