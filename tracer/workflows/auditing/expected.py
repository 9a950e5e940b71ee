"""Which known change restores known-good predictions: tried one by one, each on a copy."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tracer.core.drive import run_with
from tracer.core.host import Host
from tracer.core.numbers.difference import difference
from tracer.core.source import Array, Arrays, Patch, PatchAction, Run
from tracer.core.structure import arrays_of
from tracer.errors import InputError, TracerError
from tracer.records import Finding, Trial
from tracer.workflows.feeding import feed_for

# Relative L2 error up to which predictions count as given back: they may come from another machine or backend, and may
# have been rounded when they were noted.
_NEAR: Final = 1e-3
_AS_LOADED: Final = "as it is loaded"
_LOST: Final = "the predictions aren't those that were expected"
_PIXELS: Final = 127.5

# A copy of the model, in the environment that a change needs.
Opened = Callable[[contextlib.ExitStack], Host]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that may have been otherwise when the predictions were noted.

    Attributes:
        name: in words that end "the predictions come back …".
        open: makes the model.
        change: what is done to it.
        scale: what is done to each of its inputs of numbers.
        training: what it is called with.
    """

    name: str
    open: Opened
    change: Callable[[Host], None] | None = None
    scale: Callable[[Array], Array] | None = None
    training: bool = False


def changes(as_loaded: Opened, here: Opened, there: Opened | None, writer: str) -> Iterator[Change]:
    """What is tried, in this order.

    Args:
        as_loaded: opens the file; nothing of the model is changed, so that it may be one for all.
        here: opens it anew.
        there: opens it in the Keras that wrote it; None where that is this one, or isn't known.
        writer: its release.
    """
    yield Change(name=_AS_LOADED, open=as_loaded)
    yield Change(name="after finalize_state() of every layer that derives state", open=here, change=_finalize)
    yield Change(name="without the statistics of its Normalization (keras#20147)", open=here, change=_forget)
    yield Change(name="when it is called with training=True", open=as_loaded, training=True)
    yield Change(name="with inputs divided by 255", open=as_loaded, scale=lambda x: x / 255)
    yield Change(name="with inputs multiplied by 255", open=as_loaded, scale=lambda x: x * 255)
    yield Change(name="with inputs mapped from 0 … 255 to -1 … 1", open=as_loaded, scale=lambda x: x / _PIXELS - 1)
    yield Change(name="with inputs mapped from -1 … 1 to 0 … 255", open=as_loaded, scale=lambda x: (x + 1) * _PIXELS)
    yield Change(
        name="with the last axis of the inputs reversed (RGB, BGR)", open=as_loaded, scale=lambda x: x[..., ::-1]
    )
    if there is not None:
        yield Change(name=f"in Keras {writer}, which wrote it", open=there)


def _finalize(source: Host) -> None:
    for path in source.deriving():
        source.mend(path, Patch(action=PatchAction.FINALIZE_STATE, finalize=True))


def _forget(source: Host) -> None:
    """Let layers compute as if they had never been given the weights that their state comes from."""
    for path in source.deriving():
        facts, fresh = source.facts(path), source.fresh_state(path)
        names = facts.weights.keys() & fresh.keys() if facts is not None else ()
        source.mend(
            path, Patch(action=PatchAction.SET_ATTRIBUTE, attributes={name: fresh[name] for name in sorted(names)})
        )


def load_expected(value: Any) -> tuple[Array, ...]:
    """Predictions that were noted: arrays, or the path of a `.npz` or `.npy`, in the order of the model's outputs.

    Raises:
        InputError: if there are none to read, or they would be given back by anything: empty, NaN or infinite.
    """
    if not isinstance(value, (str, os.PathLike)):
        return _check([array for _, array in arrays_of(value)])
    from tracer.engine.inputs.given import read_numpy_file

    return _check([array for _, array in _in_order(read_numpy_file(Path(value)))])


def _check(arrays: Sequence[Array]) -> tuple[Array, ...]:
    numbers = all(array.dtype.kind in "biuf" and array.size and np.isfinite(array).all() for array in arrays)
    if not arrays or not numbers:
        told = ", ".join(f"{array.shape} {array.dtype}" for array in arrays) or "no array"
        raise InputError(f"expected predictions have to be finite numbers, and some of them; received {told}.")
    return tuple(arrays)


def _in_order(loaded: Any) -> list[tuple[str, Array]]:
    """The arrays of a file in the file's own order, which a dictionary keeps."""
    return list(loaded.items()) if isinstance(loaded, Mapping) else [("", loaded)]


def try_changes(tried: Iterable[Change], inputs: Any, expected: Sequence[Array]) -> tuple[Trial, ...]:
    """What came of each change; where the model gives the predictions as it is, nothing else is tried.

    Raises:
        TracerError: if the model can't be run as it is.
    """
    found: list[Trial] = []
    for change in tried:
        try:
            trial = _tried(change, inputs, expected)
        except TracerError as error:
            if not found:
                raise
            trial = Trial(change=change.name, error=None, gives=False, note=str(error))
        found.append(trial)
        if found[0].gives:
            break
    return tuple(found)


def _tried(change: Change, inputs: Any, expected: Sequence[Array]) -> Trial:
    with contextlib.ExitStack() as stack:
        source = change.open(stack)
        if change.change is not None:
            change.change(source)
        arrays = feed_for(source, inputs, 0, None).arrays
        run = Run(inputs=_scaled(arrays, change.scale), training=change.training, seeds=source.seeds())
        source.prepare(run.inputs, training=run.training)
        outputs = [value.array for value in run_with(source, run).outputs]
    error = _error(outputs, expected)
    return Trial(change=change.name, error=error, gives=error <= _NEAR)


def _scaled(arrays: Any, scale: Callable[[Array], Array] | None) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: _scaled(item, scale) for name, item in arrays.items()}
    if isinstance(arrays, (list, tuple)):
        return [_scaled(item, scale) for item in arrays]
    found: Array = arrays if scale is None or arrays.dtype.kind != "f" else scale(arrays).astype(arrays.dtype)
    return found


def _error(outputs: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest relative L2 error of an output; infinite where they aren't the same outputs."""
    same_shapes = [array.shape for array in outputs] == [array.shape for array in expected]
    if not outputs or not same_shapes or not all(array.dtype.kind in "biufV" for array in outputs):
        return math.inf
    pairs = zip(expected, outputs, strict=True)
    return max(difference(want.astype(np.float64), got.astype(np.float64)).rel_error for want, got in pairs)


def unexpected(trials: Sequence[Trial], outputs: Sequence[Array]) -> Iterator[Finding]:
    """What is wrong where the model doesn't give the predictions as it is loaded, and which change gives them back."""
    if trials[0].gives:
        return
    giving = [trial.change for trial in trials if trial.gives]
    error = trials[0].error or 0.0
    shapes = ", ".join(str(array.shape) for array in outputs)
    far = (
        f"relative L2 error {error:.2g}"
        if math.isfinite(error)
        else f"they have other shapes than the expected {shapes}"
    )
    tail = f"they come back {' and also '.join(giving)}" if giving else "no change that was tried gives them back"
    yield Finding(kind="not-as-expected", place="(outputs)", detail=f"{_LOST} ({far}); {tail}")
