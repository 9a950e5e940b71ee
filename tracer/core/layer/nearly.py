"""What a layer is asked before it is blamed in another environment: inputs and weights that are nearly its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from tracer.core.numbers.rounding import DRAWS, NUDGES, moved, nudged
from tracer.core.source import Call, Facts, Patch, PatchAction, Replay, Stop, Value

# Weights to compute with, None for the layer's own, and inputs.
Question: TypeAlias = tuple[Patch | None, tuple[Value, ...]]


def on_moved_inputs(call: Call, seed: int) -> Question:
    """Inputs that are nearly those of a call."""
    return None, tuple(replace(v, array=moved(v.array, seed), native=None) for v in call.inputs)


def nudged_alike(call: Call, facts: Facts, seed: int, off: float = 0.0) -> Question:
    """Inputs and weights that count as the same as those of a call and its layer.

    Args:
        call: with its inputs.
        facts: of its layer.
        seed: of one such question.
        off: relative L2 error that the inputs are known to have, if that is more.
    """
    random = np.random.RandomState(seed)
    inputs = tuple(replace(v, array=nudged(v.array, random, off), native=None) for v in call.inputs)
    weights = {name: nudged(array, random) for name, array in facts.weights.items()}
    return Patch(action=PatchAction.COPY_WEIGHTS, weights=weights), inputs


def questions(call: Call, facts: Facts | None) -> Iterator[Question]:
    """All that a side may be asked at a call, on inputs that aren't its own."""
    yield from (on_moved_inputs(call, seed) for seed in range(1, DRAWS))
    if facts is not None:
        yield from (nudged_alike(call, facts, seed) for seed in range(NUDGES))


def answer(side: Stop, call: Call, question: Question) -> Replay:
    """What a side's layer returns then, in the context of the call."""
    mend, inputs = question
    return side.replay(inputs, call.context) if mend is None else side.attempt(mend, inputs, call.context)
