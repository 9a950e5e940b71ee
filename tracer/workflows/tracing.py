"""diff, roundtrip and demo."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracer.core.feed import Feed
from tracer.core.formats import Format, FormatName, chosen, format_named
from tracer.core.host import Host, Needed
from tracer.core.outcomes import Outcomes
from tracer.core.spec import parse_spec
from tracer.errors import SpecError, TracerError, WorkerError
from tracer.progress import Progress
from tracer.records import Report, Status
from tracer.system.leftovers import temporary_folder
from tracer.workflows.arguments import check_arguments, check_batch_size, check_round_trip
from tracer.workflows.comparing import Options, Timings, clocked, compare
from tracer.workflows.feeding import check_read_once, compare_all, feeds_for
from tracer.workflows.opening import (
    Loading,
    Model,
    check_packages,
    closing,
    is_elsewhere,
    needed_by,
    open_source,
    open_worker,
    start_source,
)
from tracer.workflows.outputs import compare_outputs

_ONE_SEED = (
    "both sides are one model, whose random layers would draw for both from one seed: give a copy of it "
    "(keras.models.clone_model and set_weights), or load it twice."
)
_DEMO = "tracer.zoo:pretrained_classifier_nested"


@clocked
def diff(
    reference: Model,
    candidate: Model,
    inputs: Any = None,
    *,
    training: bool | None = False,
    seed: int = 0,
    batch: int | None = None,
    batch_size: int | None = None,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    packages: Sequence[str] = (),
    memory_limit: str | int | None = None,
    strict: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Compare two models layer by layer and say which layers are at fault.

    Args:
        reference: a Keras model, or a specification of one, as the command line takes it (`EfficientNetB0@3.4.1`).
        candidate: likewise.
        inputs: array(s) in the structure that the models take, the path of a `.npz`, `.npy` or image file, or None for
            seeded ones that fit the reference's input signature. All samples that are given are used. Many batches are
            anything that can be iterated over: a generator, a `tf.data.Dataset`, a `DataLoader`, a `PyDataset`.
        training: handed on to both models: False as `predict` does, True, or None to call them as `model(x)`.
        seed: of seeded weights and inputs.
        batch: samples in seeded inputs, two when None; beside `inputs` only their own number of samples fits.
        batch_size: cut `inputs` into batches of so many samples; the memory needed is that of one. The report has the
            worst batch of every layer.
        prove: put each side's outputs into the other at the faults, to prove the blame.
        custom_objects: modules to import first, for models that need custom objects.
        packages: more requirements for the environments of `@release` models, such as `tensorflow==2.16.2`.
        memory_limit: bytes, or such a size as `2GB`, that the comparison may take over the two loaded models.
        strict: configuration and state that differ fail also where these inputs don't show it.
        trust: load model files with all that they contain, Python code too; without it they are screened first.
        progress: called with (phase, done, total).

    Raises:
        TracerError: when a model can't be built, loaded or run, or the inputs don't fit.
    """
    check_packages((reference, candidate), packages)
    check_batch_size(inputs, batch_size)
    check_arguments(
        reference,
        candidate,
        inputs=inputs,
        memory_limit=memory_limit,
        batch_size=batch_size,
        custom_objects=custom_objects,
    )
    options = Options(training=training, prove=prove, progress=progress, memory_limit=memory_limit, strict=strict)
    with contextlib.ExitStack() as stack:
        with (timings := Timings()).of("open"):
            loading = Loading(custom_objects, trust)
            started = [start_source(m, stack, loading, seed, progress, packages) for m in (reference, candidate)]
            first, second = (build() for build in started)
            feeds = feeds_for(first, inputs, seed, batch, batch_size)
        shared = reference is candidate and bool(first.seeds())
        if shared and training:
            raise SpecError(_ONE_SEED)
        report = compare_all(first, second, feeds, options, timings)
        if shared and report.status == Status.DIVERGED:  # a layer may train by itself, inside the model
            raise SpecError(_ONE_SEED)
        return report


