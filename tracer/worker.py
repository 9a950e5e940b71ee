"""A model in a process of its own: `python -m tracer.worker` serves one source over its standard input and output.

Needs NumPy and Keras alone.  Whatever else writes to standard output is sent to standard error, so that it can't be
taken for a message.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tracer.core import wire
from tracer.errors import TracerError, WorkerError


def main() -> None:
    """Serve requests until standard input ends."""
    requests, replies = _claim_pipes()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.suppress(ImportError):  # the first request that needs Keras says what is missing
        importlib.import_module("tracer.engine.host")
    served = _Served()
    while True:
        try:
            request = wire.receive(requests)
        except EOFError:
            break
        wire.send(replies, _answer(served, request))
    served.close()


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
    try:
        return {"result": served.do(request["do"], request.get("with", {}))}
    except TracerError as error:
        return {"error": str(error), "kind": type(error).__name__}
    # The other process must get to know, whatever it is; the whole traceback goes to the log.
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}", "kind": "WorkerError"}


class _Served:
    """The one source that this process serves."""

    def __init__(self) -> None:
        self._host: Any = None

    def do(self, what: str, arguments: Mapping[str, Any]) -> Any:
        if what == "build":
            self._host = None  # the model before it must not stay in memory beside the new one
            gc.collect()
            self._host = _build(**arguments)
        elif what == "load":
            self._host = _load(**arguments)
        elif what == "versions":
            return _versions()
        elif what == "about":
            host = self._host
            return {"spec": host.spec, "environment": host.environment, "outline": host.outline}
        elif what in _METHODS:
            result = getattr(self._host, what)(**arguments)
            # A run that goes on needs no reply of its own: the next thing asked is always what came of it.
            return self._host.receive() if what in ("begin", "proceed") else result
        else:
            raise WorkerError(f"unknown request {what!r}.")
        return None

    def close(self) -> None:
        if self._host is not None:
            self._host.close()


_METHODS = frozenset(
    {"rename", "seeds", "begin", "proceed", "replay", "attempt", "mend", "facts", "rest", "save", "formats", "modules",
     "make_inputs", "fit_inputs", "deriving", "fresh_state", "fingerprints", "identities"}
)  # fmt: skip


def _build(spec: str, **options: Any) -> Any:
    from tracer.core.spec import parse_spec
    from tracer.engine import host

    return host.from_spec(parse_spec(spec), **options)


def _versions() -> dict[str, str]:
    from tracer.engine import compat

    return compat.environment()


def _load(folder: str, format: str, custom_objects: tuple[str, ...]) -> Any:
    from tracer.engine import host

    return host.from_saved(folder, format, custom_objects=custom_objects)


if __name__ == "__main__":
    main()
