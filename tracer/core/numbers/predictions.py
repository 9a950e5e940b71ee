"""How many predictions changed, which is what users of a model see in the end.

A prediction is the index of the largest output of several, or whether an output is above one half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tracer.core.source import Array, End
from tracer.records import Predictions, Rule

_SHOWN: Final = 8  # samples that are named
_HALF: Final = 0.5
_ONE: Final = 1e-2  # how far the probabilities of a row may be from 1 in all; half precision is no nearer


def count_changed(reference: End, candidate: End, rules: Mapping[str, Rule] | None = None) -> tuple[Predictions, ...]:
    """Predictions of the reference that the candidate doesn't make, of every model output that has some.

    Args:
        reference: what it has returned.
        candidate: likewise.
        rules: what a prediction is, by output; None to tell it from the reference's outputs.
    """
    return tuple(_count(reference, candidate, rules))


def _count(reference: End, candidate: End, rules: Mapping[str, Rule] | None) -> Iterator[Predictions]:
    names = reference.wiring or ()
    for index, (here, there) in enumerate(zip(reference.outputs, candidate.outputs, strict=False)):
        name = names[index] if len(names) == len(reference.outputs) else f"number {index}"
        rule = rule_of(here.array) if rules is None else rules.get(name)
        if rule is not None and here.array.shape == there.array.shape and here.array.ndim:
            yield _compare(name, rule, here.array, there.array)


def rule_of(outputs: Array) -> Rule | None:
    """What a prediction is, by what a model returns, (samples, …, classes); None where it seems to make none.

    Values from 0 to 1 are probabilities: of one class out of several where they add up to 1, each of its own otherwise.
    Any other rows of two and more values are taken for the scores of classes.
    """
    if outputs.size == 0 or not _is_float(outputs):
        return None
    values = outputs.astype(np.float64)
    several = values.ndim > 1 and values.shape[-1] > 1
    if not ((values >= 0) & (values <= 1)).all():
        return "argmax" if several and values.ndim == 2 else None
    sums = values.sum(axis=-1) if several else np.zeros(1)
    return "argmax" if bool((np.abs(sums - 1) < _ONE).all()) else "threshold"


def _is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or array.dtype.name in ("bfloat16", "float16")


def _compare(name: str, rule: Rule, reference: Array, candidate: Array) -> Predictions:
    here, there = reference.astype(np.float64), candidate.astype(np.float64)
    lost = np.isnan(here) != np.isnan(there)
    if rule == "argmax":
        changed = (here.argmax(axis=-1) != there.argmax(axis=-1)) | lost.any(axis=-1)
    else:
        changed = ((here > _HALF) != (there > _HALF)) | lost
    samples = np.flatnonzero(changed.reshape(len(changed), -1).any(axis=1))[:_SHOWN]
    return Predictions(
        output=name, rule=rule, total=changed.size, changed=int(changed.sum()), samples=tuple(map(int, samples))
    )


def add_predictions(whole: Sequence[Predictions], part: Sequence[Predictions], before: int) -> tuple[Predictions, ...]:
    """Those of some batches and of one more, whose samples come after so many others."""
    later = {each.output: each for each in part}
    return tuple(_added(each, later[each.output], before) if each.output in later else each for each in whole)


def _added(whole: Predictions, part: Predictions, before: int) -> Predictions:
    samples = (*whole.samples, *(sample + before for sample in part.samples))[:_SHOWN]
    return replace(whole, total=whole.total + part.total, changed=whole.changed + part.changed, samples=samples)
