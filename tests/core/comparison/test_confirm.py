"""`confirm`: before a layer is blamed, both sides are asked again, and changes are tried.  Records only, no model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from makers import call, facts, value
from test_judge import _SAME, _X, Layer, gives, inside, received, site, verdict_of

from tracer.core.comparison.confirm import confirm
from tracer.core.comparison.gap import Terms
from tracer.core.comparison.judge import Judgement, judge
from tracer.core.source import Patch, Replay, Value
from tracer.records import Verdict

_TOLD = facts(class_name="keras.layers.Normalization", derives=True, weights={"w": _X}, state={"mean": 0.0})
_OFF = facts(class_name="keras.layers.Normalization", derives=True, weights={"w": _X * 2}, state={"mean": 1.0})


def guilty() -> Judgement:
    return judge(site(), site(_X * 2), _SAME, Layer())


@pytest.mark.parametrize(
    ("reference", "candidate", "who"),
    [
        ([gives(_X)], [gives(_X * 2)], ""),
        ([gives(_X * 3)], [gives(_X * 2)], "reference"),
        ([gives(_X)], [gives(_X * 2), gives(_X * 3)], "candidate"),
        ([gives(_X)], [gives(_X * 2), gives(error="ValueError: no")], "candidate"),
        ([gives(_X)], [gives(error="ValueError: no")], ""),  # whenever it is asked
        ([gives(_X * np.float32(1 + 2e-7))], [gives(_X * 2), gives(_X * np.float32(2 + 4e-7))], ""),  # sums, reordered
    ],
)
def test_a_layer_that_differs_from_itself_isnt_blamed(reference: Any, candidate: Any, who: str) -> None:
    judged = confirm(guilty(), Layer(*reference), Layer(*candidate))
    assert judged.introduced is not bool(who)
    assert verdict_of(judged) is (Verdict.NONDETERMINISTIC if who else Verdict.INTRODUCED)
    assert judged.layers[0].note.startswith(f"the {who} differs from itself" if who else "")


def test_a_reference_that_has_gone_on_isnt_asked_again() -> None:
    gone = Layer(told=_TOLD)
    judged = confirm(guilty(), gone, Layer(gives(_X * 2), told=_OFF, mended=lambda mend: gives(_X)), standing=False)
    assert not gone.inputs and not gone.tried
    assert judged.stale == (None, True)


@pytest.mark.parametrize(
    ("here", "there", "stale"), [(_X, _X * 2, (False, False)), (_X + 1, _X * 2, (True, False)), (_X, _X, (False, True))]
)
def test_each_side_is_stale_by_its_own_output(here: Any, there: Any, stale: tuple[bool, bool]) -> None:
    """Derived anew, a layer that isn't stale returns what it returned."""
    reference = Layer(gives(_X), told=_TOLD, mended=lambda mend: gives(here))
    judged = confirm(guilty(), reference, Layer(gives(_X * 2), told=_OFF, mended=lambda mend: gives(there)))
    assert judged.stale == stale
    assert judged.facts == (_TOLD, _OFF)


def test_a_side_that_raised_has_returned_nothing_to_be_stale_by() -> None:
    judged = judge(site(), site(None, error="ValueError: no"), _SAME, Layer(gives(error="ValueError: no")))
    candidate = Layer(gives(error="ValueError: no"), told=_OFF, mended=lambda mend: gives(_X * 5))
    found = confirm(judged, Layer(gives(_X), told=_TOLD, mended=lambda mend: gives(_X)), candidate)
    assert found.stale == (False, None)


def test_no_change_is_tried_on_a_box_whose_own_code_is_wrong() -> None:
    again = gives(_X * 2, inner=received(a=_X))
    judged = judge(site(is_box=True), site(_X * 2, is_box=True), _SAME, Layer(again), [inside("box/a")])
    candidate = Layer(gives(_X * 2), told=facts(weights={"w": _X * 2}))
    found = confirm(judged, Layer(gives(_X), told=facts(weights={"w": _X})), candidate)
    assert found.introduced and found.mend is None and not candidate.tried