@clocked
def roundtrip(
    model: Model,
    inputs: Any = None,
    *,
    format: FormatName = "keras",
    training: bool | None = False,
    seed: int = 0,
    batch: int | None = None,
    batch_size: int | None = None,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    same_process: bool = False,
    verify_upgrade: bool = False,
    packages: Sequence[str] = (),
    memory_limit: str | int | None = None,
    strict: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Save a model, load it in a fresh process, and compare the two layer by layer; raises what `diff` raises.

    Args:
        model: a Keras model, or a specification of one.
        inputs: see `diff`.
        format: how it is saved and loaded: a name from `tracer.core.formats`, as `keras`, `h5`, `weights`, `config`.
        training: see `diff`.
        seed: see `diff`.
        batch: see `diff`.
        batch_size: see `diff`.
        prove: see `diff`.
        custom_objects: modules to import in the fresh process first.
        same_process: load it in this process instead.
        verify_upgrade: where an upgrade is advised, make the same round trip in that release, and say what came of it.
        packages: see `diff`.
        memory_limit: see `diff`.
        strict: see `diff`.
        trust: see `diff`; here also of what was saved, which is loaded again.
        progress: see `diff`.
    """
    return _or_raise(
        roundtrip_formats(
            model,
            [format_named(format).name],
            inputs,
            training=training,
            seed=seed,
            batch=batch,
            batch_size=batch_size,
            prove=prove,
            custom_objects=custom_objects,
            same_process=same_process,
            verify_upgrade=verify_upgrade,
            packages=packages,
            memory_limit=memory_limit,
            strict=strict,
            trust=trust,
            progress=progress,
        )[format]
    )


def _or_raise(found: Report | TracerError) -> Report:
    if isinstance(found, TracerError):
        raise found
    return found


def roundtrip_formats(
    model: Model,
    formats: Sequence[str] | None,
    inputs: Any = None,
    *,
    training: bool | None = False,
    seed: int = 0,
    batch: int | None = None,
    batch_size: int | None = None,
    prove: bool = True,
    custom_objects: Sequence[str] = (),
    same_process: bool = False,
    verify_upgrade: bool = False,
    packages: Sequence[str] = (),
    memory_limit: str | int | None = None,
    strict: bool = False,
    trust: bool = False,
    progress: Progress | None = None,
) -> Outcomes:
    """`roundtrip` in several formats: those of every day when none is named, every one for `all`.

    A failure is the result of its format, and not the end of the others.
    """
    _check_where(model, same_process=same_process, packages=() if verify_upgrade else packages)
    check_round_trip(model)
    check_batch_size(inputs, batch_size)
    check_arguments(
        model,
        inputs=inputs,
        formats=formats or (),
        memory_limit=memory_limit,
        batch_size=batch_size,
        custom_objects=custom_objects,
    )
    start, found = time.perf_counter(), dict[str, Report | TracerError]()
    again = {
        "training": training,
        "seed": seed,
        "batch": batch,
        "batch_size": batch_size,
        "custom_objects": custom_objects,
        "packages": packages,
        "trust": trust,
    }
    with contextlib.ExitStack() as stack:
        # Started first: it imports Keras while the model is being built here.
        loader = None if same_process else _Loader(model, stack, packages, progress)
        first = open_source(model, stack, custom_objects, seed, progress, packages, trust=trust)
        feeds = feeds_for(first, inputs, seed, batch, batch_size)
        names = chosen(formats, first.formats())
        check_read_once(feeds, len(names))
        options = Options(training=training, prove=prove, progress=progress, memory_limit=memory_limit, strict=strict)
        for format in names:
            way, loading = replace(options, format=format), Loading(custom_objects, trust)
            try:
                report = _reloaded(first, loader, feeds, way, loading)
                found[format] = with_upgrade(report, model, inputs, format, again) if verify_upgrade else report
            except TracerError as error:
                found[format] = error
    return Outcomes(found, seconds=time.perf_counter() - start)


def _check_where(model: Model, *, same_process: bool, packages: Sequence[str]) -> None:
    """What can't be had together would run in another environment than the one that was asked for."""
    check_packages((model,), packages)
    if same_process and is_elsewhere(model):
        raise SpecError(
            f"{model} runs in an environment of its own, and can't be loaded in this process: leave --same-process or "
            "the release out."
        )


class _Loader:
    """The fresh process that models are loaded in, one after the other; a new one when it has died.

    Args:
        model: its specification names the environment that the process belongs in.
        stack: closes it.
        packages: that the environment has besides; see `open_worker`.
        progress: called with (phase, done, total).
    """

    def __init__(
        self, model: Model, stack: contextlib.ExitStack, packages: Sequence[str], progress: Progress | None
    ) -> None:
        spec = parse_spec(model) if isinstance(model, str) else None
        self._start = functools.partial(open_worker, spec, stack, packages, progress)
        self._worker = self._start()

    def load(self, folder: str, format: str, needed: Needed) -> Host:
        """A source of what was saved into a folder."""
        try:
            self._worker.load(folder, format, needed=needed)
        except WorkerError:
            self._worker = self._start()
            raise
        return self._worker


def with_upgrade(report: Report, model: Model, inputs: Any, format: str, again: Mapping[str, Any]) -> Report:
    """The report with what the same round trip says in each release that it advises.

    Raises:
        SpecError: if the model isn't given by a specification: a live model can't go into another Keras.
    """
    if not isinstance(model, str):
        raise SpecError("an upgrade is verified in another Keras: give the model by a specification, not live.")
    spec = parse_spec(model)
    tried = {}
    for release in {fault.fixed_in: None for fault in report.faults if fault.fixed_in}:
        upgraded = replace(spec, release=release, text=f"{spec.target}@{release}")
        tried[release] = roundtrip(str(upgraded), inputs, format=format_named(format).name, prove=False, **again)
    faults = tuple(
        replace(fault, remedy=f"{fault.remedy or ''} {_upgrade_says(fault.fixed_in, tried[fault.fixed_in])}".strip())
        if fault.fixed_in
        else fault
        for fault in report.faults
    )
    return replace(report, faults=faults)


def _upgrade_says(release: str, report: Report) -> str:
    if report.matches:
        return f"Upgrade verified: in Keras {release} the same round trip is a {report.status}."
    blamed = ", ".join(fault.layer for fault in report.faults) or "no single layer"
    return f"Upgrade tried: in Keras {release} the same round trip still ends in {report.status} ({blamed})."


def demo(progress: Progress | None = None) -> Report:
    """A real defect of the installed Keras: a nested EfficientNet loses its normalization through `.h5`."""
    return roundtrip(_DEMO, format="h5", progress=progress)


@clocked
def _reloaded(first: Host, loader: _Loader | None, feeds: Iterable[Feed], options: Options, loading: Loading) -> Report:
    """Save the reference, load it in the loader's process (in this one without), compare."""
    way, timings = format_named(str(options.format)), Timings()
    compared = compare_outputs if way.outputs_only else compare
    with contextlib.ExitStack() as stack:
        folder = str(stack.enter_context(temporary_folder()))
        if options.progress is not None:
            options.progress(f"saving and loading as {way.name}", 0, 0)
        second = _back(first, loader, folder, way, loading, timings, stack)
        return compare_all(first, second, feeds, options, timings, by=compared)


def _back(
    first: Host,
    loader: _Loader | None,
    folder: str,
    way: Format,
    loading: Loading,
    timings: Timings,
    stack: contextlib.ExitStack,
) -> Host:
    """The model that comes back by one way."""
    if way.live:
        with timings.of("load"):
            return closing(first.duplicate(way.name), stack)
    with timings.of("save"):
        first.save(folder, way.name)
    with timings.of("load"):
        if loader is None:
            from tracer.engine import host  # where all is in workers, this process needs no Keras

            saved = host.from_saved(folder, way.name, custom_objects=loading.custom_objects, trust=loading.trust)
            second: Host = closing(saved, stack)
        else:
            second = loader.load(folder, way.name, needed_by(first, loading))
    second.spec = f"{first.spec}, saved as {way.name} and loaded in {'a fresh' if loader else 'this'} process"
    return second
