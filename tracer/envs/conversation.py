"""A worker process, what it is asked and what it answers.

What doesn't answer what was asked is an error, never an answer to something else.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tracer.core.feed import Feed
from tracer.core.layer.optimizer import Restored
from tracer.core.memory import Footprint
from tracer.core.source import Call, End, Facts, Replay
from tracer.core.transport import wire
from tracer.core.transport.shared_memory import Arena
from tracer.envs.inherited import foreign_variables, own_variables, start_module
from tracer.errors import ModelError, TracerError, WorkerError
from tracer.progress import Progress
from tracer.system import leftovers, processes

# Longer than any single layer takes; a worker that says nothing for so long hangs.
_PATIENCE = 900.0

_NOTHING = type(None)
_LISTED = (list, tuple)
# By request, what its answer is.
_ANSWERS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "build": (_NOTHING,),
        "load": (_NOTHING,),
        "about": (dict,),
        "versions": (dict,),
        "rename": (_NOTHING,),
        "seeds": (dict,),
        "prepare": (bool,),
        "begin": (Call, End),
        "proceed": (Call, End),
        "replay": (Replay,),
        "attempt": (Replay,),
        "mend": (_NOTHING,),
        "facts": (Facts, _NOTHING),
        "rest": (_NOTHING,),
        "save": (_NOTHING,),
        "formats": _LISTED,
        "modules": _LISTED,
        "deriving": _LISTED,
        "fresh_state": (dict,),
        "identities": (dict,),
        "footprint": (Footprint, _NOTHING),
        "fingerprints": _LISTED,
        "holdings": (dict,),
        "values_at": _LISTED,
        "settings": (dict,),
        "optimizer": (Restored,),
        "make_inputs": (Feed,),
        "fit_inputs": (Feed,),
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked last.

    Attributes:
        number: counted up with every request; the worker sends it back with all that it says about this one.
        what: its name.
    """

    number: int
    what: str

    def __str__(self) -> str:
        return f"request {self.number} ({self.what})"


class Conversation:
    """A worker process, and requests and answers over two pipes.

    Args:
        command: what starts a Python that has Keras, without its arguments; none: this one, in this environment.
        environment: variables to set for it.
        module: what that Python runs; it serves as `tracer.worker.serve` does.

    Raises:
        WorkerError: from every method, when the worker dies, hangs or talks nonsense; with its last words.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None, module: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker, closed in `close`
        self._files = contextlib.ExitStack()
        self.waiting = False  # for an answer
        self._asked = Request(0, "nothing")
        self._memory = _shared_memory()
        self._up: wire.Link | None = None
        self._down: wire.Link | None = None
        if self._memory:
            self._up, self._down = (wire.Link(Arena(one)) for one in self._memory)
        words = [*(command or [sys.executable]), *start_module(module, *map(str, self._memory))]
        inherited = foreign_variables if command else own_variables
        # Whatever ends the worker: what Keras has left in its temporary folder goes with this one's, or after it.
        place = {"TMPDIR": str(self._files.enter_context(leftovers.temporary_folder()))}
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=inherited({**place, **(environment or {})}),
                bufsize=0,  # `select` must see all there is
                pass_fds=self._memory,
                start_new_session=True,  # so that all of it can be ended at once
            )
        except OSError as error:
            self._let_go()
            raise WorkerError(f"{words[0]} can't be started: {error}.") from error
        assert self._process.stdin is not None
        self._requests = io.BufferedWriter(self._process.stdin, 1 << 20)

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def ask(self, what: str, **arguments: Any) -> Any:
        """The answer to a request; whatever was asked before it is let go."""
        self.finish_waiting()
        self.send(what, **arguments)
        return self.reply()

    def finish_waiting(self) -> None:
        """A run that was left half-way has one reply outstanding, which nobody asks for any more."""
        if self.waiting:
            with contextlib.suppress(ModelError):  # that the abandoned run failed says nothing of what comes now
                self.reply()

    def send(self, what: str, **arguments: Any) -> None:
        """Ask without waiting for the answer."""
        self._asked = Request(self._asked.number + 1, what)
        try:
            wire.send(self._requests, {"do": what, "with": arguments, "number": self._asked.number}, self._down)
        except (BrokenPipeError, ValueError) as error:
            raise self._failure("has ended") from error
        self.waiting = True

    def reply(self, progress: Progress | None = None) -> Any:
        """The answer; what the worker says of its progress before it goes to `progress`."""
        while "progress" in (reply := self._message()):
            if progress is not None:
                progress(*reply["progress"])
        self.waiting = False
        if "error" in reply:
            kind = getattr(importlib.import_module("tracer.errors"), reply["kind"], WorkerError)
            raise (kind if issubclass(kind, TracerError) else WorkerError)(reply["error"])
        return reply["result"]

    def _message(self) -> Any:
        assert self._process.stdout is not None
        pipe = self._process.stdout
        if not select.select([pipe], [], [], _PATIENCE)[0]:
            raise self._failure(f"has said nothing for {_PATIENCE:.0f} s")
        try:
            return check_message(wire.receive(pipe, self._up), self._asked)  # type: ignore[arg-type]
        except EOFError as error:
            raise self._failure("has died") from error
        except WorkerError as error:
            raise self._failure(f"talks nonsense: {error}") from error

    def _failure(self, what: str) -> WorkerError:
        self._end_group()
        code = self._process.returncode
        words = processes.last_words(self._log)
        how = f" (exit status {code})" if code is not None else ""
        return WorkerError(f"the worker process {what}{how}. Its last words:\n{words or '(none)'}")

    def _end_group(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.2)
        processes.end_group(self._process.pid)
        self._process.wait()

    def close(self) -> None:
        """End the process and all that it started; safe to call twice."""
        with contextlib.suppress(OSError, ValueError):
            self._requests.close()
        self._end_group()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._let_go()

    def _let_go(self) -> None:
        self._log.close()
        self._files.close()
        memory, self._memory = self._memory, ()
        for descriptor in memory:
            os.close(descriptor)


def _shared_memory() -> tuple[int, ...]:
    """Two pieces of memory without a name, for replies and for requests; none where the system has no such thing."""
    if not hasattr(os, "memfd_create"):
        return ()
    return os.memfd_create("tracer-replies"), os.memfd_create("tracer-requests")


def check_message(message: Any, asked: Request) -> dict[str, Any]:
    """The message, if it says something about this request: progress, an error, or the answer.

    Raises:
        WorkerError: with what was asked and what came.
    """
    if not isinstance(message, dict) or len(message.keys() & {"progress", "error", "result"}) != 1:
        raise _wrong(asked, f"a {type(message).__name__} that is neither progress, error nor result")
    if message.get("to") != asked.number:
        raise _wrong(asked, f"a message about request {message.get('to')!r}")
    received = _out_of_place(message, asked)
    if received:
        raise _wrong(asked, received)
    return message


def _out_of_place(message: Mapping[str, Any], asked: Request) -> str:
    """What a message says that can't be said of this request; "" where there is no such thing."""
    if "progress" in message:
        said = message["progress"]
        return "" if isinstance(said, _LISTED) and len(said) == 3 else f"progress {said!r}"
    if "error" in message:
        said = isinstance(message["error"], str) and isinstance(message.get("kind"), str)
        return "" if said else "an error that doesn't say what it is"
    fits = isinstance(message["result"], _ANSWERS.get(asked.what, (object,)))
    return "" if fits else f"a {type(message['result']).__name__}"


def _wrong(asked: Request, received: str) -> WorkerError:
    return WorkerError(f"{asked} was answered by {received}")
