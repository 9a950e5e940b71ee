"""Round trips: a model saved, loaded and compared, in one format or in several."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracer.core.feed import Feed
from tracer.core.formats import Format, FormatName, chosen, format_named
from tracer.core.host import Host
from tracer.core.outcomes import Outcomes
from tracer.core.spec import parse_spec
from tracer.errors import SpecError, TracerError
from tracer.progress import Progress
from tracer.records import Report
from tracer.system.leftovers import temporary_folder
from tracer.workflows.arguments import check_arguments, check_batch_size, check_round_trip
from tracer.workflows.comparing import Options, Timings, clocked, compare
from tracer.workflows.feeding import check_read_once, compare_all, feeds_for
from tracer.workflows.opening import Loading, Model, Way, check_packages, closing, is_elsewhere, open_source
from tracer.workflows.outputs import compare_outputs
from tracer.workflows.sequential.opening import check_in_turns, one_in_turns
from tracer.workflows.tracing.loaders import FreshProcess, InTurn, Loader, ThisProcess

_DEMO = "tracer.zoo:pretrained_classifier_nested"


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
    sequential: bool = False,
    pictures: bool = False,
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
        sequential: see `diff`.
        pictures: see `diff`.
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
            sequential=sequential,
            pictures=pictures,
            progress=progress,
        )[format]
    )


def _check_sequential(
    sequential: bool, same_process: bool, inputs: object, batch_size: int | None, memory_limit: str | int | None
) -> None:
    if not sequential:
        return
    check_in_turns(inputs, batch_size, memory_limit)
    if same_process:
        raise SpecError("--sequential loads each model in a process of its own: leave --same-process out.")


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
    sequential: bool = False,
    pictures: bool = False,
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
    _check_sequential(sequential, same_process, inputs, batch_size, memory_limit)
    start, found = time.perf_counter(), dict[str, Report | TracerError]()
    again = {
        "training": training,
        "seed": seed,
        "batch": batch,
        "batch_size": batch_size,
        "custom_objects": custom_objects,
        "packages": packages,
        "trust": trust,
        "sequential": sequential,
    }
    with contextlib.ExitStack() as stack:
        way = Way(stack, Loading(custom_objects, trust), seed, packages, progress)
        first, loader = _open(model, way, same_process=same_process, sequential=sequential)
        feeds = feeds_for(first, inputs, seed, batch, batch_size)
        names = chosen(formats, first.formats())
        check_read_once(feeds, len(names))
        options = Options(training=training, prove=prove, progress=progress, memory_limit=memory_limit, strict=strict)
        upgraded = functools.partial(with_upgrade, model=model, inputs=inputs, again=again) if verify_upgrade else None
        for format in names:
            found[format] = _outcome(first, loader, feeds, replace(options, format=format, pictures=pictures), upgraded)
    return Outcomes(found, seconds=time.perf_counter() - start)


def _outcome(
    first: Host, loader: Loader, feeds: Iterable[Feed], options: Options, upgraded: Callable[..., Report] | None
) -> Report | TracerError:
    """A failure is the result of its format, and not the end of the others."""
    try:
        report = _reload(first, loader, feeds, options)
        return report if upgraded is None else upgraded(report, format=options.format)
    except TracerError as error:
        return error


def _open(model: Model, way: Way, *, same_process: bool, sequential: bool) -> tuple[Host, Loader]:
    """The model that is saved, and what loads it again."""
    if sequential:
        first, reload = one_in_turns(model, way)
        return first, InTurn(way.loading, reload)
    # Started first: it imports Keras while the model is being built here.
    loader = ThisProcess(way.loading) if same_process else FreshProcess(model, way)
    return open_source(model, way), loader


def _check_where(model: Model, *, same_process: bool, packages: Sequence[str]) -> None:
    """What can't be had together would run in another environment than the one that was asked for."""
    check_packages((model,), packages)
    if same_process and is_elsewhere(model):
        raise SpecError(
            f"{model} runs in an environment of its own, and can't be loaded in this process: leave --same-process or "
            "the release out."
        )


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


def demo(progress: Progress | None = None, *, pictures: bool = False) -> Report:
    """A real defect of the installed Keras: a nested EfficientNet loses its normalization through `.h5`."""
    return roundtrip(_DEMO, format="h5", pictures=pictures, progress=progress)


@clocked
def _reload(first: Host, loader: Loader, feeds: Iterable[Feed], options: Options) -> Report:
    """Save the reference, have it loaded, compare."""
    way, timings = format_named(str(options.format)), Timings()
    compared = compare_outputs if way.outputs_only else compare
    with contextlib.ExitStack() as stack:
        folder = str(stack.enter_context(temporary_folder()))
        if options.progress is not None:
            options.progress(f"saving and loading as {way.name}", 0, 0)
        second = _back(first, loader, folder, way, timings, stack)
        return compare_all(first, second, feeds, options, timings, by=compared)


def _back(first: Host, loader: Loader, folder: str, way: Format, timings: Timings, stack: contextlib.ExitStack) -> Host:
    """The model that comes back by one way."""
    if way.live:
        with timings.of("load"):
            return closing(first.duplicate(way.name), stack)
    with timings.of("save"):
        first.save(folder, way.name)
    with timings.of("load"):
        second = loader.load(first, folder, way.name, stack)
    second.spec = f"{first.spec}, saved as {way.name} and loaded in {loader.where}"
    return second
