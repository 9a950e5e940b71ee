"""The optimizer of a model in memory, held against what a file has of it and what loading brings back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from tracer.core.diagnosis.known_issues import recognize
from tracer.core.layer.optimizer import (
    OptimizerState,
    Restored,
    StoredOptimizer,
    file_evidence,
    loaded_evidence,
    optimizer_fault,
)
from tracer.envs.remote import RemoteHost
from tracer.records import Report
from tracer.workflows.unseen import with_hidden
from tracer.workflows.verifying.files import suffix_of

_LEFT_OUT: Final = "the state of the optimizer was not compared"
_WEIGHTS_ALONE: Final = "the file holds no state of the optimizer: weights alone were saved."
_ELSEWHERE: Final = (
    "the optimizer's state is in the file as it was in memory; `load_weights` puts it back only into a model that is "
    "compiled with the same optimizer, which has been built."
)


def hold_optimizer(report: Report, memory: Restored, file: Path, worker: RemoteHost) -> tuple[Report, str]:
    """A report with what of the optimizer isn't in a file, or doesn't come back from it.

    Args:
        report: of the layers.
        memory: the optimizer of the model when the file was written.
        file: `.keras`, `.h5` or `.weights.h5`.
        worker: the process that has loaded it.

    Returns:
        The report, and what is to be said though the file is right: that this Keras doesn't restore what it holds.

    Raises:
        TracerError: if the file can't be read, or the worker fails.
    """
    from tracer.files.optimizer import read_optimizer

    if memory.state is None or not memory.state.is_plain:
        return replace(report, notes=(*report.notes, *_why_not(memory))), ""
    stored, suffix = read_optimizer(file), suffix_of(file)
    if suffix == ".weights.h5" and not stored.slots:
        return replace(report, notes=(*report.notes, _WEIGHTS_ALONE)), ""
    loaded = Restored() if suffix == ".weights.h5" else worker.optimizer()
    return _conclude(report, memory.state, stored, loaded, suffix, worker.environment["keras"])


def _conclude(
    report: Report, memory: OptimizerState, stored: StoredOptimizer, loaded: Restored, suffix: str, release: str
) -> tuple[Report, str]:
    lost = file_evidence(memory, stored)
    gone = [] if loaded.state is None else loaded_evidence(memory, loaded.state, stored)
    if lost or (gone and suffix == ".keras"):
        fault = recognize(optimizer_fault(memory, lost or gone), release, suffix.split(".")[1])
        return with_hidden(report, (*report.hidden, fault), strict=False), ""
    if gone:
        return report, _not_restored(memory, suffix)
    return replace(report, notes=(*report.notes, *_notes(suffix, stored, loaded))), ""


def _why_not(memory: Restored) -> Iterator[str]:
    if memory.reason:
        yield f"{_LEFT_OUT}: {memory.reason}."
    elif memory.state is not None:
        yield f"{_LEFT_OUT}: {memory.state.class_name} saves it in a way of its own."


def _notes(suffix: str, stored: StoredOptimizer, loaded: Restored) -> Iterator[str]:
    """What wasn't looked at, of a file that has what it should have."""
    if suffix == ".weights.h5":
        yield _ELSEWHERE
    elif not stored.is_compiled:
        yield f"{_LEFT_OUT}: the file was saved without its optimizer."
    elif loaded.state is None:
        why = loaded.reason or "the loaded model has no optimizer, as of a `compile()` of its own"
        yield f"the optimizer's state is in the file as it was in memory, but doesn't come back from it: {why}."


def _not_restored(state: OptimizerState, suffix: str) -> str:
    return (
        f"the file holds the state of the optimizer ({state.class_name}), but `load_model` of this Keras doesn't "
        f"restore it from {suffix}: training would go on from a fresh one. Save as .keras to go on training from it."
    )
