"""However two sources are run, the trace is the same: running ahead or not, in one process or two, large or small."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from scripted import INPUTS, Away, ScriptedSource, Step, changed, to_text

from tracer.core.comparison import localize
from tracer.core.comparison.lockstep import lockstep
from tracer.core.comparison.pace import LARGE
from tracer.core.source import Source
from tracer.envs.remote import RemoteHost
from tracer.errors import ModelError
from tracer.records import Verdict

Script = tuple[Step, ...]
Workers = tuple[RemoteHost, RemoteHost]


def plain(item: Any) -> Any:
    """By value: arrays by their bytes, so that a NaN is equal to itself; live tensors are left out."""
    if isinstance(item, (np.ndarray, np.generic)):
        return item.dtype.str, item.shape, item.tobytes()
    if dataclasses.is_dataclass(item):
        names = [f.name for f in dataclasses.fields(item) if f.name != "native"]
        return type(item).__name__, tuple((name, plain(getattr(item, name))) for name in names)
    if isinstance(item, Mapping):
        return tuple(sorted((key, plain(held)) for key, held in item.items()))
    if isinstance(item, (list, tuple)):
        return tuple(map(plain, item))
    if isinstance(item, (set, frozenset)):
        return tuple(sorted(item))
    return repr(item) if isinstance(item, float) else item


def difference(a: Any, b: Any, where: str = "") -> str:
    """The first place where two plain traces differ; "" where they are equal."""
    if a == b:
        return ""
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        named = len(a) == 2 and isinstance(a[0], str)
        places = (
            difference(x, y, f"{where}.{a[0] if named else i}") for i, (x, y) in enumerate(zip(a, b, strict=True))
        )
        return next(place for place in places if place)
    return f"{where}: {str(a)[:300]} against {str(b)[:300]}"


def opened(script: Script, worker: RemoteHost | None, kind: type[ScriptedSource] = ScriptedSource) -> Source:
    if worker is None:
        return kind(script)
    worker.build(to_text(script), custom_objects=(), seed=0)
    return worker


def traced(
    reference: Script,
    candidate: Script,
    workers: tuple[RemoteHost | None, RemoteHost | None],
    kind: type[ScriptedSource] = ScriptedSource,
    **options: Any,
) -> Any:
    """What one way of running them says; what it raises says something too."""
    sides = opened(reference, workers[0]), opened(candidate, workers[1], kind)
    try:
        return plain(lockstep(*sides, INPUTS, **options))
    except ModelError as error:
        return f"ModelError: {error}"
    finally:
        for side in sides:
            side.rest()


# --- random scripts

_NUMBERS = st.sampled_from([1.0, 0.5, 2.0, 0.0])
_MASKS = st.sampled_from(["keep", "keep", "make", "drop", "other"])
_ERRORS = st.sampled_from([""] * 12 + ["ValueError: not these", "SystemExit: bye"])
_CONTEXTS: st.SearchStrategy[Mapping[str, str]] = st.sampled_from([{}, {}, {}, {"shift": "1"}, {"axis": "[1, 2]"}])
_CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "gain": st.sampled_from([1.0 + 1e-7, 1.5, float("nan"), float("inf")]),
    "offset": st.sampled_from([1e-9, 1.0]),
    "speck": st.sampled_from([1e-8, 9.0]),
    "mask": _MASKS,
    "heeds_mask": st.booleans(),
    "sparse": st.booleans(),
    "context": _CONTEXTS,
    "leaks": st.booleans(),
    "training_gain": st.just(3.0),
    "error": st.just("KeyboardInterrupt"),
    "drift": st.just(0.5),
    "hands": st.just(1.0),
    "outputs": st.sampled_from([1, 2]),
    "path": st.just("elsewhere"),
}


@st.composite
def steps(draw: st.DrawFn, names: tuple[str, ...], first: str, boxes: bool) -> Script:
    made: list[Step] = []
    for name in names:
        before = [first, *(step.path for step in made), *(f"{step.path}:1" for step in made if step.outputs == 2)]
        chosen = draw(st.lists(st.sampled_from(before), max_size=2)) if made else ()
        inside = draw(steps(("p", "q"), "in", False)) if boxes and draw(st.integers(0, 4)) == 0 else ()
        made.append(
            Step(
                name, tuple(chosen), inside=inside, gain=draw(_NUMBERS), outputs=draw(st.sampled_from([1, 1, 2])),
                mask=draw(_MASKS), heeds_mask=draw(st.booleans()), sparse=draw(st.sampled_from([False, False, True])),
                context=draw(_CONTEXTS), leaks=draw(st.integers(0, 7)) == 0, training_gain=draw(_NUMBERS),
                tangled=draw(st.booleans()), speck=draw(st.sampled_from([0.0, 0.0, float("nan")])),
            )
        )  # fmt: skip
    return tuple(made)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Script, Script]:
    reference = draw(steps(tuple("abcdefg"[: draw(st.integers(1, 7))]), "x", True))
    if draw(st.integers(0, 9)) == 0:
        reference = changed(reference, draw(st.sampled_from(reference)).path, error="SystemExit: bye")
    candidate = reference
    paths = [path for step in reference for path in (step.path, *(f"{step.path}/{i.path}" for i in step.inside))]
    for path in draw(st.lists(st.sampled_from(paths), max_size=3, unique=True)):
        what = draw(st.sampled_from(sorted(_CHANGES)))
        candidate = changed(candidate, path, **{what: draw(_CHANGES[what])})
    if draw(st.integers(0, 5)) == 0:
        candidate = tuple(draw(st.permutations(candidate)))
    return reference, candidate


def _embedding(tail: int) -> tuple[Script, Script]:
    chain = (Step("emb", mask="make"), *(Step(f"act_{i}") for i in range(tail)), Step("out", mask="drop"))
    return chain, changed(chain, "emb", mask="drop")


_ONE_PROCESS = [
    {"ahead": ahead, "large": large, "kind": kind}
    for ahead, large, kind in itertools.product((True, False), (LARGE, 0), (ScriptedSource, Away))
]


@settings(max_examples=100, phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink])
@given(pair=pairs())
@example(pair=_embedding(2))
def test_running_ahead_and_the_size_of_tensors_change_nothing(pair: tuple[Script, Script]) -> None:
    first, *others = [traced(*pair, (None, None), **options) for options in _ONE_PROCESS]
    assert [difference(first, other) for other in others] == [""] * 7


@pytest.mark.slow
@settings(max_examples=15)
@given(pair=pairs(), ahead=st.booleans(), large=st.sampled_from([LARGE, 0]))
@example(pair=_embedding(2), ahead=True, large=LARGE)
def test_a_side_in_another_process_says_the_same(
    workers: Workers, pair: tuple[Script, Script], ahead: bool, large: int
) -> None:
    first = traced(*pair, (None, None), ahead=False)
    for chosen in ((workers[0], workers[1]), (None, workers[1]), (workers[0], None)):
        assert not difference(first, traced(*pair, chosen, ahead=ahead, large=large))


@pytest.mark.nightly
@pytest.mark.slow
@settings(max_examples=3000)
@given(pair=pairs())
def test_thirty_times_as_many_random_pairs_say_the_same(pair: tuple[Script, Script]) -> None:
    first, *others = [traced(*pair, (None, None), **options) for options in _ONE_PROCESS]
    assert [difference(first, other) for other in others] == [""] * 7


@pytest.mark.nightly
@pytest.mark.slow
@settings(max_examples=200)
@given(pair=pairs(), ahead=st.booleans(), large=st.sampled_from([LARGE, 0]))
def test_many_more_sides_in_another_process_say_the_same(
    workers: Workers, pair: tuple[Script, Script], ahead: bool, large: int
) -> None:
    first = traced(*pair, (None, None), ahead=False)
    assert not difference(first, traced(*pair, workers, ahead=ahead, large=large))


def test_a_layer_that_differs_from_itself_says_nothing_of_the_context_it_is_called_in() -> None:
    """Two replays of it differ in any context, and so they do in the candidate's."""
    here = (Step("a"), Step("b"), Step("c"))
    there = (Step("a"), Step("b", drift=3.0, context={"shift": "1.0"}), Step("c"))
    trace = lockstep(ScriptedSource(here), ScriptedSource(there), INPUTS)
    assert trace.judgements[1].layers[0].verdict is Verdict.NONDETERMINISTIC
    assert not trace.judgements[1].context_differs
    assert not localize.blames(trace)
