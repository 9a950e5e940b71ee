"""What is fed to both sides: opened, told in the report, and suspected first where the reference fails on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from tracer.core.batches.given import batches_of, cut, is_many
from tracer.core.batches.proved import Proved
from tracer.core.batches.worst import add_batch
from tracer.core.drive import run_with
from tracer.core.feed import Feed, as_arrays
from tracer.core.host import Host
from tracer.core.source import Arrays, Run
from tracer.core.trust import advisories
from tracer.errors import InputError, ModelError
from tracer.records import Inputs, Report
from tracer.workflows.comparing import Options, Timings, compare

# Samples in seeded inputs, where nobody says how many.
_BATCH: Final = 2
_COUNTED: Final = "batch= is for seeded inputs; a data set comes in batches of its own."
_EMPTY: Final = "the inputs hold no batch, so nothing was compared. A generator can be read once only: make a new one."
Comparison: TypeAlias = Callable[[Host, Host, Arrays, Options, Timings], Report]


def feed_for(source: Host, inputs: Any, seed: int, batch: int | None) -> Feed:
    """Inputs in the structure that the source's model takes: all that were given, or seeded ones.

    Args:
        source: whose model they are for.
        inputs: arrays, the path of a file, or None for seeded ones.
        seed: of seeded inputs.
        batch: samples in seeded inputs; None for two, and beside inputs that are given.

    Raises:
        InputError: if they don't fit the model, or another number of samples was asked for than there is.
    """
    if inputs is None:
        feed = source.make_inputs(None, seed=seed, batch=_BATCH if batch is None else batch)
    elif isinstance(inputs, (str, os.PathLike)):
        feed = source.make_inputs(os.fspath(inputs), seed=seed, batch=_BATCH)
    else:
        feed = source.fit_inputs(as_arrays(inputs))
    if batch is not None and batch != feed.told.samples:
        raise InputError(_wrong_batch(feed.told, batch))
    return feed


def feeds_for(source: Host, inputs: Any, seed: int, batch: int | None, size: int | None) -> Iterable[Feed]:
    """As `feed_for`, one feed a batch: what a data set gives, or what is given in pieces of so many samples.

    Raises:
        InputError: see `feed_for`; if a number of samples is asked of a data set.
    """
    if is_many(inputs):
        if batch is not None:
            raise InputError(_COUNTED)
        return _fit(source, inputs)
    if size is not None and batch is None and _is_of_arrays(inputs):
        return _FromFile(source, Path(inputs), size)
    feed = feed_for(source, inputs, seed, batch)
    return (feed,) if size is None else tuple(cut(feed, size))


def _is_of_arrays(inputs: object) -> bool:
    return isinstance(inputs, (str, os.PathLike)) and Path(inputs).suffix.lower() in (".npy", ".npz")


@dataclass(frozen=True)
class _FromFile:
    """The batches of a file, read when their turn comes, as often as they are asked for.

    Args:
        source: whose model they are for.
        path: of a `.npy` or `.npz` file.
        size: samples in a batch.
    """

    source: Host
    path: Path
    size: int

    def __iter__(self) -> Iterator[Feed]:
        for number, given in enumerate(self._read()):
            try:
                feed = self.source.fit_inputs(given)
            except InputError as error:
                raise InputError(f"inputs file {str(self.path)!r}, batch {number}: {error}") from error
            yield replace(feed, told=replace(feed.told, origin="file", source=str(self.path)))

    def _read(self) -> Iterator[Arrays]:
        from tracer.files import arrays

        try:
            arrays.claimed(self.path)
            yield from arrays.samples_in(self.path, self.size)
        except arrays.DAMAGE as error:
            raise InputError(
                f"inputs file {str(self.path)!r} can't be read in batches: {error or type(error).__name__}. Write it "
                "with numpy.savez(file, name=array)."
            ) from error


def check_read_once(feeds: Iterable[Feed], times: int) -> None:
    """Does nothing where inputs can be read so many times.

    Raises:
        InputError: of a data set, which is read once.
    """
    if times > 1 and isinstance(feeds, Iterator):
        raise InputError("a data set is read once, for one format: name it, or give arrays and batch_size=.")


def _fit(source: Host, inputs: Any) -> Iterator[Feed]:
    """The batches of a data set, each in the structure that the model takes."""
    for number, (given, told) in enumerate(batches_of(inputs)):
        try:
            feed = source.fit_inputs(as_arrays(given))
        except InputError as error:
            raise InputError(f"batch {number}: {error}") from error
        yield replace(feed, told=replace(feed.told, conversions=(*told, *feed.told.conversions)))


def _wrong_batch(told: Inputs, batch: int) -> str:
    samples = "1 sample" if told.samples == 1 else f"{told.samples} samples"
    if told.origin == "seeded":
        return f"the model takes {samples} at once, and --batch (batch=) asks for {batch}. Leave it out."
    return (
        f"{told.source or 'the inputs'}: {samples} given, and --batch (batch=) asks for {batch}. All that is given is "
        "used, and the batch is for seeded inputs: leave it out, or give so many samples."
    )


def compare_fed(
    reference: Host, candidate: Host, feed: Feed, options: Options, timings: Timings, by: Comparison = compare
) -> Report:
    """The comparison of two sources on what they are fed, which the report tells.

    Raises:
        ModelError: when a model fails; of one that fails on the reference's side, with the inputs as a suspect.
        TracerError: see `compare`.
    """
    try:
        report = by(reference, candidate, feed.arrays, options, timings)
    except ModelError as error:
        suspicion = suspect_inputs(reference, candidate, feed, options.training)
        if suspicion is None:
            raise
        raise suspicion from error
    told = (*_way_of_calling(options.training), *advisories.notes(report.environments.values()))
    return replace(report, inputs=feed.told, notes=(*report.notes, *told))


def compare_all(
    reference: Host,
    candidate: Host,
    feeds: Iterable[Feed],
    options: Options,
    timings: Timings,
    by: Comparison = compare,
) -> Report:
    """The comparison on every batch, one after the other, in one report; see `compare_fed`.

    Raises:
        InputError: if there is no batch, or one of them doesn't fit.
    """
    whole: Report | None = None
    proved = Proved()
    options = replace(options, proved=proved)
    for feed in feeds:
        part = compare_fed(reference, candidate, feed, options, timings, by)
        whole = part if whole is None else add_batch(whole, part)
        rules = {each.output: each.rule for each in whole.predictions}
        options, proved.batch = replace(options, rules=rules), whole.batches
    if whole is None:
        raise InputError(_EMPTY)
    return whole


def suspect_inputs(reference: Host, candidate: Host, feed: Feed, training: bool | None) -> ModelError | None:
    """What is to be said of a comparison that failed, if the reference fails by itself as well; else None."""
    failure = _failure_of(reference, feed, training)
    if failure is None:
        return None
    other = _failure_of(candidate, feed, training)
    too = "" if other is None else f", which fails on them too: {_ended(other)}"
    here, there = (side.environment["keras"] for side in (reference, candidate))
    told = (
        f"The reference itself fails on these inputs, so this says nothing about {candidate.spec}{too}. The reference "
        f"ran with Keras {here}, the candidate with {there}"
    )
    return ModelError(f"{_ended(failure)}. {told}. {_suspect(feed.told)}")


def _failure_of(source: Host, feed: Feed, training: bool | None) -> ModelError | None:
    """Why a model by itself fails on what it is fed; None where it doesn't."""
    try:
        source.rest()
        run_with(source, Run(inputs=feed.arrays, training=training, seeds=source.seeds()))
    except ModelError as failure:
        return failure
    return None


def _ended(failure: ModelError) -> str:
    return str(failure).rstrip(".")


def _suspect(told: Inputs) -> str:
    where = {"file": f"the file {told.source}", "seeded": f"made from {told.source}"}.get(told.origin, "given")
    shapes = ", ".join(f"{name} {shape} {told.dtypes.get(name, '')}" for name, shape in told.shapes.items())
    return (
        f"The inputs may not be what the model needs; they are {where}: {shapes}. Give others with --inputs FILE.npz "
        "(inputs=)."
    )


def _way_of_calling(training: bool | None) -> tuple[str, ...]:
    """How the models were called, where that isn't as `predict` does it."""
    if training is None:
        return ("both models were called as model(x), with no training argument handed on.",)
    return ("both models were called with training=True.",) if training else ()
