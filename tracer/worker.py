"""A model in a process of its own: `python -m tracer.worker` serves one source over its standard input and output.

`python -m tracer.worker cell` answers one cell of a matrix instead; it imports no Keras itself.

Needs NumPy and Keras alone.  Whatever else writes to standard output is sent to standard error, so that it can't be
taken for a message.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from tracer.core.environment import DISTRIBUTIONS
from tracer.core.host import ServedHost
from tracer.core.transport import wire
from tracer.core.transport.shared_memory import Arena, Sent
from tracer.errors import TracerError, WorkerError
from tracer.progress import Progress, silent
from tracer.system import accelerators, heap, installed

_SIGN_OF_LIFE = 0.5  # seconds between two
_GRACE = 2.0  # seconds to end by itself once nobody asks any more


def main() -> None:
    """Serve a model, or answer one cell."""
    requests, replies = _claim_pipes()
    in_use = _say_in_use()
    _end_with(requests)
    if sys.argv[1:] == ["cell"]:
        wire.send(replies, _answer(_Served(), wire.receive(requests)))
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    accelerators.share()
    heap.settle()
    importlib.import_module("tracer.engine.keras2.legacy").adopt()
    with contextlib.suppress(ImportError):  # the first request that needs Keras says what is missing
        importlib.import_module("tracer.engine.host")
    _serve(requests, replies, _OURS)
    if in_use is not None:
        in_use.close()


@dataclass(frozen=True, slots=True)
class Opening:
    """Where what is served comes from.

    Attributes:
        build: a host of what a specification names.
        load: a host of what another one saved.
        rebuild: a host of what a configuration says, with fresh weights.
        token: what is equal for the same live tensor with the same numbers, or None where that can't be told.
    """

    build: Callable[..., ServedHost]
    load: Callable[..., ServedHost]
    rebuild: Callable[..., ServedHost]
    token: Callable[[object], Hashable | None]


def serve(opening: Opening) -> None:
    """Serve whatever an opening opens over this process' standard input and output, until the input ends."""
    requests, replies = _claim_pipes()
    _end_with(requests)
    _serve(requests, replies, opening)


def _serve(requests: BinaryIO, replies: BinaryIO, opening: Opening) -> None:
    up, down = _links(sys.argv[1:], opening)
    served = _Served(lambda *said: wire.send(replies, {"progress": said, "to": served.number}, up), opening)
    while True:
        try:
            request = wire.receive(requests, down)
        except EOFError:
            break
        served.number = request.get("number", 0)
        wire.send(replies, _answer(served, request), up)
    served.close()


def _links(arguments: Sequence[str], opening: Opening) -> tuple[wire.Link | None, wire.Link | None]:
    """For replies and for requests: memory that whoever started this shares with it, by two file descriptors."""
    if len(arguments) != 2:
        return None, None
    up, down = (Arena(int(descriptor)) for descriptor in arguments)
    return wire.Link(up, Sent(opening.token)), wire.Link(down)


def _token(tensor: object) -> tuple[int, int] | None:
    from tracer.engine.run import tensors  # the first tensor comes after Keras

    return tensors.token(tensor)


def _end_with(requests: BinaryIO) -> None:
    """Whoever asked may be killed at any moment; a layer that hangs must not outlive it."""

    def watch() -> None:
        gone = select.poll()
        gone.register(requests.fileno(), 0)  # only its end is reported, nothing is read
        gone.poll()
        time.sleep(_GRACE)
        os._exit(1)

    threading.Thread(target=watch, name="tracer: watches its parent", daemon=True).start()


