"""The one loop over a source that runs alone: begun, stopped at each call site, and at rest afterwards.

with running(source, run) as calls:
    for call in calls:
        …                        # the source stands at this call site: it can be asked to replay it
        calls.proceed(outputs)   # only to go on with other outputs, or before all is done that is to be done here
calls.end
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from tracer.core.source import Call, End, Run, Source, TakesTurns, Value
from tracer.errors import ModelError, TracerError


class Calls(Iterator[Call]):
    """The call sites of a run, in execution order.

    Nothing here holds on to a call: its tensors are gone once whoever iterates has let it go.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stands = False
        self._end: End | None = None

    def __next__(self) -> Call:
        if self._stands:
            self.proceed()
        message = self._source.receive()
        if isinstance(message, End):
            self._end = message
            raise StopIteration
        self._stands = True
        return message

    def proceed(self, outputs: Sequence[Value] | None = None) -> None:
        """Go on now, with `outputs` in place of the layer's own where given; else the next iteration goes on."""
        self._stands = False
        self._source.proceed(outputs)

    @property
    def end(self) -> End:
        """What the model returned.

        Raises:
            ModelError: if it hasn't yet.
        """
        if self._end is None:
            raise ModelError(
                f"{self._source.spec}: this run hasn't come to its end; go through all of its calls first."
            )
        return self._end


@contextlib.contextmanager
def running(source: Source, run: Run, stops: Collection[str] | None = None) -> Iterator[Calls]:
    """A run of a source, which is at rest afterwards, whatever happens.

    Args:
        source: what is run.
        run: what it is run on.
        stops: layer paths of the only call sites that are of interest; None for all.

    Raises:
        TracerError: when the model or its worker fails.
    """
    with at_rest_afterwards(source):
        source.begin(run.inputs, training=run.training, seeds=run.seeds, stops=stops)
        yield Calls(source)


@contextlib.contextmanager
def at_rest_afterwards(*sources: Source) -> Iterator[None]:
    """Runs of sources within it leave none of them running, however it ends, but for somebody who interrupts.

    Raises:
        TracerError: when a model or its worker fails.
    """
    try:
        yield
    except Exception:  # any failure, ours or a callback's; who interrupts doesn't wait until the next layer has run
        for source in sources:
            # A worker that has died can't be brought to rest, and why the run failed is what counts.
            with contextlib.suppress(TracerError):
                source.rest()
        raise
    with contextlib.ExitStack() as stack:  # one that can't be brought to rest keeps no other from it
        for source in reversed(sources):
            stack.callback(source.rest)


_Job: TypeAlias = tuple[Source, Run, Mapping[str, Sequence[Value]]]
_NOTHING: Mapping[str, Sequence[Value]] = MappingProxyType({})


def run_with(source: Source, run: Run, replaced: Mapping[str, Sequence[Value]] = _NOTHING) -> End:
    """Run a source to its end, with other outputs put in at some call sites: {layer path: outputs}.

    Raises:
        TracerError: when the model or its worker fails.
    """
    (end,) = run_together([(source, run, replaced)])
    if isinstance(end, ModelError):
        raise end
    return end


def run_together(jobs: Sequence[_Job]) -> list[End | ModelError]:
    """`run_with` for several sources, which all run at the same time; a model that fails lets the others go on.

    Where one of them takes turns, they run one after the other.

    Args:
        jobs: each a source, what it is run on, and what is put in; no source twice.

    Raises:
        TracerError: when a worker fails.
    """
    if any(isinstance(source, TakesTurns) for source, *_ in jobs):
        return [end for job in jobs for end in _together([job])]
    return _together(jobs)


def _together(jobs: Sequence[_Job]) -> list[End | ModelError]:
    going = dict(enumerate(_steps(*job) for job in jobs))
    ends: dict[int, End | ModelError] = {}
    while going:
        for number, steps in list(going.items()):
            try:
                next(steps)
            except StopIteration as over:
                ends[number] = over.value
            except ModelError as error:
                ends[number] = error
            if number in ends:
                del going[number]
    return [ends[number] for number in range(len(jobs))]


def _steps(source: Source, run: Run, replaced: Mapping[str, Sequence[Value]]) -> Generator[None, None, End]:
    """One run; in every pause the source computes on by itself."""
    with running(source, run, frozenset(replaced)) as calls:
        yield
        for call in calls:
            path = call.path
            del call  # its tensors are in nobody's way while the next layer runs
            calls.proceed(replaced.get(path))
            yield
    return calls.end
