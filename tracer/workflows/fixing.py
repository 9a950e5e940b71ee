"""fix: write a model file whose *loaded* model behaves as wanted, and keep it only if it was seen to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tracer.core.comparison import localize
from tracer.core.comparison.lockstep import Trace, lockstep
from tracer.core.feed import Feed
from tracer.core.host import Host
from tracer.core.layer.differences import short
from tracer.core.source import Array, Facts, Patch, PatchAction
from tracer.core.spec import parse_spec
from tracer.errors import ModelError, SpecError
from tracer.progress import Progress
from tracer.records import Report
from tracer.system.leftovers import temporary_folder
from tracer.workflows.arguments import check_arguments
from tracer.workflows.comparing import Options, Timings
from tracer.workflows.feeding import compare_fed, feed_for, suspect_inputs
from tracer.workflows.opening import Loading, Model, Way, needed_by, open_source, open_worker

if TYPE_CHECKING:
    from tracer.envs.remote import RemoteHost

_FORMATS = MappingProxyType({".keras": "keras", ".h5": "h5"})
Changes = list[tuple[str, Patch]]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file that was written.

    Attributes:
        path: of the file.
        changes: what was changed, one line each.
        report: of the trace of the file, loaded in a fresh process, against what was wanted.
    """

    path: str
    changes: tuple[str, ...]
    report: Report


def fix(
    file: str,
    output: str,
    *,
    like: Model | None = None,
    as_trained: bool = False,
    as_loaded: bool = False,
    inputs: Any = None,
    seed: int = 0,
    batch: int | None = None,
    custom_objects: Sequence[str] = (),
    trust: bool = False,
    progress: Progress | None = None,
) -> Fixed:
    """Write a copy of a model file whose loaded model behaves as one of these; exactly one must be given.

    Args:
        file: the model file; never written to. `@release` behind it: read and written by that Keras.
        output: the file to write, `.keras` or `.h5`; must not exist.
        like: a model, or a specification of one: behave as it does.
        as_trained: behave as the model did while it was trained (see `_stale_changes`).
        as_loaded: behave as the loaded model does now, whatever loads it next.
        inputs: see `diff`.
        seed: see `diff`.
        batch: see `diff`.
        custom_objects: see `diff`.
        trust: see `diff`.
        progress: see `diff`.

    Raises:
        SpecError: if not exactly one behaviour is asked for, or the output can't be written there.
        ModelError: if nothing needs a change, no change is known, or the fixed file doesn't behave as wanted.
    """
    _check(file, output, (like is not None, as_trained, as_loaded))
    check_arguments(file, like, inputs=inputs, custom_objects=custom_objects)
    with contextlib.ExitStack() as stack:
        way = Way(stack, Loading(custom_objects, trust), seed, progress=progress)
        fixed, wanted = open_source(file, way), open_source(file if like is None else like, way)
        feed = feed_for(wanted, inputs, seed, batch)
        changes = _change(fixed, wanted, feed, like is not None, as_trained)
        loader = open_worker(parse_spec(file), stack)
        report = _keep(fixed, wanted, loader, feed, output, way.loading, progress)
    return Fixed(output, tuple(_line(path, mend) for path, mend in changes), report)


def _change(fixed: Host, wanted: Host, feed: Feed, alike: bool, as_trained: bool) -> Changes:
    """The changes that make `fixed` behave as wanted, applied to it."""
    changes = _to_be_like(wanted, fixed, feed) if alike else _stale_changes(wanted, fixed, as_trained)
    if not changes:
        raise ModelError(f"{fixed.spec}: nothing needs a change; it behaves as wanted already. Nothing was written.")
    for path, mend in changes:
        fixed.mend(path, mend)
    return changes


def _check(file: str, output: str, asked: Sequence[bool]) -> None:
    if sum(asked) != 1:
        raise SpecError("say how the fixed model is to behave: exactly one of --like, --as-trained, --as-loaded.")
    target = Path(output)
    if target.exists():
        source = Path(parse_spec(file).target)
        same = source.exists() and target.samefile(source)
        raise SpecError(
            f"{output} {'is the input, which is never overwritten' if same else 'exists already'}; name another file."
        )
    if target.suffix not in _FORMATS or target.name.endswith(".weights.h5"):
        raise SpecError(f"{output}: a fixed model is written as {' or '.join(_FORMATS)}; received {target.suffix!r}.")
    if not target.parent.is_dir():
        raise SpecError(f"{output}: the folder {target.parent} doesn't exist.")


def _trace(wanted: Host, fixed: Host, feed: Feed) -> Trace:
    try:
        trace = lockstep(wanted, fixed, feed.arrays)
    except ModelError as error:
        suspicion = suspect_inputs(wanted, fixed, feed, training=False)
        if suspicion is None:
            raise
        raise suspicion from error
    wanted.rest()
    fixed.rest()
    return trace


