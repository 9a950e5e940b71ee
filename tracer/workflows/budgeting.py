"""A memory limit: refused before anything runs where the need can be foreseen, watched while it runs."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Mapping, Sequence

from tracer.core.golden.fingerprint import DIGEST_LIMIT, Site, collect
from tracer.core.host import Host
from tracer.core.memory import needed, parse_size, size_text
from tracer.core.source import Array, Arrays, Call, End, Outline, Patch, Replay, Value
from tracer.core.structure import arrays_of
from tracer.errors import MemoryLimitError
from tracer.progress import Progress
from tracer.system.processes import resident
from tracer.workflows.delegate import Delegate


def limit_of(text: str | int | None) -> int | None:
    """Bytes of `--memory-limit`, None where there is none."""
    return parse_size(text) if isinstance(text, str) else text


def within(limit: int | None, inputs: Arrays, *sources: Host) -> tuple[Host, ...]:
    """The sources, watched so that together they keep within a limit beside what they have loaded.

    Args:
        limit: bytes; None for none.
        inputs: arrays that they will be run on.
        *sources: those that will run in lock-step, or one alone.

    Raises:
        MemoryLimitError: if what they need can be foreseen, and is more.
    """
    if limit is None:
        return sources
    batch = max((array.shape[0] for _, array in arrays_of(inputs) if array.ndim), default=1)
    complete = _check_foreseen(limit, sources, batch)
    guard = _Guard(limit, {source.process for source in sources}, batch)
    if guard.before is None and not complete:
        raise MemoryLimitError(
            "the memory that this model needs can't be foreseen, and can't be watched on this system. Leave "
            "--memory-limit out."
        )
    return tuple(_Watched(source, guard) for source in sources)


def _check_foreseen(limit: int, sources: Sequence[Host], batch: int) -> bool:
    """Whether all that is needed was foreseen."""
    found = [source.footprint(batch) for source in sources]
    known = [one for one in found if one is not None]
    if not known:
        return False
    complete = len(known) == len(found) and all(one.complete for one in known)
    need = needed(*known)
    if need > limit:
        least = "about" if complete else "at least about"
        raise MemoryLimitError(
            f"with {_samples(batch)} this needs {least} {size_text(need)} over the loaded models, and --memory-limit "
            f"allows {size_text(limit)}. {_advice(limit, sources, batch, need)}"
        )
    return complete


def _advice(limit: int, sources: Sequence[Host], batch: int, need: int) -> str:
    """A batch that fits, and else what does."""
    allow = f"--memory-limit {size_text(need)} would allow it"
    fewer = batch
    while fewer > 1:
        fewer //= 2
        found = [one for source in sources if (one := source.footprint(fewer)) is not None]
        if needed(*found) <= limit:
            return f"{fewer} would fit (--batch {fewer}, or fewer samples in --inputs); {allow}."
    return f"No batch fits: give smaller inputs; {allow}."


def _samples(batch: int) -> str:
    return "1 sample" if batch == 1 else f"{batch} samples"


class _Guard:
    """Compares what processes have with what they had.

    Args:
        limit: bytes that they may take more.
        processes: their ids.
        batch: samples, to say so.
    """

    def __init__(self, limit: int, processes: set[int], batch: int) -> None:
        gc.collect()
        self._limit, self._processes, self._batch = limit, processes, batch
        self.before = resident(processes)

    def check(self) -> None:
        """Raises MemoryLimitError if they have taken more."""
        now = None if self.before is None else resident(self._processes)
        if now is not None and self.before is not None and now - self.before > self._limit:
            raise MemoryLimitError(
                f"stopped: with {_samples(self._batch)} it had already taken {size_text(now - self.before)} over the "
                f"loaded models, and --memory-limit allows {size_text(self._limit)}. Give fewer samples (--batch, "
                "--inputs), or a higher limit."
            )


class _Watched(Delegate):
    """A source that is looked at whenever it has computed something; everything else is its own."""

    def __init__(self, source: Host, guard: _Guard) -> None:
        self.spec = source.spec
        self._source, self._guard = source, guard

    def _host(self) -> Host:
        return self._source

    @property
    def environment(self) -> Mapping[str, str]:
        """See `tracer.core.source.Source`."""
        return self._source.environment

    @property
    def outline(self) -> Outline:
        """See `tracer.core.source.Source`."""
        return self._source.outline

    def begin(
        self,
        inputs: Arrays,
        *,
        training: bool | None,
        seeds: Mapping[str, Array] | None = None,
        stops: Collection[str] | None = None,
    ) -> None:
        """Start a run, which stops at every call site, whatever is asked for: only there it can be looked at."""
        del stops
        self._source.begin(inputs, training=training, seeds=seeds)

    def receive(self) -> Call | End:
        """See `tracer.core.source.Source`."""
        message = self._source.receive()
        self._guard.check()
        return message

    def replay(
        self,
        inputs: Sequence[Value],
        context: Mapping[str, str],
        inner: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> Replay:
        """See `tracer.core.source.Source`."""
        found = self._source.replay(inputs, context, inner)
        self._guard.check()
        return found

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        """See `tracer.core.source.Source`."""
        found = self._source.attempt(mend, inputs, context)
        self._guard.check()
        return found

    def fingerprints(
        self,
        inputs: Arrays,
        *,
        training: bool | None = False,
        detail: bool = False,
        digest_limit: int = DIGEST_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[Site, ...]:
        """Here call by call; a worker makes them on its own, and is looked at whenever it says how far it is."""
        if self._source.process == os.getpid():
            return collect(self, inputs, training=training, detail=detail, digest_limit=digest_limit, progress=progress)

        def look(phase: str, done: int, total: int) -> None:
            self._guard.check()
            if progress is not None:
                progress(phase, done, total)

        found = self._source.fingerprints(
            inputs, training=training, detail=detail, digest_limit=digest_limit, progress=look
        )
        self._guard.check()
        return found
