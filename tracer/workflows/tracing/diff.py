"""diff: two models, layer by layer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from tracer.core.host import Host
from tracer.core.spec import ModelSpec
from tracer.errors import SpecError
from tracer.progress import Progress
from tracer.records import Report, Status
from tracer.workflows.arguments import check_arguments, check_batch_size
from tracer.workflows.comparing import Options, Timings, clocked
from tracer.workflows.feeding import compare_all, feeds_for
from tracer.workflows.opening import Loading, Model, Way, check_packages, start_source
from tracer.workflows.sequential.opening import check_in_turns, two_in_turns

_ONE_SEED = (
    "both sides are one model, whose random layers would draw for both from one seed: give a copy of it "
    "(keras.models.clone_model and set_weights), or load it twice."
)


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
    sequential: bool = False,
    pictures: bool = False,
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
        sequential: load one model at a time: the reference is run first, and what it computes and holds is kept on
            disk. It takes the memory of one model, and the time to load them more than once where they differ.
        pictures: count the values, and the error by place, of every layer that differs, for `report.to_html()`; layers
            at fault have such pictures anyway.
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
    if sequential:
        check_in_turns(inputs, batch_size, memory_limit)
    options = Options(
        training=training,
        prove=prove,
        progress=progress,
        memory_limit=memory_limit,
        pictures=pictures,
        strict=strict,
    )
    with contextlib.ExitStack() as stack:
        with (timings := Timings()).of("open"):
            way = Way(stack, Loading(custom_objects, trust), seed, packages, progress)
            first, second = (two_in_turns if sequential else _both)(reference, candidate, way)
            feeds = feeds_for(first, inputs, seed, batch, batch_size)
        # Of a specification that is given twice, two models are made.
        one = reference is candidate and not isinstance(reference, (str, ModelSpec))
        shared = one and bool(first.seeds())
        if shared and training:
            raise SpecError(_ONE_SEED)
        report = compare_all(first, second, feeds, options, timings)
        if shared and report.status == Status.DIVERGED:  # a layer may train by itself, inside the model
            raise SpecError(_ONE_SEED)
        return report


def _both(reference: Model, candidate: Model, way: Way) -> tuple[Host, Host]:
    """Both loaded; workers import their Keras at the same time."""
    first, second = start_source(reference, way), start_source(candidate, way)
    return first(), second()