def _say_in_use() -> TextIO | None:
    """An environment isn't removed while this lock is held, which ends with the process."""
    lock = os.environ.get("TRACER_ENVIRONMENT_LOCK")
    if not lock:
        return None
    import fcntl

    try:
        held = Path(lock).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    except OSError:  # a cache that somebody else owns
        return None
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return held


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes for messages; file descriptor 1 becomes another name of standard error."""
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return requests, replies


def _answer(served: _Served, request: Mapping[str, Any]) -> dict[str, Any]:
    about = {"to": request.get("number", 0)}
    try:
        return {**about, "result": served.do(request["do"], request.get("with", {}))}
    except TracerError as error:
        return {**about, "error": str(error), "kind": type(error).__name__}
    # The other process must get to know, whatever it is, `sys.exit` in somebody's layer included; the whole traceback
    # goes to the log.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()
        return {**about, "error": f"{type(error).__name__}: {error}", "kind": "WorkerError"}


class _Served:
    """The one source that this process serves.

    Args:
        say: sends (phase, done, total) while one request takes long.
        opening: where the source comes from.
    """

    def __init__(self, say: Progress = silent, opening: Opening | None = None) -> None:
        self.number = 0  # of the request that is being answered
        self._host: ServedHost | None = None
        self._opening = opening or _OURS
        self._say = say
        self._said = 0.0

    def do(self, what: str, arguments: Mapping[str, Any]) -> object:
        """The answer to one request."""
        if what in ("build", "load", "rebuild"):
            self._open(getattr(self._opening, what), arguments)
            return None
        if what == "versions":
            return _versions(**arguments)
        if what == "cell":
            return _run_cell(**arguments)
        if what not in _REQUESTS:
            raise WorkerError(f"unknown request {what!r}.")
        host = self._opened(what)
        if what == "about":
            return {"spec": host.spec, "environment": host.environment, "outline": host.outline}
        if what == "fingerprints":
            return host.fingerprints(**arguments, progress=self._progress)
        result: object = getattr(host, what)(**arguments)
        # A run that goes on needs no reply of its own: the next thing asked is always what came of it.
        return host.receive() if what in ("begin", "proceed") else result

    def _open(self, way: Callable[..., ServedHost], arguments: Mapping[str, Any]) -> None:
        self.close()
        gc.collect()  # the model before it must not stay in memory beside the new one
        self._host = way(**arguments)

    def _opened(self, what: str) -> ServedHost:
        if self._host is None:
            raise WorkerError(f"{what!r} was asked before a model was built or loaded.")
        return self._host

    def _progress(self, phase: str, done: int, total: int) -> None:
        """A sign of life after a layer: whoever asked gives up on a worker that says nothing for long."""
        now = time.monotonic()
        if now - self._said >= _SIGN_OF_LIFE:
            self._said = now
            self._say(phase, done, total)

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None


# What a host can be asked: by the names of its methods, with the arguments that these take.
_METHODS = frozenset(
    method.__name__
    for method in (
        ServedHost.fingerprints,
        ServedHost.rename,
        ServedHost.seeds,
        ServedHost.prepare,
        ServedHost.begin,
        ServedHost.proceed,
        ServedHost.replay,
        ServedHost.attempt,
        ServedHost.mend,
        ServedHost.seed,
        ServedHost.compile,
        ServedHost.facts,
        ServedHost.rest,
        ServedHost.save,
        ServedHost.formats,
        ServedHost.configuration,
        ServedHost.modules,
        ServedHost.make_inputs,
        ServedHost.fit_inputs,
        ServedHost.deriving,
        ServedHost.fresh_state,
        ServedHost.identities,
        ServedHost.losses,
        ServedHost.footprint,
        ServedHost.holdings,
        ServedHost.values_at,
        ServedHost.settings,
        ServedHost.optimizer,
    )
)
_REQUESTS = _METHODS | {"about"}


def _run_cell(task: Mapping[str, Any]) -> dict[str, Any]:
    from tracer.workflows.releases.cells import run_cell

    return run_cell(task)


def _build(spec: str, **options: Any) -> ServedHost:
    from tracer.core.spec import parse_spec
    from tracer.engine import host

    return host.from_spec(parse_spec(spec), **options)


def _versions(packages: Sequence[str] = ()) -> dict[str, str]:
    from tracer.engine import compat

    # Beside the process that asks, what is imported is what is imported there, wherever it lies.
    strays = installed.strays(packages) if "keras" in packages else {}
    stray = next((strays[name] for name in DISTRIBUTIONS if name in strays), None)
    keras = {} if stray is None else {"keras": stray}
    return {**installed.versions(packages), **compat.environment(), **strays, **keras}


def _load(folder: str, format: str, **options: Any) -> ServedHost:
    from tracer.engine import host

    return host.from_saved(folder, format, **options)


def _rebuild(config: Mapping[str, Any], **options: Any) -> ServedHost:
    from tracer.engine import host

    return host.from_config(config, **options)


_OURS = Opening(build=_build, load=_load, rebuild=_rebuild, token=_token)


if __name__ == "__main__":
    main()
