"""Assertions for tests, with pytest, unittest or none: they raise an AssertionError that carries the report.

assert_same_activations(reference, candidate, inputs)   every layer of two models returns the same
assert_roundtrip(model, inputs, format="keras")         … of a model and of what comes back from its file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from tracer.core.formats import FormatName
from tracer.records import Report

if TYPE_CHECKING:
    from tracer.workflows.opening import Model

__all__ = ["assert_roundtrip", "assert_same_activations"]


class TraceOptions(TypedDict, total=False):
    """How both models are run; see `tracer.diff`."""

    training: bool | None
    seed: int
    batch: int | None
    prove: bool
    custom_objects: Sequence[str]
    packages: Sequence[str]
    memory_limit: str | int | None
    strict: bool


def assert_same_activations(
    reference: Model,
    candidate: Model,
    inputs: Any = None,
    *,
    only: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    tolerances: Mapping[str, float] | float | None = None,
    **options: Unpack[TraceOptions],
) -> Report:
    """Does nothing where every layer of two models returns the same, and where their weights are the same.

    Layers are named by their path (`encoder/dense`, which covers what is inside), by their class (`Dense`), or by a
    glob over either. A layer that only passes on what a layer left out has done isn't held against the models. What
    was left out is in the notes of the report, and of the error.

    Args:
        reference: a Keras model, or a specification of one.
        candidate: what is held against it.
        inputs: array(s) in the structure that the models take, a file, or None for seeded ones.
        only: layers that count; all of them when empty.
        ignore: layers that don't count.
        tolerances: relative L2 error that the outputs of a layer may have as they come, by layer, or one number for
            all of them; of several that match a layer the last one counts. Weights have no tolerance.
        **options: see `tracer.diff`.

    Returns:
        The report of what counts.

    Raises:
        DivergenceError: an AssertionError, when a layer differs, or nothing was compared.
        TracerError: when a model can't be run, or a name matches no layer.
    """
    __tracebackhide__ = True
    from tracer import workflows

    report = workflows.diff(reference, candidate, inputs, **options)
    return _hold(report, only, ignore, tolerances, strict=options.get("strict", False))


def assert_roundtrip(
    model: Model,
    inputs: Any = None,
    format: FormatName = "keras",
    *,
    only: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    tolerances: Mapping[str, float] | float | None = None,
    **options: Unpack[TraceOptions],
) -> Report:
    """Does nothing where a model comes back from its file as it was: saved, and loaded in a fresh process.

    Args:
        model: a Keras model, or a specification of one.
        inputs: see `assert_same_activations`.
        format: how it is saved and loaded, as `tracer.roundtrip` takes it.
        only: see `assert_same_activations`.
        ignore: see `assert_same_activations`.
        tolerances: see `assert_same_activations`.
        **options: see `tracer.diff`.

    Returns:
        The report of what counts.

    Raises:
        DivergenceError: an AssertionError, when a layer differs, or nothing was compared.
        TracerError: when the model can't be saved, loaded or run, or a name matches no layer.
    """
    __tracebackhide__ = True
    from tracer import workflows

    report = workflows.roundtrip(model, inputs, format=format, **options)
    return _hold(report, only, ignore, tolerances, strict=options.get("strict", False))


def _hold(
    report: Report,
    only: str | Sequence[str],
    ignore: str | Sequence[str],
    tolerances: Mapping[str, float] | float | None,
    *,
    strict: bool,
) -> Report:
    __tracebackhide__ = True
    from tracer.testing.selection import Selection, select

    bounds = tolerances if isinstance(tolerances, Mapping) else {} if tolerances is None else {"*": tolerances}
    found = select(report, Selection(only=_several(only), ignore=_several(ignore), tolerances=bounds, strict=strict))
    found.raise_for_divergence()
    return found


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
