"""The one loop over a source: it stops at every call site, goes on as it is told, and rests whatever happens."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted import INPUTS, Script, ScriptedSource, Step, changed

from tracer.core.drive import at_rest_afterwards, run_together, run_with, running
from tracer.core.source import Array, Call, End, Run, Value
from tracer.errors import MemoryLimitError, ModelError, WorkerError

CHAIN = tuple(Step(name) for name in ("a", "b", "c"))
RUN = Run(inputs=INPUTS)


class Watched(ScriptedSource):
    """Notes when it is brought to rest."""

    def rest(self) -> None:
        super().rest()
        self.asked.append("rest")


class Dead(Watched):
    """A worker that dies in its second call."""

    def receive(self) -> Call | End:
        if "proceed" in self.asked:
            raise WorkerError("has died")
        return super().receive()

    def rest(self) -> None:
        super().rest()
        if "proceed" in self.asked:
            raise WorkerError("has ended")


def abandon(source: ScriptedSource, error: BaseException) -> None:
    """Leave a run by an error, at its first call site."""
    with running(source, RUN) as calls:
        next(calls)
        raise error


def output_of(end: End) -> Array:
    return end.outputs[0].array


def test_every_call_comes_once_in_execution_order_and_then_the_end() -> None:
    source = Watched(CHAIN)
    with running(source, RUN) as calls:
        assert [call.path for call in calls] == ["a", "b", "c"]
        np.testing.assert_array_equal(output_of(calls.end), INPUTS)
    assert source.asked == ["rest", "begin", "proceed", "proceed", "proceed", "rest"]


def test_a_run_goes_on_with_what_it_is_given() -> None:
    end = run_with(ScriptedSource(CHAIN), RUN, {"b": (Value(array=INPUTS * 5),)})
    np.testing.assert_array_equal(output_of(end), INPUTS * 5)


def test_whoever_goes_on_early_goes_on_once() -> None:
    source = Watched(CHAIN)
    with running(source, RUN) as calls:
        for _ in calls:
            calls.proceed()
    assert source.asked.count("proceed") == len(CHAIN)


def test_the_source_stands_at_the_call_site_until_the_next_one_is_asked_for() -> None:
    source = ScriptedSource(changed(CHAIN, "b", gain=3.0))
    with running(source, RUN) as calls:
        for call in calls:
            if call.path == "b":
                replayed = source.replay(call.inputs, call.context)
                np.testing.assert_array_equal(replayed.outputs[0].array, INPUTS * 3)


def test_a_run_that_is_left_half_way_is_at_rest_and_has_no_end() -> None:
    source = Watched(CHAIN)
    with running(source, RUN) as calls:
        next(calls)
    assert source.asked[-1] == "rest"
    with pytest.raises(ModelError, match="scripted: this run hasn't come to its end"):
        _ = calls.end


@pytest.mark.parametrize("error", [MemoryLimitError("too much"), ValueError("a bug")])
def test_whatever_fails_the_source_rests(error: Exception) -> None:
    source = Watched(CHAIN)
    with pytest.raises(type(error), match=str(error)):
        abandon(source, error)
    assert source.asked[-1] == "rest"


def test_somebody_who_interrupts_doesnt_wait_for_the_model() -> None:
    source = Watched(CHAIN)
    with pytest.raises(KeyboardInterrupt):
        abandon(source, KeyboardInterrupt())
    assert source.asked[-1] != "rest"


def test_how_a_worker_died_is_told_not_that_it_cant_rest() -> None:
    with pytest.raises(WorkerError, match="has died"):
        run_with(Dead(CHAIN), RUN, {"a": (Value(array=INPUTS),)})


def test_a_calls_tensors_are_gone_before_the_next_layer_runs() -> None:
    handed_out: list[weakref.ref[Array]] = []

    class Handing(ScriptedSource):
        def receive(self) -> Call | End:
            message = super().receive()
            if isinstance(message, End):
                return message
            fresh = message.outputs[0].array.copy()
            handed_out.append(weakref.ref(fresh))
            return replace(message, outputs=(Value(array=fresh),))

        def proceed(self, outputs: Sequence[Value] | None = None) -> None:
            gc.collect()
            assert all(array() is None for array in handed_out)
            super().proceed(outputs)

    run_with(Handing(CHAIN), RUN, {step.path: (Value(array=INPUTS),) for step in CHAIN})
    assert len(handed_out) == len(CHAIN)


# --- several at once


class Noting(ScriptedSource):
    """Notes in one list what is asked of several sources."""

    def __init__(self, name: str, noted: list[str], script: Script = CHAIN) -> None:
        super().__init__(script)
        self._note = lambda what: noted.append(f"{what} {name}")

    def begin(self, inputs: Array, **options: Any) -> None:
        self._note("begin")
        super().begin(inputs, **options)

    def receive(self) -> Call | End:
        self._note("receive")
        return super().receive()


def test_several_sources_are_all_begun_before_any_is_waited_for() -> None:
    noted: list[str] = []
    put_in = {"b": (Value(array=INPUTS * 5),)}
    first, second = run_together([(Noting("r", noted), RUN, {}), (Noting("c", noted), RUN, put_in)])
    assert noted == ["begin r", "begin c", "receive r", "receive c", "receive c"]
    assert isinstance(first, End) and isinstance(second, End)
    np.testing.assert_array_equal(output_of(first), INPUTS)
    np.testing.assert_array_equal(output_of(second), INPUTS * 5)


def test_a_model_that_fails_lets_the_others_come_to_their_end() -> None:
    fails = Watched(changed(CHAIN, "b", error="ValueError: no"))
    failure, end = run_together([(fails, RUN, {}), (Watched(CHAIN), RUN, {})])
    assert isinstance(failure, ModelError) and isinstance(end, End)
    assert fails.asked[-1] == "rest"


def test_a_worker_that_dies_is_told_of_whoever_else_runs() -> None:
    put_in = {"a": (Value(array=INPUTS),)}
    with pytest.raises(WorkerError, match="has died"):
        run_together([(Watched(CHAIN), RUN, put_in), (Dead(CHAIN), RUN, put_in)])


class Restless(Watched):
    """Can't be brought to rest."""

    def rest(self) -> None:
        super().rest()
        if "begin" in self.asked:
            raise ModelError("won't rest")


@pytest.mark.parametrize("error", [None, ZeroDivisionError("failed")])
def test_a_side_that_cant_be_brought_to_rest_keeps_no_other_from_it(error: Exception | None) -> None:
    """Of a run that failed, why it failed is what is told."""
    one, other = Restless(CHAIN), Watched(CHAIN)

    def run() -> None:
        with at_rest_afterwards(one, other):
            one.asked.append("begin")
            if error:
                raise error

    with pytest.raises(ZeroDivisionError if error else ModelError):
        run()
    assert other.asked == ["rest"]
