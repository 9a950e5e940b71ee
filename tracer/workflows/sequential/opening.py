"""The two sides of a comparison that has only one model loaded at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

from tracer.core.batches.given import is_many
from tracer.core.host import Host, Needed
from tracer.core.spec import ModelSpec, parse_spec
from tracer.errors import SpecError
from tracer.system.leftovers import temporary_folder
from tracer.workflows.opening import Model, Way, build_there, closing, open_worker
from tracer.workflows.sequential.taped import Taped
from tracer.workflows.sequential.turns import InTurns, Turn

Reload: TypeAlias = Callable[[str, str, Needed], InTurns]


def check_in_turns(inputs: object, batch_size: int | None, memory_limit: str | int | None) -> None:
    """Does nothing where one model at a time can be had with the other arguments.

    Raises:
        SpecError: if it can't.
    """
    if batch_size is not None or is_many(inputs):
        raise SpecError(
            "--sequential (sequential=True) would load both models again for every batch: give samples that fit into "
            "memory at once, or leave it out."
        )
    if memory_limit is not None:
        raise SpecError(
            "--memory-limit counts what is taken beside two loaded models, and with --sequential (sequential=True) "
            "there are never two: leave one of the two options out."
        )


def two_in_turns(reference: Model, candidate: Model, way: Way) -> tuple[Taped, InTurns]:
    """Both sides of a `diff`; nothing is loaded yet.

    Raises:
        SpecError: if one of them is there already: it can't be unloaded.
    """
    turn, spec = Turn(), _spec_of(candidate)
    second = InTurns(spec.text, functools.partial(_build, spec, way), turn)
    return _taped(_spec_of(reference), turn, way), closing(second, way.stack)


def one_in_turns(model: Model, way: Way) -> tuple[Taped, Reload]:
    """The reference of a round trip, and what loads what it saves: its folder, the format, what the process needs.

    Raises:
        SpecError: if the model is there already: it can't be unloaded.
    """
    turn, spec = Turn(), _spec_of(model)

    def reload(folder: str, format: str, needed: Needed) -> InTurns:
        return InTurns(f"what was saved as {format}", functools.partial(_load, spec, folder, format, needed, way), turn)

    return _taped(spec, turn, way), reload


def _taped(spec: ModelSpec, turn: Turn, way: Way) -> Taped:
    folder = way.stack.enter_context(temporary_folder())
    return closing(Taped(spec.text, functools.partial(_build, spec, way), turn, folder), way.stack)


def _spec_of(model: Model) -> ModelSpec:
    if isinstance(model, str):
        return parse_spec(model)
    if isinstance(model, ModelSpec):
        return model
    raise SpecError(
        "a live model stays in memory, so --sequential (sequential=True) saves nothing: give the model by a "
        "specification, such as its file."
    )


def _build(spec: ModelSpec, way: Way) -> Host:
    if way.progress is not None:
        way.progress(f"opening {spec.text}", 0, 0)
    return build_there(open_worker(spec, way.stack, way.packages, way.progress), spec, way)


def _load(spec: ModelSpec, folder: str, format: str, needed: Needed, way: Way) -> Host:
    worker = open_worker(spec, way.stack, way.packages, way.progress)
    worker.load(folder, format, needed=needed)
    return worker
