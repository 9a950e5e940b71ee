"""`Bounds`: what went into a call site decides how exact it can be.  Records only."""

from __future__ import annotations

import numpy as np
from makers import call, value

from tracer.core.comparison.bounds import Bounds
from tracer.core.comparison.gap import Terms
from tracer.core.source import Call

_X = np.ones((2, 3), "float32")


def at(path: str, dtype: str = "float32", compute: str = "float32") -> Call:
    array = _X.astype(dtype)
    return call(path, inputs=(value(array),), outputs=(value(array),), compute_dtype=compute)


def passed(bounds: Bounds, *calls: Call, inner: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> None:
    bounds.passed(bounds.terms_at(after), inner, *calls)


def test_what_a_layer_in_half_precision_computed_isnt_held_to_single_precision_behind_it() -> None:
    bounds = Bounds(Terms())
    passed(bounds, at("half", "float16", "float16"), at("half", "float16", "float16"))
    passed(bounds, at("after"), at("after"), after=("half",))
    assert bounds.terms_at(("after",), ("after",)).upstream == "float16"
    assert bounds.terms_at(("<input 0>",), ("<input 0>",)).upstream == ""


def test_no_sides_own_loss_of_precision_widens_a_bound() -> None:
    bounds = Bounds(Terms())
    passed(bounds, at("layer"), at("layer", "float16", "float16"))
    assert bounds.terms_at(("layer",), ("layer",)).upstream == "float32"
    passed(bounds, at("lone", "float16", "float16"))
    assert bounds.terms_at(("layer",), ("lone",)).upstream == "float32"
    assert bounds.terms_at(("lone",), ("lone",)).upstream == "float16"


def test_where_it_isnt_known_what_goes_in_it_may_be_anything_so_far() -> None:
    bounds = Bounds(Terms())
    assert bounds.terms_at(None, None).upstream == ""
    passed(bounds, at("half", "bfloat16", "float16"), at("half", "float16", "float16"))
    assert bounds.terms_at(None, None).upstream == "float16"


def test_a_box_is_no_more_exact_than_what_is_inside() -> None:
    bounds = Bounds(Terms())
    passed(bounds, at("box/half", "float16", "float16"), at("box/half", "float16", "float16"))
    passed(bounds, at("box"), at("box"), inner=("box/half",))
    assert bounds.terms_at(("box",), ("box",)).upstream == "float16"


def test_rounding_is_handed_on_along_the_wiring_and_out_of_a_box() -> None:
    bounds = Bounds(Terms())
    passed(bounds, at("a"), at("a"))
    bounds.note_rounding("a", 3e-6)
    bounds.note_rounding("a", 0.0, 1e-6)  # the largest counts
    passed(bounds, at("b"), at("b"), after=("a",))
    passed(bounds, at("elsewhere"), at("elsewhere"), after=("<input 0>",))
    passed(bounds, at("box"), at("box"), inner=("b",), after=("<input 0>",))
    assert [bounds.terms_at((path,)).rounding for path in ("a", "b", "elsewhere", "box")] == [3e-6, 3e-6, 0.0, 3e-6]
    assert bounds.terms_at(None).rounding == 3e-6


def test_terms_that_are_equal_are_one_object() -> None:
    """What they hold of tensors that were found equal is kept."""
    bounds = Bounds(Terms())
    assert bounds.terms_at(("a",)) is bounds.terms_at(("b",))