@pytest.mark.parametrize(
    ("reference", "candidate", "who"),
    [
        ([gives(_X, inner=received(a=_X))], [gives(_X * 2, inner=received(a=_X))], ""),
        ([gives(_X * 3, inner=received(a=_X))], [gives(_X * 2, inner=received(a=_X))], "reference"),
        ([gives(_X, inner=received(a=_X + 1))], [gives(_X * 2, inner=received(a=_X))], "reference"),
        (
            [gives(_X, inner=received(a=_X))],
            [gives(_X * 2, inner=received(a=_X + 1)), gives(_X * 2, inner=received(a=_X + 3))],
            "candidate",
        ),
        ([gives(_X, inner=received(a=_X))], [gives(_X * 2, inner=received(a=_X + 1))], ""),  # always the same other
    ],
)
def test_a_box_is_random_by_its_own_code_and_not_by_layers_inside(reference: Any, candidate: Any, who: str) -> None:
    """Those inside return what they returned while it is called again, and what it hands them is looked at too."""
    inner = [inside("box/a")]
    first = Layer(gives(_X * 2, inner=received(a=_X)))
    judged = judge(site(is_box=True), site(_X * 2, is_box=True), _SAME, first, inner)
    sides = Layer(*reference), Layer(*candidate)
    found = confirm(judged, *sides, inner)
    assert found.introduced is not bool(who)
    assert found.layers[0].note.startswith(f"the {who} differs from itself" if who else "")
    assert all([*forced] == ["box/a"] for side in sides for forced in side.forced if forced is not None)
    assert sides[0].forced


def test_a_layer_without_state_to_derive_is_neither_stale_nor_fresh() -> None:
    plain = facts(weights={"w": _X})
    judged = confirm(guilty(), Layer(gives(_X), told=plain), Layer(gives(_X * 2), told=plain))
    assert judged.stale == (None, None) and judged.mend is None


@pytest.mark.parametrize(
    ("helps", "tried"),
    [
        ("finalize_state", ["finalize_state", "finalize_state"]),  # the first time to see whether it is stale
        ("copy_weights", ["finalize_state", "finalize_state", "copy_weights"]),
        ("set_attribute", ["finalize_state", "finalize_state", "copy_weights", "set_attribute"]),
        ("nothing", ["finalize_state", "finalize_state", "copy_weights", "set_attribute", "set_attribute"]),
    ],
)
def test_the_first_change_that_puts_it_right_is_the_remedy(helps: str, tried: list[str]) -> None:
    def mended(mend: Patch) -> Replay:
        return gives(_X if mend.action == helps else _X * 5)

    candidate = Layer(gives(_X * 2), told=_OFF, mended=mended)
    reference = Layer(gives(_X), told=_TOLD, mended=lambda mend: gives(_X))
    judged = confirm(guilty(), reference, candidate)
    assert (judged.mend.action if judged.mend else "nothing") == helps
    assert candidate.tried == tried


def test_a_change_with_which_the_layer_raises_is_no_remedy() -> None:
    candidate = Layer(
        gives(_X * 2), told=facts(weights={"w": _X * 2}), mended=lambda mend: gives(error="ValueError: no")
    )
    judged = confirm(guilty(), Layer(gives(_X), told=facts(weights={"w": _X})), candidate)
    assert candidate.tried == ["copy_weights"] and judged.mend is None


# --- rounding, where two sides add up in another order


class Sums(Layer):
    """Returns its inputs, off by what a function of them says."""

    def __init__(self, off: Callable[[np.ndarray], np.ndarray | float]) -> None:
        super().__init__(told=facts())
        self._off = off

    def replay(
        self, inputs: Sequence[Value], context: Mapping[str, str], inner: Mapping[str, tuple[Value, ...]] | None = None
    ) -> Replay:
        del context, inner
        (x,) = inputs
        return gives(np.asarray(x.array * (1 + self._off(x.array)), np.float32))

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        del mend
        return self.replay(inputs, context)


def chance(x: np.ndarray) -> np.ndarray:
    """Of either sign, another one for other numbers, the same for the same."""
    seed = int.from_bytes(hashlib.blake2b(x.tobytes(), digest_size=4).digest(), "little")
    return np.random.RandomState(seed).uniform(-1, 1, x.shape) * 8e-6


def nothing(x: np.ndarray) -> float:
    del x
    return 0.0


_ELSEWHERE = Terms(rounds_otherwise=True)
_MANY = np.linspace(1, 2, 64, dtype="float32").reshape(4, 16)


def compared(off: Callable[[np.ndarray], np.ndarray | float], terms: Terms, x: np.ndarray = _MANY) -> Judgement:
    candidate = Sums(off)
    there = candidate.replay([value(x)], {}).outputs[0].array
    came = Sums(nothing).replay([value(x)], {}).outputs[0].array
    inputs, dtype = (value(x),), "float32"
    here, other = (call(inputs=inputs, outputs=(value(one),), compute_dtype=dtype) for one in (came, there))
    judged = judge(here, other, _SAME, candidate, terms=terms)
    assert judged.introduced, "else nothing is confirmed"
    return confirm(judged, Sums(nothing), candidate, terms=terms)


def test_what_is_lost_on_average_is_rounding() -> None:
    judged = compared(chance, _ELSEWHERE)
    assert not judged.introduced and verdict_of(judged) is Verdict.CLOSE
    (layer,) = judged.layers
    assert 2e-6 < layer.rel_error <= judged.rounding == layer.tolerance < 8e-6
    assert layer.note.startswith("rounding, up to ")


