"""The optimizer's variables in a file: whether loading looks for them, as far as the file alone says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tracer.core.diagnosis.known_issues import recognize
from tracer.core.layer.optimizer import unnamed_fault
from tracer.core.releases import is_keras_2
from tracer.records import Finding

if TYPE_CHECKING:
    from tracer.files.contents import Contents

_PLACE: Final = "optimizer/vars"
# What Keras' own `compile` is given. A model with one of its own may write anything else, and knows what it means.
_OF_KERAS: Final = frozenset({"loss", "metrics", "run_eagerly"})
_FRESH: Final = "the loaded model starts with a fresh optimizer"


def lost_optimizer(before: Contents) -> Iterator[Finding]:
    """Variables of an optimizer that a `.keras` file has and loading doesn't look for, or looks for in vain.

    Other formats aren't looked at: `load_model` restores no optimizer's state from them.
    """
    if before.format != "keras" or not before.compiled >= _OF_KERAS:
        return
    if "optimizer" not in before.compiled:
        if before.optimizer:
            yield _unnamed(before)
    elif not before.optimizer:
        if not is_keras_2(before.writer):  # which writes no variables of an optimizer that has made no step
            detail = f"the file says with which optimizer the model is compiled, and has no variable of it: {_FRESH}"
            yield Finding(kind="optimizer-not-restored", place=_PLACE, detail=detail)
    else:
        yield from _gaps(before.optimizer)


def optimizer_notes(before: Contents) -> Iterator[str]:
    """What may be meant so: a model class may write its compile settings itself, or none."""
    if before.format == "keras" and before.optimizer and not before.compiled:
        yield (
            f"the file has {len(before.optimizer)} variables of an optimizer, and doesn't say how the model is "
            "compiled: it is loaded without an optimizer."
        )


def _unnamed(before: Contents) -> Finding:
    fault = recognize(unnamed_fault(len(before.optimizer)), before.writer, before.format)
    said = fault.evidence[0].detail
    known = f"; known as {fault.known_issue}" if fault.known_issue else ""
    detail = (
        f"{said}: it is loaded with Keras' default one, and the {len(before.optimizer)} variables that the file has of "
        f"the optimizer are skipped{known}"
    )
    return Finding(kind="optimizer-not-restored", place=_PLACE, detail=detail, remedy=fault.remedy or "")


def _gaps(paths: tuple[str, ...]) -> Iterator[Finding]:
    """Variables that are missing between others: they are numbered, and Keras restores all of them or none."""
    keys = {path.removeprefix(f"{_PLACE}/") for path in paths}
    if not all(key.isdecimal() for key in keys):
        return  # of an optimizer that saves itself in a way of its own
    for number in range(max(map(int, keys))):
        if str(number) not in keys:
            detail = f"the file has no array for it; Keras restores all variables of an optimizer or none, so {_FRESH}"
            yield Finding(kind="optimizer-not-restored", place=f"{_PLACE}/{number}", detail=detail)
