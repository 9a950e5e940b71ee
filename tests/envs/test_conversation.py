"""What a worker says must answer what it was asked; anything else is an error that names both."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracer.core.feed import Feed
from tracer.core.source import Call, End, Replay
from tracer.envs.conversation import Request, check_message
from tracer.envs.remote import RemoteHost
from tracer.errors import WorkerError
from tracer.records import Inputs

_CALL = Call(path="a", class_name="A", box="", is_box=False, inputs=(), outputs=(), context={})


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("receive", 5),
        ("begin", _CALL),
        ("begin", End(outputs=())),
        ("replay", Replay(outputs=())),
        ("facts", None),
        ("rest", None),
        ("formats", ["keras"]),
        ("prepare", True),
        ("make_inputs", Feed(arrays=np.ones(2), told=Inputs(origin="given"))),
    ],
)
def test_an_answer_of_its_kind_is_handed_on(what: str, result: Any) -> None:
    message = {"to": 3, "result": result}
    assert check_message(message, Request(3, what)) is message


@pytest.mark.parametrize(
    ("what", "message", "said"),
    [
        ("replay", {"to": 3, "result": _CALL}, r"request 3 \(replay\) was answered by a Call"),
        ("proceed", {"to": 3, "result": Replay(outputs=())}, r"request 3 \(proceed\) was answered by a Replay"),
        ("proceed", {"to": 3, "result": None}, "a NoneType"),
        ("make_inputs", {"to": 3, "result": np.ones(2)}, r"request 3 \(make_inputs\) was answered by a ndarray"),
        ("rest", {"to": 3, "result": _CALL}, r"request 3 \(rest\) was answered by a Call"),
        ("prepare", {"to": 3, "result": 1}, "an? int"),
        ("replay", {"to": 2, "result": Replay(outputs=())}, "a message about request 2"),
        ("replay", {"result": Replay(outputs=())}, "a message about request None"),
        ("replay", {"to": 2, "progress": ("running", 1, 2)}, "a message about request 2"),
        ("replay", {"to": 2, "error": "no", "kind": "ModelError"}, "a message about request 2"),
        ("replay", {"to": 3, "progress": "running"}, "progress 'running'"),
        ("replay", {"to": 3, "progress": ("running", 1, 2), "result": None}, "neither progress, error nor result"),
        ("replay", {"to": 3, "error": "no"}, "an error that doesn't say what it is"),
        ("replay", {"to": 3}, "neither progress, error nor result"),
        ("replay", [1, 2], "a list"),
        ("replay", None, "a NoneType"),
    ],
)
def test_what_answers_something_else_is_an_error(what: str, message: Any, said: str) -> None:
    with pytest.raises(WorkerError, match=said):
        check_message(message, Request(3, what))


_LIAR = """
import os, sys
from tracer.core.feed import Feed
from tracer.core.transport import wire
from tracer.core.source import Call, End, Replay
from tracer.core.transport.shared_memory import Arena
up, down = (wire.Link(Arena(int(word))) for word in sys.argv[1:])
call = Call(path="a", class_name="A", box="", is_box=False, inputs=(), outputs=(), context={})
answers = {"begin": call, "proceed": End(outputs=()), "replay": REPLAY, "rest": None}
requests, replies = os.fdopen(0, "rb"), os.fdopen(1, "wb")
while True:
    request = wire.receive(requests, down)
    for _ in range(TWICE if request["do"] == "begin" else 1):
        wire.send(replies, {"to": request["number"], "result": answers[request["do"]]}, up)
"""


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[Any]:
    made: list[RemoteHost] = []

    def start(replay: str = "Replay(outputs=())", twice: int = 1) -> RemoteHost:
        text = _LIAR.replace("REPLAY", replay).replace("TWICE", str(twice))
        (tmp_path / "liar.py").write_text(text, encoding="utf-8")
        paths = f"{tmp_path}:{Path(__file__).resolve().parents[2]}"
        made.append(RemoteHost([sys.executable], {"PYTHONPATH": paths}, module="liar"))
        made[-1].begin(np.ones(2), training=False)
        return made[-1]

    yield start
    for worker in made:
        worker.close()


def test_a_worker_that_answers_is_believed(liar: Any) -> None:
    worker = liar()
    assert worker.receive() == _CALL
    assert worker.replay((), {}) == Replay(outputs=())
    worker.proceed()
    assert worker.receive() == End(outputs=())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"replay": "call"}, r"talks nonsense: request 2 \(replay\) was answered by a Call"),
        ({"twice": 2}, r"talks nonsense: request 2 \(replay\) was answered by a message about request 1"),
    ],
)
def test_a_worker_that_answers_something_else_or_twice_is_not(liar: Any, options: Any, said: str) -> None:
    worker = liar(**options)
    assert worker.receive() == _CALL
    with pytest.raises(WorkerError, match=said):
        worker.replay((), {})


def test_nothing_is_received_that_nobody_asked_for(liar: Any) -> None:
    worker = liar()
    worker.receive()
    with pytest.raises(WorkerError, match="nothing was asked"):
        worker.receive()


def test_a_worker_killed_in_the_middle_of_a_run_is_an_error(liar: Any) -> None:
    worker = liar()
    worker.receive()
    os.kill(worker.process, signal.SIGKILL)
    with pytest.raises(WorkerError, match="the worker process has"):
        worker.formats()  # the reply to `begin` was read: this finds a closed pipe, or no answer
    with pytest.raises(ProcessLookupError):
        os.killpg(worker.process, 0)
