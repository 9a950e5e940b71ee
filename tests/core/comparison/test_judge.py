"""`judge`: one pair of calls, with a layer that can be called again.  Records only, no model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import call, value

from tracer.core.comparison.judge import Judgement, judge
from tracer.core.comparison.same_call import CallMatch, match_calls
from tracer.core.source import Call, Facts, Patch, Replay, Value
from tracer.records import Verdict

_X = np.linspace(1.0, 2.0, 12, dtype="float32").reshape(3, 4)
_SAME, _OTHER_INPUTS = CallMatch(), CallMatch(other_inputs=("args[0]",))
_OTHER_CONTEXT = CallMatch(other_context=("training",))
Again = Callable[[], Replay]


def gives(*arrays: Any, error: str = "", **other: Any) -> Replay:
    return Replay(outputs=tuple(value(array) for array in arrays), error=error, **other)


class Layer:
    """A layer at a call site: what it returns when it is called again, by itself or with a change made to it."""

    def __init__(
        self, *replays: Replay, told: Facts | None = None, mended: Callable[[Patch], Replay] | None = None
    ) -> None:
        self._replays, self._told, self._mended = list(replays), told, mended
        self.inputs: list[Sequence[Value]] = []
        self.forced: list[Mapping[str, tuple[Value, ...]] | None] = []
        self.tried: list[str] = []

    def replay(
        self, inputs: Sequence[Value], context: Mapping[str, str], inner: Mapping[str, tuple[Value, ...]] | None = None
    ) -> Replay:
        del context
        self.inputs.append(inputs)
        self.forced.append(inner)
        return self._replays.pop(0) if len(self._replays) > 1 else self._replays[0]

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        del inputs, context
        self.tried.append(mend.action)
        assert self._mended is not None
        return self._mended(mend)

    def facts(self, path: str) -> Facts | None:
        del path
        return self._told


def site(output: Any = _X, **changes: Any) -> Call:
    return call(inputs=(value(_X),), outputs=() if output is None else (value(output),), **changes)


def verdict_of(judged: Judgement) -> Verdict:
    (layer,) = judged.layers
    return layer.verdict


# --- one layer


@pytest.mark.parametrize(
    ("there", "match", "again", "verdict"),
    [
        (_X, _SAME, None, Verdict.IDENTICAL),
        (_X * np.float32(1 + 4e-7), _SAME, None, Verdict.CLOSE),
        (_X * 2, _SAME, None, Verdict.INTRODUCED),
        # On other inputs the layer is called again, and that alone says whose difference it is.
        (_X * 2, _OTHER_INPUTS, _X, Verdict.INHERITED),
        (_X * 2, _OTHER_INPUTS, _X * 2, Verdict.INTRODUCED),
        (_X, _OTHER_INPUTS, _X * 2, Verdict.INTRODUCED),
        (_X, _OTHER_INPUTS, _X, Verdict.IDENTICAL),
        (_X * np.float32(1 + 4e-7), _OTHER_INPUTS, _X, Verdict.CLOSE),
        (_X * 2, _OTHER_CONTEXT, _X, Verdict.INHERITED),
        (_X.astype("float64"), _SAME, None, Verdict.INTRODUCED),
        (_X[:2], _SAME, None, Verdict.INTRODUCED),
        (np.where(_X > 1.9, np.float32(np.nan), _X), _SAME, None, Verdict.INTRODUCED),
    ],
)
def test_a_verdict_follows_from_both_differences(there: Any, match: CallMatch, again: Any, verdict: Verdict) -> None:
    layer = Layer() if again is None else Layer(gives(again))
    judged = judge(site(), site(there), match, layer)
    assert verdict_of(judged) is verdict
    assert judged.introduced is (verdict is Verdict.INTRODUCED)
    assert len(layer.inputs) == (again is not None)  # equal calls leave nothing to ask


@pytest.mark.parametrize(("factor", "drawn"), [(1, False), (1 + 4e-7, False), (2, True)])
def test_only_the_values_of_a_layer_that_introduced_an_error_are_counted(factor: float, drawn: bool) -> None:
    (layer,) = judge(site(), site(_X * np.float32(factor)), _SAME, Layer()).layers
    assert (layer.histogram is not None) is drawn
    if layer.histogram is not None:
        assert (layer.histogram.low, layer.histogram.high) == (1.0, 4.0)
        assert sum(layer.histogram.reference) == sum(layer.histogram.candidate) == _X.size
    (behind,) = judge(site(), site(_X * 2), _OTHER_INPUTS, Layer(gives(_X))).layers
    assert behind.histogram is None


@pytest.mark.parametrize(("factor", "drawn"), [(1, False), (2, True)])
def test_where_the_error_is_is_measured_of_a_layer_that_introduced_one_alone(factor: float, drawn: bool) -> None:
    picture = np.arange(1, 9, dtype="float32").reshape(1, 2, 2, 2)
    here, there = (call(outputs=(value(picture * np.float32(by)),)) for by in (1, factor))
    (layer,) = judge(here, there, match_calls(here, there), Layer()).layers
    assert (layer.error_map is not None) is drawn
    if layer.error_map is not None:
        assert layer.error_map.fields == ((1.5, 3.5), (5.5, 7.5))


def test_a_layer_that_raises_has_no_values_to_count() -> None:
    judged = judge(site(), site(None, error="ValueError: no"), _SAME, Layer(gives(error="ValueError: no")))
    assert judged.introduced and all(layer.histogram is None for layer in judged.layers)


def test_a_layer_says_where_its_inputs_come_from() -> None:
    (layer,) = judge(site(wiring=("a", "b:1")), site(), _SAME, Layer()).layers
    assert layer.inbound == ("a", "b:1")


def test_the_candidates_layer_is_asked_on_the_references_inputs() -> None:
    layer = Layer(gives(_X))
    here, there = site(), call(inputs=(value(_X + 1),), outputs=(value(_X),))
    judge(here, there, match_calls(here, there), layer)
    assert layer.inputs == [here.inputs]


@pytest.mark.parametrize(
    ("match", "there", "differs"),
    [
        (_OTHER_CONTEXT, _X * 2, True),
        (_OTHER_CONTEXT, _X, False),  # called otherwise, to no effect
        (CallMatch(other_inputs=("args[0]",), other_context=("training",)), _X * 2, False),  # the inputs may be why
        (_OTHER_INPUTS, _X * 2, False),
    ],
)
def test_the_context_is_to_blame_where_it_alone_is_other_and_has_an_effect(
    match: CallMatch, there: Any, differs: bool
) -> None:
    assert judge(site(), site(there), match, Layer(gives(_X))).context_differs is differs


def test_a_layer_that_is_wrong_in_its_own_right_isnt_excused_by_the_context() -> None:
    judged = judge(site(), site(_X * 2), _OTHER_CONTEXT, Layer(gives(_X * 3)))
    assert (judged.introduced, judged.context_differs) == (True, False)


def test_each_output_of_a_layer_has_its_own_verdict() -> None:
    here = call(outputs=(value(_X), value(_X)))
    judged = judge(here, call(outputs=(value(_X), value(_X * 2))), _SAME, Layer())
    assert [(layer.layer, layer.verdict) for layer in judged.layers] == [
        ("layer", Verdict.IDENTICAL), ("layer:1", Verdict.INTRODUCED),
    ]  # fmt: skip


@pytest.mark.parametrize("there", [(), (value(_X), value(_X))])
def test_an_output_more_or_less_is_the_layers_doing(there: tuple[Value, ...]) -> None:
    judged = judge(site(), call(outputs=there), _SAME, Layer())
    assert judged.introduced
    assert judged.layers[-1].note.endswith(f"1 outputs against {len(there)}")


def test_exact_outputs_allow_nothing_however_they_were_computed() -> None:
    ids = np.arange(1000, dtype="int64")
    off = ids.copy()
    off[-1] += 1
    here, there = call(outputs=(value(ids),), compute_dtype="bfloat16"), call(outputs=(value(off),))
    assert judge(here, there, _SAME, Layer()).introduced


def test_the_least_precise_dtype_that_was_computed_in_sets_the_bound() -> None:
    near = (_X * np.float32(1 + 1e-3)).astype("float32")
    assert judge(site(), site(near), _SAME, Layer()).introduced
    half = judge(site(compute_dtype="bfloat16"), site(near, compute_dtype="bfloat16"), _SAME, Layer())
    assert verdict_of(half) is Verdict.CLOSE


# --- errors


def test_a_reference_that_raises_is_a_measure_of_nothing() -> None:
    judged = judge(site(None, error="ValueError: no"), site(), _SAME, Layer())
    (layer,) = judged.layers
    assert (layer.verdict, judged.introduced) == (Verdict.INCOMPARABLE, False)
    assert layer.note == "the reference's layer raises ValueError: no"
    assert (layer.rel_error, layer.local_error) == (math.inf, None)


@pytest.mark.parametrize(
    ("match", "again", "verdict"),
    [
        (_SAME, gives(error="ValueError: no"), Verdict.INTRODUCED),
        (_OTHER_INPUTS, gives(error="ValueError: no"), Verdict.INTRODUCED),
        (_OTHER_INPUTS, gives(_X), Verdict.INHERITED),  # it raises on the inputs that it got, and is right on others
        (_SAME, gives(_X), Verdict.NONDETERMINISTIC),  # it raised, and doesn't when it is asked again
    ],
)
def test_a_candidate_that_raises_is_asked_again(match: CallMatch, again: Replay, verdict: Verdict) -> None:
    judged = judge(site(), site(None, error="ValueError: no"), match, Layer(again))
    assert verdict_of(judged) is verdict
    assert "ValueError: no" in judged.layers[0].note
    assert judged.layers[0].rel_error == math.inf


# --- boxes


def inside(path: str, got: Any = _X, same: bool = True) -> Judgement:
    here = call(path, inputs=(value(got),), outputs=(value(got),))
    return Judgement(
        reference=here, candidate=here, layers=(), introduced=False, other_inputs=() if same else ("args[0]",)
    )


def received(**arrays: Any) -> Mapping[str, tuple[tuple[Value, ...], Mapping[str, str]]]:
    return {f"box/{name}": ((value(array),), {}) for name, array in arrays.items()}


def test_a_box_that_hands_on_and_returns_the_same_isnt_asked() -> None:
    layer = Layer()
    judged = judge(site(is_box=True), site(is_box=True), _SAME, layer, [inside("box/a")])
    assert verdict_of(judged) is Verdict.IDENTICAL and not layer.inputs


@pytest.mark.parametrize(
    ("again", "guilty", "where"),
    [
        (gives(_X, inner=received(a=_X, b=_X)), False, None),
        (gives(_X, inner=received(a=_X, b=_X + 1)), True, "box/b"),
        (gives(_X, inner=received(a=_X + 1, b=_X + 1)), True, "box/a"),  # the first of them
        (gives(_X, inner=received(a=_X)), False, None),  # what it doesn't come by this time says nothing
        (gives(_X * 2, inner=received(a=_X, b=_X)), True, None),
    ],
)
def test_a_box_answers_for_its_own_code_only(again: Replay, guilty: bool, where: str | None) -> None:
    layer = Layer(again)
    inner = [inside("box/a"), inside("box/b", same=False)]
    judged = judge(site(is_box=True), site(_X * 2, is_box=True), _SAME, layer, inner)
    assert (judged.introduced, judged.inner_inputs) == (guilty, where)
    assert verdict_of(judged) is (Verdict.INTRODUCED if guilty else Verdict.INHERITED)
    assert layer.forced == [{"box/a": inner[0].reference.outputs, "box/b": inner[1].reference.outputs}]


def test_a_box_that_hands_on_another_number_of_tensors_is_guilty() -> None:
    again = gives(_X, inner={"box/a": ((value(_X), value(_X)), {})})
    judged = judge(site(is_box=True), site(_X * 2, is_box=True), _SAME, Layer(again), [inside("box/a")])
    assert judged.inner_inputs == "box/a"


def test_a_box_whose_inner_inputs_differ_is_asked_though_it_returns_the_same() -> None:
    layer = Layer(gives(_X, inner=received(a=_X + 1)))
    judged = judge(site(is_box=True), site(is_box=True), _SAME, layer, [inside("box/a", same=False)])
    assert judged.introduced and len(layer.inputs) == 1


@given(st.floats(1e-9, 1e-2), st.booleans())
def test_a_layer_is_blamed_exactly_where_its_own_error_is_beyond_the_bound(error: float, same: bool) -> None:
    off = (_X * (1 + error)).astype("float32")
    judged = judge(site(), site(_X * 2), _SAME if same else _OTHER_INPUTS, Layer(gives(off)))
    assert judged.introduced is (same or judged.layers[0].local_error > judged.layers[0].tolerance)
