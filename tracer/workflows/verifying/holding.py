"""A file held against the model in memory: in lock-step with it, or, while it trains on, with what was recorded."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer.core.comparison.alignment import static_path
from tracer.core.feed import Feed
from tracer.core.formats import FormatName
from tracer.core.golden.golden import Golden, golden_sites
from tracer.core.host import Host, Needed
from tracer.core.layer.differences import state_differences
from tracer.core.layer.optimizer import Restored
from tracer.core.source import Facts
from tracer.envs.remote import RemoteHost
from tracer.records import Cause, Fault, Side
from tracer.system.leftovers import temporary_folder
from tracer.system.processes import give_up_first
from tracer.workflows.comparing import Options, Timings
from tracer.workflows.feeding import compare_fed, feed_for
from tracer.workflows.goldens.checking import held_against
from tracer.workflows.goldens.recording import inputs_digest, tool
from tracer.workflows.opening import Loading, closing, needed_by, open_worker
from tracer.workflows.verifying.files import Verdict, deadline, judge, lay_out, suffix_of
from tracer.workflows.verifying.optimizer import hold_optimizer

if TYPE_CHECKING:
    from tracer.engine.host import LiveHost

_ALL: Final = 1 << 62  # every activation gets a digest
_WHY: Final = "of the model in memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationOptions:
    """How files are to be held against a model.

    Attributes:
        inputs: array(s) in the structure that the model takes, a file, or None for seeded ones.
        custom_objects: modules to import in the fresh process first.
        max_seconds: that one verification may take; None for any time.
    """

    inputs: Any = None
    custom_objects: Sequence[str] = ()
    max_seconds: float | None = None


def hold_live(model: Any, file: Path, question: VerificationOptions) -> Verdict:
    """Load a file in a fresh process and compare it with the model in memory, layer by layer.

    Every variable of the model has the value that it had, and its seed generators the state, when this returns.

    Args:
        model: a Keras model, from which the file was just written.
        file: `.keras`, `.h5` or `.weights.h5`.
        question: how.

    Raises:
        TracerError: if that can't be done: the file can't be loaded, the process dies, the time is up.
    """
    from tracer.engine import host

    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        worker = _open(question, stack)  # started first: it imports Keras while the model is looked at here
        first = closing(host.from_model(model), stack)
        feed = feed_for(first, question.inputs, 0, None)
        memory = first.optimizer()
        format = _load(worker, file, _to_load(first, model, file, question), stack)
        options = Options(format=format, prove=False)
        report = compare_fed(first, worker, feed, options, Timings())
        report, caution = hold_optimizer(report, memory, file, worker)
    return judge(report, time.monotonic() - start, caution)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToLoad:
    """What loading a file takes.

    Attributes:
        needed: by the fresh process.
        training: modules of the optimizer, losses and metrics; None where the file can't say how it is compiled.
        configuration: of the model, where its file has none.
    """

    needed: Needed
    training: tuple[str, ...] | None = None
    configuration: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a model in memory was at one moment, in a few kB for each layer.

    Attributes:
        golden: fingerprints of its activations, digests of its weights.
        feed: what it was run on.
        to_load: what the fresh process needs.
        optimizer: its state, in digests.
        states: of the layers that derive state from their weights, what they had derived; by layer path.
    """

    golden: Golden
    feed: Feed
    to_load: _ToLoad
    optimizer: Restored = field(default_factory=Restored)
    states: Mapping[str, Facts] = field(default_factory=dict)


def record(model: Any, file: Path, question: VerificationOptions) -> Recording:
    """Run a model once and keep what a file of it has to give; leaves the model as `hold_live` does.

    Raises:
        TracerError: if the model can't be run on the inputs.
    """
    from tracer.engine import host

    with contextlib.ExitStack() as stack:
        source = closing(host.from_model(model), stack)
        feed = feed_for(source, question.inputs, 0, None)
        sites = source.fingerprints(feed.arrays, detail=True, digest_limit=_ALL)
        golden = Golden(
            sites=golden_sites(sites, sites),
            outline=source.outline,
            identities=source.identities(),
            provenance={
                "tool": tool(),
                "model": {"spec": source.spec, "kind": "live"},
                "truth": "float32",
                "why": _WHY,
                "inputs": inputs_digest(feed.arrays),
                "environment": dict(source.environment),
            },
        )
        return Recording(
            golden=golden,
            feed=feed,
            to_load=_to_load(source, model, file, question),
            optimizer=source.optimizer(),
            states=dict(_states(source)),
        )


def hold_recorded(recording: Recording, file: Path, question: VerificationOptions) -> Verdict:
    """Load a file in a fresh process and hold it against what was recorded; needs no Keras in this process.

    Raises:
        TracerError: see `hold_live`.
    """
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        worker = _open(question, stack)
        _load(worker, file, recording.to_load, stack)
        feed, timings = recording.feed, Timings()
        report = held_against(worker, recording.golden, feed.arrays, "the model in memory", timings, seeded=False)
        report = replace(report, faults=tuple(_with_state(fault, recording, worker) for fault in report.faults))
        report, caution = hold_optimizer(replace(report, inputs=feed.told), recording.optimizer, file, worker)
    return judge(report, time.monotonic() - start, caution)


def _open(question: VerificationOptions, stack: contextlib.ExitStack) -> RemoteHost:
    """A fresh process that ends when its time is up, and before the training does when memory runs out."""
    worker = open_worker(None, stack)
    give_up_first(worker.process)
    stack.enter_context(deadline(worker.process, question.max_seconds))
    return worker


def _states(source: Host) -> Iterator[tuple[str, Facts]]:
    """Few layers have such a state, and it is small; the weights, which go on being trained, aren't kept."""
    for path in source.deriving():
        facts = source.facts(path)
        if facts is not None:
            yield path, replace(facts, weights={}, state=copy.deepcopy(dict(facts.state)))


def _with_state(fault: Fault, recording: Recording, worker: RemoteHost) -> Fault:
    """The fault with the state that differs, where nothing else says why; which of the two is stale can't be told."""
    recorded = recording.states.get(static_path(fault.layer))
    if recorded is None or fault.cause not in (Cause.IMPLEMENTATION, Cause.UNKNOWN):
        return fault
    now = worker.facts(fault.layer)
    told = state_differences(recorded, now, set()) if now is not None else []
    if not told:
        return fault
    return replace(fault, cause=Cause.UNSAVED_STATE, side=Side.UNKNOWN, evidence=(*told, *fault.evidence))


def _load(worker: RemoteHost, file: Path, to_load: _ToLoad, stack: contextlib.ExitStack) -> FormatName:
    folder = stack.enter_context(temporary_folder())
    if to_load.configuration:
        (folder / "config.json").write_bytes(to_load.configuration)
    format = lay_out(file, folder)
    worker.load(str(folder), format, needed=to_load.needed, training=to_load.training)
    worker.spec = f"{file.name}, loaded in a fresh process"
    return format


def _to_load(source: LiveHost, model: Any, file: Path, question: VerificationOptions) -> _ToLoad:
    return _ToLoad(
        needed=needed_by(source, Loading(question.custom_objects, False)),
        training=None if suffix_of(file) == ".weights.h5" else source.training_modules(),
        configuration=_configuration(model, file),
    )


def _configuration(model: Any, file: Path) -> bytes:
    """Of a model whose file holds weights alone; empty for others."""
    from tracer.engine.model import saving

    return saving.configuration(model) if suffix_of(file) == ".weights.h5" else b""
