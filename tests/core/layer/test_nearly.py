"""`tracer.core.layer.nearly`: what is asked of a layer is the same each time, and near to what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from makers import call, facts, value

from tracer.core.layer.nearly import Question, answer, nudged_alike, on_moved_inputs, questions
from tracer.core.numbers.rounding import DRAWS, NUDGES
from tracer.core.source import Patch, PatchAction, Replay, Value

_X = np.linspace(1.1, 1.9, 12, dtype="float32").reshape(3, 4)
_AT = call(inputs=(value(_X), value(np.arange(3))))
_TOLD = facts(weights={"w": _X[0], "count": np.array([1, 2])})


def arrays(question: Question) -> list[np.ndarray]:
    mend, inputs = question
    return [*(v.array for v in inputs), *(mend.weights.values() if mend is not None else ())]


def test_every_question_is_another_one_and_the_same_each_time() -> None:
    once, again = list(questions(_AT, _TOLD)), list(questions(_AT, _TOLD))
    assert len(once) == DRAWS - 1 + NUDGES
    assert len({arrays(one)[0].tobytes() for one in once}) == len(once)
    for one, same in zip(once, again, strict=True):
        assert all(map(np.array_equal, arrays(one), arrays(same)))
    assert len(list(questions(_AT, None))) == DRAWS - 1  # of a function nobody knows the weights


def test_floating_point_is_moved_and_the_rest_stays() -> None:
    _, (moved, ids) = on_moved_inputs(_AT, 1)
    assert 1e-3 < np.abs(moved.array / _X - 1).max() < 5e-3 and np.array_equal(ids.array, np.arange(3))
    mend, (nudged, ids) = nudged_alike(_AT, _TOLD, 1)
    assert mend is not None and mend.action == PatchAction.COPY_WEIGHTS
    assert np.abs(nudged.array / _X - 1).min() > 5e-7 and np.abs(mend.weights["w"] / _X[0] - 1).max() < 2e-6
    _, (further, _) = nudged_alike(_AT, _TOLD, 1, off=1e-4)
    assert np.abs(further.array / _X - 1).min() > 9e-5
    assert np.array_equal(mend.weights["count"], [1, 2]) and np.array_equal(ids.array, np.arange(3))


def test_a_side_is_asked_with_its_own_weights_or_with_others() -> None:
    class Side:
        def replay(self, inputs: Sequence[Value], context: Mapping[str, str], inner: object = None) -> Replay:
            assert context is _AT.context and inner is None
            return Replay(outputs=(), error=f"replay {len(inputs)}")

        def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
            assert context is _AT.context
            return Replay(outputs=(), error=f"attempt {list(mend.weights)} {len(inputs)}")

        def facts(self, path: str) -> None:
            raise AssertionError(path)

    assert answer(Side(), _AT, on_moved_inputs(_AT, 1)).error == "replay 2"
    assert answer(Side(), _AT, nudged_alike(_AT, _TOLD, 1)).error == "attempt ['w', 'count'] 2"
