"""Does a worker's message answer what it was asked?  What it doesn't is an error, never an answer to something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tracer.core.feed import Feed
from tracer.core.memory import Footprint
from tracer.core.source import Call, End, Facts, Replay
from tracer.errors import WorkerError

_NOTHING = type(None)
_LISTED = (list, tuple)
# By request, what its answer is.
_ANSWERS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "build": (_NOTHING,), "load": (_NOTHING,), "about": (dict,), "versions": (dict,), "rename": (_NOTHING,),
        "seeds": (dict,), "prepare": (bool,), "begin": (Call, End), "proceed": (Call, End), "replay": (Replay,),
        "attempt": (Replay,), "mend": (_NOTHING,), "facts": (Facts, _NOTHING), "rest": (_NOTHING,),
        "save": (_NOTHING,), "formats": _LISTED, "modules": _LISTED, "deriving": _LISTED, "fresh_state": (dict,),
        "identities": (dict,), "footprint": (Footprint, _NOTHING), "fingerprints": _LISTED,
        "holdings": (dict,), "values_at": _LISTED, "settings": (dict,),
        "make_inputs": (Feed,), "fit_inputs": (Feed,),
    }
)  # fmt: skip


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


def check_message(message: Any, asked: Request) -> dict[str, Any]:
    """The message, if it says something about this request: progress, an error, or the answer.

    Raises:
        WorkerError: with what was asked and what came.
    """
    if not isinstance(message, dict) or len(message.keys() & {"progress", "error", "result"}) != 1:
        raise _wrong(asked, f"a {type(message).__name__} that is neither progress, error nor result")
    if message.get("to") != asked.number:
        raise _wrong(asked, f"a message about request {message.get('to')!r}")
    if "progress" in message:
        said = message["progress"]
        if not isinstance(said, _LISTED) or len(said) != 3:
            raise _wrong(asked, f"progress {said!r}")
    elif "error" in message:
        if not isinstance(message["error"], str) or not isinstance(message.get("kind"), str):
            raise _wrong(asked, "an error that doesn't say what it is")
    elif not isinstance(message["result"], _ANSWERS.get(asked.what, (object,))):
        raise _wrong(asked, f"a {type(message['result']).__name__}")
    return message


def _wrong(asked: Request, received: str) -> WorkerError:
    return WorkerError(f"{asked} was answered by {received}")
