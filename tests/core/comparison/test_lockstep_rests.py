"""However a lock-step run ends, both sides are at rest afterwards, and run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scripted import INPUTS, ScriptedSource, Step, changed

from tracer.core.comparison.lockstep import local_errors, lockstep
from tracer.errors import MemoryLimitError, ModelError, WorkerError

CHAIN = tuple(Step(name) for name in "abcd")
WRONG = changed(CHAIN, "b", offset=5.0)


class Failing(ScriptedSource):
    """Fails once, when it is asked something for the n-th time; notes whether a run of it is on."""

    def __init__(self, script: Any, fails: str = "", at: int = 1, error: Exception | None = None) -> None:
        super().__init__(script)
        self._fails, self._left, self._error = fails, at, error or ModelError("fails")
        for name in ("begin", "receive", "proceed", "replay", "facts"):
            setattr(self, name, self._counted(name, getattr(self, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self._left -= name == self._fails
            if name == self._fails and self._left == 0:
                raise self._error
            return method(*args, **options)

        return counted

    @property
    def is_on(self) -> bool:
        return self._run is not None


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("fails", "at"), [("begin", 1), ("receive", 1), ("receive", 3), ("proceed", 2), ("replay", 1), ("facts", 1)]
)
@pytest.mark.parametrize("error", [ModelError("fails"), MemoryLimitError("too much")])
def test_neither_side_is_left_running(side: int, fails: str, at: int, error: Exception) -> None:
    sides = [Failing(CHAIN), Failing(WRONG)]
    sides[side] = Failing((CHAIN, WRONG)[side], fails, at, error)
    with pytest.raises(type(error)):
        lockstep(*sides, INPUTS)
    assert not any(source.is_on for source in sides)
    assert [j.reference.path for j in lockstep(*sides, INPUTS).judgements if j.introduced] == ["b"]


def test_a_callback_that_fails_leaves_nobody_running() -> None:
    def progress(phase: str, done: int, total: int) -> None:
        if done == 2:
            raise ZeroDivisionError

    sides = Failing(CHAIN), Failing(WRONG)
    with pytest.raises(ZeroDivisionError):
        lockstep(*sides, INPUTS, progress=progress)
    assert not any(source.is_on for source in sides)


def test_a_worker_that_died_is_what_is_told_though_it_cant_be_brought_to_rest() -> None:
    dead, other = Failing(WRONG, "receive", 2, WorkerError("has died")), Failing(CHAIN)

    def rest() -> None:
        if dead._left <= 0:
            raise WorkerError("has ended")
        ScriptedSource.rest(dead)

    dead.rest = rest  # type: ignore[method-assign]
    with pytest.raises(WorkerError, match="has died"):
        lockstep(other, dead, INPUTS)
    assert not other.is_on


def test_afterwards_nobody_is_running() -> None:
    for run in (lockstep, local_errors):
        sides = Failing(CHAIN), Failing(WRONG)
        run(*sides, INPUTS)
        assert not any(source.is_on for source in sides)
        assert all(source.asked.count("begin") >= 1 for source in sides)
