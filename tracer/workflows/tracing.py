"""diff, roundtrip and demo."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from typing import Any

from tracer.core.compare import Progress
from tracer.core.spec import parse_spec
from tracer.errors import TracerError
from tracer.records import Report
from tracer.workflows.comparing import Options, Timings, compare
from tracer.workflows.opening import closing, inputs_for, modules_needed, open_source, open_worker

_DEMO = "tracer.zoo:pretrained_classifier_nested"


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
    timings = Timings()
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            first = open_source(reference, stack, custom_objects, seed, progress)
            second = open_source(candidate, stack, custom_objects, seed, progress)
            arrays = inputs_for(first, inputs, seed, batch)
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
    timings = Timings()
    with contextlib.ExitStack() as stack:
        with timings.of("open"):
            first = open_source(model, stack, custom_objects, seed, progress)
            arrays = inputs_for(first, inputs, seed, batch)
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
        first = open_source(model, stack, custom_objects, seed, progress)
        arrays = inputs_for(first, inputs, seed, batch)
        for format in dict.fromkeys(formats or first.formats()):
            options = Options(training=training, prove=prove, format=format, progress=progress)
            try:
                found[format] = _reloaded(first, model, arrays, options, custom_objects, same_process, Timings())
            except TracerError as error:
                found[format] = error
    return found


def demo(progress: Progress | None = None) -> Report:
    """A real defect of the installed Keras: a nested EfficientNet loses its normalization through `.h5`."""
    return roundtrip(_DEMO, format="h5", progress=progress)


def _reloaded(
    first: Any, model: Any, arrays: Any, options: Options, custom_objects: Sequence[str], same_process: bool,
    timings: Timings,
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
                second = closing(host.from_saved(folder, format, custom_objects=custom_objects), stack)
            else:
                second = open_worker(parse_spec(model) if isinstance(model, str) else None, stack)
                second.load(folder, format, custom_objects=modules_needed(first, custom_objects))
        second.spec = f"{first.spec}, saved as {format} and loaded in {'this' if same_process else 'a fresh'} process"
        return compare(first, second, arrays, options, timings)