def test_in_one_environment_nobody_rounds_otherwise() -> None:
    assert compared(chance, Terms()).introduced


@pytest.mark.parametrize(
    "off",
    [
        lambda x: 4e-6,  # the same on inputs that are nearly the same
        lambda x: 4e-6 + chance(x) / 2,
        lambda x: 20 * chance(x),  # more than any rounding
        lambda x: np.where(np.arange(len(x))[:, None] == 2, 4e-5, chance(x) / 2),  # one sample of four
    ],
)
def test_a_fault_stays(off: Callable[[np.ndarray], np.ndarray]) -> None:
    judged = compared(off, Terms(rounds_otherwise=True, samples=4))
    assert judged.introduced and judged.rounding == 0.0


def test_exact_inputs_cant_be_moved_and_what_differs_stays() -> None:
    assert compared(chance, _ELSEWHERE, np.arange(64).reshape(4, 16)).introduced


class Cancels(Layer):
    """Returns `x * w - 1`, next to nothing, off by so much of it: a fault, or rounding."""

    def __init__(self, w: float = 1.0, off: float = 0.0, *, stiff: bool = False) -> None:
        super().__init__(told=facts(weights={"w": np.full((1,), w, np.float32)}))
        self._off, self._stiff = off, stiff

    def replay(
        self, inputs: Sequence[Value], context: Mapping[str, str], inner: Mapping[str, tuple[Value, ...]] | None = None
    ) -> Replay:
        del context, inner
        return self._of(inputs, self._told.weights["w"] if self._told else np.ones(1))

    def attempt(self, mend: Patch, inputs: Sequence[Value], context: Mapping[str, str]) -> Replay:
        if self._stiff:  # returns the same for all that counts as the same
            return self.replay([replace(inputs[0], array=_NEAR_ONE)], context)
        return self._of(inputs, mend.weights["w"])

    def _of(self, inputs: Sequence[Value], w: np.ndarray) -> Replay:
        return gives((inputs[0].array * w - np.float32(1)) * np.float32(1 + self._off))


_NEAR_ONE = np.linspace(1.01, 1.2, 64, dtype="float32").reshape(4, 16)
_APART = Terms(rounds_otherwise=True, samples=4)


def asked(reference: Cancels, candidate: Cancels, terms: Terms = _APART, x: np.ndarray = _NEAR_ONE) -> Judgement:
    inputs = (value(x),)
    here, there = (
        call(inputs=inputs, outputs=side.replay(inputs, {}).outputs, compute_dtype="float32")
        for side in (reference, candidate)
    )
    judged = judge(here, there, _SAME, candidate, terms=terms)
    assert judged.introduced, "else nothing is confirmed"
    return confirm(judged, reference, candidate, terms=terms)


def test_nobody_is_blamed_for_what_inputs_and_weights_that_count_as_the_same_would_do() -> None:
    judged = asked(Cancels(), Cancels(off=6e-6))
    assert not judged.introduced and judged.rounding == pytest.approx(6e-6, rel=0.02)
    (layer,) = judged.layers
    assert layer.verdict is Verdict.CLOSE
    assert layer.note == "rounding, up to 6.0e-06 here: inputs and weights that count as the same make as much"


def test_a_layer_that_multiplies_rounding_beyond_measure_isnt_blamed_and_isnt_the_same() -> None:
    near = np.float32(1) + (_NEAR_ONE - np.float32(1)) * np.float32(1e-4)
    judged = asked(Cancels(), Cancels(off=1e-2), x=near)
    (layer,) = judged.layers
    assert not judged.introduced and layer.verdict is Verdict.INHERITED
    assert judged.rounding == 0.0 and layer.tolerance == pytest.approx(2e-6)  # what it feeds may not be as far off
    assert layer.note.startswith("rounding, up to 1.0e-02 here: inputs and weights")
    whole = np.round(_NEAR_ONE * 100)  # ids aren't nearly others
    assert asked(Cancels(), Cancels(off=1e-2), x=whole).introduced


@pytest.mark.parametrize(
    ("reference", "candidate", "terms"),
    [
        (Cancels(), Cancels(off=6e-6), Terms(samples=4)),  # in one environment
        (Cancels(), Cancels(off=2e-5), _APART),  # more than they would
        (
            Cancels(),
            Cancels(w=1 + 1.2e-6),
            _APART,
        ),  # other weights, though inputs that count as the same would do as much
        (Cancels(), Cancels(off=6e-6, stiff=True), _APART),  # the one isn't as sensitive as the other
        (Cancels(stiff=True), Cancels(off=6e-6), _APART),
    ],
)
def test_what_is_more_or_has_another_reason_is_a_fault(reference: Cancels, candidate: Cancels, terms: Terms) -> None:
    assert asked(reference, candidate, terms).introduced
