"""`confirm`: before a layer is blamed, both sides are asked again, and changes are tried.  Records only, no model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from makers import facts
from test_judge import _SAME, _X, Layer, gives, inside, received, site, verdict_of

from tracer.core.comparison.judge import Judgement, confirm, judge
from tracer.core.source import Patch, Replay
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