def _to_be_like(wanted: Any, fixed: Any, feed: Feed) -> Changes:
    """The change for each fault between the two that was seen to put its layer right."""
    trace = _trace(wanted, fixed, feed)
    changes: Changes = []
    for blame in localize.blames(trace):
        mend = blame.judgement.mend if blame.judgement is not None else None
        if mend is None:
            raise ModelError(
                f"{blame.layer} ({blame.class_name}) differs, and no change to it is known that puts it right. "
                f"See why: tracer diff {wanted.spec} {fixed.spec}. Nothing was written."
            )
        changes.append((blame.layer, mend))
    return changes


def _stale_changes(wanted: Host, fixed: Host, as_trained: bool) -> Changes:
    """Changes to the file's model; `wanted` is changed too where the loaded model isn't what is wanted.

    As loaded: what a layer computes with becomes its weights. As trained: layers whose loaded state isn't what their
    saved weights say (a nested `Normalization` through `.h5`) get that state. Where there is none, layers whose
    statistics training never used, because the weights came through a legacy `.h5` file before Keras 3.6
    (keras#20147), get the statistics that it did use: those of a layer made anew.
    """
    layers = {path: facts for path in fixed.deriving() if (facts := fixed.facts(path)) is not None}
    stale = {path: facts for path, facts in layers.items() if dict(_pairs(facts.state, facts.weights))}
    if not as_trained:
        return [(path, _persist(dict(_pair_by_name(facts.state, facts.weights)))) for path, facts in stale.items()]
    if not stale:
        return _unused_statistics(wanted, fixed, layers)
    finalize = Patch(action=PatchAction.FINALIZE_STATE, finalize=True)
    for path in stale:
        wanted.mend(path, finalize)
    return [(path, finalize) for path in stale]


def _unused_statistics(wanted: Host, fixed: Host, layers: Mapping[str, Facts]) -> Changes:
    """Changes to layers whose statistics training never used; `wanted` computes without these statistics from here."""
    changes: Changes = []
    for path, facts in layers.items():
        used = fixed.fresh_state(path)
        if dict(_pairs(used, facts.weights)):
            values = dict(_pair_by_name(used, facts.weights))
            wanted.mend(path, Patch(action=PatchAction.SET_ATTRIBUTE, attributes={name: used[name] for name in values}))
            changes.append((path, _persist(values)))
    return changes


def _persist(values: dict[str, Array]) -> Patch:
    return Patch(action=PatchAction.PERSIST_STATE, weights=values, finalize=True)


def _pair_by_name(state: Mapping[str, object], weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Attributes that a layer derives from the weights of the same names, shaped as those."""
    for name, weight in weights.items():
        value = state.get(name)
        if isinstance(value, np.ndarray) and value.size == weight.size:
            yield name, value.reshape(weight.shape).astype(weight.dtype)


def _pairs(state: Mapping[str, object], weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Those of them that aren't what the weights say."""
    for name, value in _pair_by_name(state, weights):
        if not np.array_equal(value, weights[name]):
            yield name, value


def _keep(
    fixed: Host,
    wanted: Host,
    loaded: RemoteHost,
    feed: Feed,
    output: str,
    loading: Loading,
    progress: Progress | None,
) -> Report:
    """Save, load in a fresh process, trace; only what then behaves as wanted gets its name."""
    format = _FORMATS[Path(output).suffix]
    with contextlib.ExitStack() as stack:
        folder = str(stack.enter_context(temporary_folder(Path(output))))
        fixed.save(folder, format)
        loaded.load(folder, format, needed=needed_by(fixed, loading))
        loaded.spec = f"{output}, loaded in a fresh process"
        report = compare_fed(wanted, loaded, feed, Options(progress=progress), Timings())
        if report.reason:
            raise ModelError(f"{output}: nothing shows that the fixed model behaves as wanted: {report.reason}")
        if not report.matches:
            blamed = ", ".join(fault.layer for fault in report.faults) or "no single layer"
            raise ModelError(
                f"the fixed model doesn't survive being saved as {Path(output).suffix} ({blamed}): loaded again it "
                f"behaves otherwise. {'Write a .keras file instead.' if format == 'h5' else ''} Nothing was written."
            )
        (Path(folder) / f"model.{format}").replace(output)
    return report


def _line(path: str, mend: Patch) -> str:
    values = {**mend.weights, **mend.attributes}
    if not values:
        return f"{path}: {mend.action}()"
    told = ", ".join(f"{name} = {short(value)}" for name, value in values.items())
    return f"{path}: {mend.action}: {told}"
