"""A run held against a golden, rule by rule: bounds, types, wiring, what is said of the whole.  Fingerprints only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import value

from tracer.core.golden.fingerprint import Fingerprint, Site, fingerprint
from tracer.core.golden.golden import FACTOR, Golden, GoldenSite, change, golden_sites, relative
from tracer.core.golden.match import (
    Match,
    check_worth_recording,
    conclusion,
    doubt,
    hold,
    layer_report,
    likeness,
    signal_of,
)
from tracer.core.numbers.tolerance import tolerance_for
from tracer.core.source import Outline
from tracer.errors import FixtureError
from tracer.records import Status, Verdict

_BOUND = tolerance_for("float32")


def numbers(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=(4, 8, 16)).astype("float32")


def site(path: str, taken: Fingerprint | None, *wiring: str, **other: Any) -> Site:
    known: dict[str, Any] = {"class_name": "Dense", "box": "", "is_box": False, "wiring": wiring or None}
    return Site(path=path, fingerprint=taken, **{**known, **other})


def golden(sites: Sequence[Site], truth: str = "float64") -> Golden:
    outline = Outline(name="", class_name="Functional", base="functional")
    kept = golden_sites(sites, sites)
    return Golden(sites=kept, outline=outline, identities={}, provenance={"truth": truth, "model": {"spec": "m"}})


def off(taken: Fingerprint, error: float) -> Fingerprint:
    """The fingerprint of numbers that are that far away, as the sketch tells it."""
    away = np.random.RandomState(9).normal(size=taken.sketch.shape)
    scale = error * (taken.norm or np.linalg.norm(taken.sketch)) / np.linalg.norm(away)
    return replace(taken, sketch=taken.sketch + scale * away, digest="off")


class Flow:
    """A golden of layers with these wirings, and the paths at which an error enters in a run with these errors."""

    def __init__(self, **wirings: str) -> None:
        self.sites = [
            site(path, fingerprint(value(numbers(ord(path)))), *wiring.split()) for path, wiring in wirings.items()
        ]
        self.golden = golden(self.sites)

    def held(self, **errors: float) -> dict[str, Match]:
        run = [replace(s, fingerprint=off(s.fingerprint, errors.get(s.path, 0.0))) for s in self.sites]  # type: ignore[arg-type]
        return {one.golden.path: one for one in hold(self.golden, run)}

    def entered(self, **errors: float) -> str:
        return "".join(path for path, one in self.held(**errors).items() if one.entered)


CHAIN = Flow(a="<input>", b="a", c="b")
DIAMOND = Flow(a="<input>", b="a", c="a", d="b c")


@pytest.mark.parametrize(
    ("flow", "errors", "entered"),
    [
        (CHAIN, {}, ""),
        (CHAIN, {"a": 1e-3, "b": 1e-3, "c": 1e-3}, "a"),
        (CHAIN, {"b": 1e-3, "c": 2e-3}, "b"),
        (CHAIN, {"b": 1e-3, "c": 2e-2}, "b"),  # a layer may make it larger
        (CHAIN, {"b": 1e-3, "c": 4e-2}, "bc"),  # but not thirty times
        (CHAIN, {"a": 1e-3, "c": 1e-3}, "ac"),  # b returned the exact numbers: nothing came through it
        (CHAIN, {"a": 0.9 * _BOUND, "b": 3 * _BOUND}, "b"),  # the first beyond its bound, whatever came in
        (CHAIN, {"a": 1e-3, "b": 0.9 * _BOUND, "c": 3 * _BOUND}, "a"),  # it faded in b, and is no more than it was
        (CHAIN, {"a": 1e-3, "b": 0.9 * _BOUND, "c": 5 * _BOUND}, "ac"),
        (DIAMOND, {"b": 1e-3, "d": 1e-3}, "b"),
        (DIAMOND, {"b": 1e-3, "c": 1e-3, "d": 1e-3}, "bc"),
        (DIAMOND, {"b": 1e-3, "c": 1e-1, "d": 0.5}, "bc"),  # the larger of what comes in counts
        (DIAMOND, {"d": 1e-3}, "d"),
    ],
)
def test_an_error_enters_where_nothing_that_comes_in_explains_it(
    flow: Flow, errors: dict[str, float], entered: str
) -> None:
    assert flow.entered(**errors) == entered


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from([1e-4, 1e-3, 0.1]), max_size=4))
def test_whatever_is_beyond_entered_somewhere_before_it_or_there(errors: dict[str, float]) -> None:
    held = DIAMOND.held(**errors)
    beyond = [path for path, one in held.items() if one.beyond]
    assert beyond == [path for path in "abcd" if path in errors]
    if beyond:
        assert held[beyond[0]].entered
    assert all(one.entered is not one.passed_on for one in held.values() if one.beyond)
    assert not any(one.entered or one.passed_on for one in held.values() if not one.beyond)


# --- one output

_TRUTH = fingerprint(value(numbers(0)))


def one(found: Fingerprint | None, truth: Fingerprint = _TRUTH, floor: float = 0.0, **other: Any) -> Match:
    kept = golden([site("a", truth, "<input>")])
    kept = replace(kept, sites=(replace(kept.sites[0], floors=(floor,)),))
    run = [site("a", found, "<input>", **other)]
    return hold(kept, run)[0]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"shape": (1,)}, "shape (4, 8, 16) against (1,)"),
        ({"dtype": "float16"}, "dtype float32 against float16"),
        ({"mask": "m"}, "the mask"),
        ({"dtype": "float16", "mask": "m"}, "dtype float32 against float16, the mask"),
    ],
)
def test_another_type_is_beyond_however_equal_the_numbers(changes: dict[str, Any], note: str) -> None:
    found = one(replace(_TRUTH, **changes))
    assert (found.note, found.beyond, found.entered) == (note, True, True)


@pytest.mark.parametrize(
    ("error", "floor", "beyond"),
    [
        (0.9 * _BOUND, 0.0, False),
        (1.1 * _BOUND, 0.0, True),
        (0.9 * FACTOR * 1e-6, 1e-6, False),  # a layer with a wide noise floor has a wide bound
        (1.1 * FACTOR * 1e-6, 1e-6, True),
    ],
)
def test_the_bound_is_the_dtypes_or_that_of_the_noise_floor(error: float, floor: float, beyond: bool) -> None:
    assert one(off(_TRUTH, error), floor=floor).beyond is beyond


def test_a_noise_floor_says_nothing_where_the_truth_is_a_float32_run() -> None:
    for truth, bound in (("float64", FACTOR * 1e-6), ("float32", _BOUND)):
        kept = golden([site("a", _TRUTH)], truth)
        assert kept.tolerance(replace(kept.sites[0], floors=(1e-6, 1e-9))) == bound


def test_an_error_is_relative_to_the_norm_that_was_recorded() -> None:
    wrong = off(_TRUTH, 1e-3)
    assert relative(replace(_TRUTH, rms=2 * _TRUTH.rms), wrong) == pytest.approx(relative(_TRUTH, wrong) / 2)
    assert relative(replace(_TRUTH, rms=0.0), wrong) == pytest.approx(1e-3, rel=0.3)  # by the sketch's, of any size


def test_an_equal_digest_is_identity_and_another_one_of_exact_numbers_a_difference() -> None:
    assert one(_TRUTH).same and one(_TRUTH).error == 0.0
    assert not one(replace(_TRUTH, digest="")).same  # too large for one: close at best
    ids = fingerprint(value(np.arange(8)))
    assert one(replace(ids, digest="other"), truth=ids).note == "the values differ, and nothing is rounded here"


def test_a_layer_that_is_missing_or_raises_has_no_number() -> None:
    raised, missing = one(None, error="ValueError: no"), hold(golden([site("a", _TRUTH)]), [])[0]
    assert [(h.note, h.error) for h in (raised, missing)] == [
        ("raises ValueError: no", math.inf), ("the layer isn't there", math.inf),
    ]  # fmt: skip


def test_a_noise_floor_that_allows_anything_is_refused() -> None:
    with pytest.raises(FixtureError, match=r"a: a relative error of .* would be allowed .*noise floor 0\.2"):
        one(_TRUTH, floor=0.2)


@pytest.mark.parametrize(
    ("held", "masked", "random", "verdict"),
    [
        (one(_TRUTH), False, False, Verdict.IDENTICAL),
        (one(off(_TRUTH, 0.5 * _BOUND)), False, False, Verdict.CLOSE),
        (one(off(_TRUTH, 1e-3)), False, False, Verdict.INTRODUCED),
        (one(off(_TRUTH, 1e-3)), True, False, Verdict.MASKED),
        (replace(one(off(_TRUTH, 1e-3)), entered=False), True, False, Verdict.INHERITED),
        (replace(one(None), entered=False), False, False, Verdict.INCOMPARABLE),
        (one(off(_TRUTH, 1e-3)), False, True, Verdict.NONDETERMINISTIC),
    ],
)
def test_a_row_says_what_came_of_an_output(held: Match, masked: bool, random: bool, verdict: Verdict) -> None:
    row = layer_report(held, masked=masked, random=random)
    assert (row.layer, row.verdict, row.rel_error, row.local_error) == ("a", verdict, held.error, None)


# --- distances


@given(st.floats(1e-30, 1e30), st.sampled_from([1, -1]))
def test_a_relative_error_has_no_scale(size: float, sign: int) -> None:
    scale = sign * size
    wrong = off(_TRUTH, 1e-3)
    scaled = [replace(each, sketch=each.sketch * scale, rms=each.rms * abs(scale)) for each in (_TRUTH, wrong)]
    assert relative(*scaled) == pytest.approx(relative(_TRUTH, wrong), rel=1e-6)


def test_distances_at_their_ends() -> None:
    zeros = fingerprint(value(np.zeros((4, 8, 16), "float32")))
    assert relative(zeros, zeros) == 0.0
    assert relative(zeros, replace(_TRUTH, shape=zeros.shape)) == math.inf
    assert relative(_TRUTH, replace(_TRUTH, shape=(1,))) == math.inf
    broken = fingerprint(value(np.full((4, 8, 16), np.nan, "float32")))
    assert relative(_TRUTH, broken) == math.inf


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (_TRUTH, ""),
        (replace(_TRUTH, shape=(2,)), "shape (4, 8, 16) → (2,)"),
        (off(_TRUTH, 1e-3), "1.0e-03 relative"),
        (replace(_TRUTH, rms=_TRUTH.rms * (1 + 1e-8)), "less than 1e-07 relative"),
    ],
)
def test_a_change_of_the_truth_in_words(now: Fingerprint, told: str) -> None:
    found = change(_TRUTH, now)
    assert found == told or (told.startswith("less than") and found.startswith("less than"))


# --- the whole


def concluded(held: Sequence[Match], **other: Any) -> tuple[Status, str]:
    found = conclusion(held, inputs=numbers(0), **other)
    return found.status, found.reason


def test_what_the_whole_check_says() -> None:
    same, close, far = one(_TRUTH), one(off(_TRUTH, 0.5 * _BOUND)), one(off(_TRUTH, 1e-3))
    assert concluded([same])[0] is Status.PASS
    assert concluded([close])[0] is Status.WITHIN_TOLERANCE
    assert concluded([far])[0] is Status.DIVERGED
    assert concluded([same], lone=1)[0] is Status.DIVERGED  # a layer that the golden doesn't have
    assert concluded([one(None)])[0] is Status.INCONCLUSIVE
    status, reason = concluded([far], random=list("abcde"))
    assert status is Status.INCONCLUSIVE and reason.startswith("a, b, c and 2 more: differs from itself")
    assert concluded([same], random=["a"])[0] is Status.PASS  # it may draw: nothing differs


def kept(array: np.ndarray) -> GoldenSite:
    return golden([site("a", fingerprint(value(array)), "<input>")]).sites[0]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (numbers(0), {"constant": False, "exact": False}),
        (np.zeros((2, 4), "float32"), {"constant": True, "zero": True}),
        (np.full((2, 4), 3.0), {"constant": True, "zero": False}),
        (np.zeros(4, "int32"), {"constant": True, "zero": False, "exact": True}),
        (np.ones(4, bool), {"truths": True}),
        (np.array(["a", "a"]), {"exact": True, "constant": False}),
    ],
)
def test_what_a_recorded_activation_carries(array: np.ndarray, expected: dict[str, bool]) -> None:
    found = signal_of(kept(array))
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_golden_that_would_accept_anything_isnt_recorded() -> None:
    dead = golden([site("a", fingerprint(value(np.zeros((2, 4), "float32"))), "<input>")])
    assert "the signal is dead" in doubt(dead.sites, numbers(0))
    with pytest.raises(FixtureError, match=r"^m: the signal is dead.*Not recorded\.$"):
        check_worth_recording(dead, numbers(0))
    check_worth_recording(CHAIN.golden, numbers(0))


def test_likeness_is_the_share_of_call_sites_with_the_same_class() -> None:
    run = [CHAIN.sites[0], replace(CHAIN.sites[1], class_name="Conv2D"), site("z", _TRUTH)]
    assert likeness(CHAIN.golden, run) == pytest.approx(1 / 3)
    assert likeness(replace(CHAIN.golden, sites=()), run) == 0.0
