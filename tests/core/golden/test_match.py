"""`tracer.core.golden.match`: where an error enters, from wiring and fingerprints alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tracer.core.golden.fingerprint import Fingerprint, Site, fingerprint
from tracer.core.golden.golden import Golden, agreement, changes, golden_sites, relative
from tracer.core.golden.match import coming_in, conclusion, hold, layer_report, likeness, reaches_output
from tracer.core.source import Outline, Value
from tracer.errors import FixtureError
from tracer.records import Status

_WIRING = {"a": ("<input 0>",), "b": ("a",), "c": ("b",), "d": ("c", "e"), "e": ("a",)}


def values(name: str) -> np.ndarray:
    return np.random.RandomState(ord(name)).normal(size=(4, 8, 16)).astype(np.float32)


def site(name: str, array: np.ndarray, **other: Any) -> Site:
    taken = fingerprint(Value(array=array))
    known = {"class_name": "Dense", "box": "", "is_box": False, "wiring": _WIRING[name]}
    return Site(path=name, fingerprint=taken, **{**known, **other})


def run(**changed: np.ndarray) -> tuple[Site, ...]:
    return tuple(site(name, changed.get(name, values(name))) for name in "abecd")


def golden(truth: str = "float64") -> Golden:
    sites = run()
    return Golden(
        sites=golden_sites(sites, sites),
        outline=Outline(name="", class_name="Functional", base="functional"),
        identities={},
        provenance={"truth": truth},
    )


def off(name: str, by: float) -> np.ndarray:
    return (values(name) + by * np.random.RandomState(9).normal(size=(4, 8, 16))).astype(np.float32)


def entered(sites: tuple[Site, ...]) -> list[str]:
    return [one.golden.path for one in hold(golden(), sites) if one.entered]


def test_what_rounds_and_what_it_feeds_may_be_as_far_off() -> None:
    sites = run(b=off("b", 1e-5), c=off("c", 1e-5), d=off("d", 1e-5), e=off("e", 1e-5))
    assert [one.golden.path for one in hold(golden(), sites) if one.entered] == ["b", "e"]
    error = max(one.error for one in hold(golden(), sites) if one.golden.path in "bcd")
    held = {one.golden.path: one for one in hold(golden(), sites, rounding={"b": error})}
    assert [path for path, one in held.items() if one.beyond] == ["e"]  # which doesn't get anything of b's
    assert [path for path, one in held.items() if one.rounds] == ["b"]
    assert layer_report(held["b"]).note.startswith("rounding, up to ") and layer_report(held["c"]).note == ""
    assert held["a"].tolerance < held["b"].tolerance == held["c"].tolerance == held["d"].tolerance == error


@pytest.mark.parametrize(("by", "is_entered"), [(1e-4, False), (1e-2, True)])
def test_what_grows_out_of_rounding_is_passed_on_unless_it_is_out_of_proportion(by: float, is_entered: bool) -> None:
    sites = run(b=off("b", 1e-5), c=off("c", by))
    (found,) = (one for one in hold(golden(), sites, rounding={"b": 2e-5}) if one.golden.path == "c")
    assert (found.beyond, found.entered, found.passed_on) == (True, is_entered, not is_entered)


def test_what_comes_in_is_off_by_the_worst_of_its_sources() -> None:
    held = hold(golden(), run(c=off("c", 1e-3), e=off("e", 1e-2)))
    errors, came = {one.golden.path: one.error for one in held}, coming_in(golden(), held)
    assert came == {"a": 0.0, "b": 0.0, "c": 0.0, "e": 0.0, "d": errors["e"]} and errors["e"] > errors["c"] > 0


def test_the_same_run_is_identical() -> None:
    held = hold(golden(), run())
    assert conclusion(held).status is Status.PASS
    assert not any(one.beyond for one in held)


def test_rounding_is_close() -> None:
    held = hold(golden(), run(b=off("b", 1e-7)))
    assert conclusion(held).status is Status.WITHIN_TOLERANCE


def test_the_first_layer_beyond_is_blamed_and_what_follows_inherits() -> None:
    assert entered(run(b=off("b", 1e-4), c=off("c", 1e-4), d=off("d", 2e-4))) == ["b"]


def test_parallel_branches_are_blamed_apart() -> None:
    assert entered(run(c=off("c", 1e-4), e=off("e", 1e-4), d=off("d", 1e-4))) == ["e", "c"]


def test_an_error_out_of_proportion_is_a_second_fault() -> None:
    assert entered(run(b=off("b", 1e-4), c=off("c", 0.5), d=off("d", 0.5))) == ["b", "c"]


def test_a_fault_that_reaches_no_output() -> None:
    assert not reaches_output(hold(golden(), run(b=off("b", 1e-4))))
    assert reaches_output(hold(golden(), run(d=off("d", 1e-4))))


def test_another_shape_a_missing_layer_and_nan() -> None:
    held = {one.golden.path: one for one in hold(golden(), run(b=values("b")[:2]))}
    assert held["b"].beyond and "shape" in held["b"].note and held["b"].entered
    assert "isn't there" in hold(golden(), run()[:-1])[-1].note
    broken = values("c")
    broken[0, 0, 0] = np.nan
    assert entered(run(c=broken)) == ["c"]


def test_a_box_is_not_blamed_for_what_is_in_it() -> None:
    sites = tuple(
        replace(s, box="d" if s.path in "ec" else "", is_box=s.path == "d", wiring=None if s.path in "ec" else s.wiring)
        for s in run()
    )
    wrong = tuple(replace(s, fingerprint=site(s.path, off(s.path, 1e-3)).fingerprint) if s.path in "cd" else s for s in sites)  # fmt: skip  # noqa: E501
    recorded = replace(golden(), sites=golden_sites(sites, sites))
    assert [one.golden.path for one in hold(recorded, wrong) if one.entered] == ["c"]


def test_tolerance_follows_the_noise_floor_only_of_a_float64_truth() -> None:
    for truth, expected in (("float64", 4e-5), ("float32", 2e-6)):
        one = golden(truth)
        assert one.tolerance(replace(one.sites[0], floors=(1e-5,))) == pytest.approx(expected)


def test_whole_numbers_and_text_allow_nothing() -> None:
    ids = np.arange(64).reshape(4, 16)
    sites = (site("a", ids),)
    recorded = replace(golden(), sites=golden_sites(sites, sites))
    other = ids.copy()
    other[0, 0] = 7
    assert not hold(recorded, sites)[0].beyond
    assert hold(recorded, (site("a", other),))[0].beyond


def test_nan_is_refused_when_recording() -> None:
    broken = values("b")
    broken[1, 2, 3] = np.inf
    with pytest.raises(FixtureError, match=r"^b \(Dense\): 1 of 512 values are NaN or infinite"):
        golden_sites(run(b=broken), run())


def test_a_witness_that_disagrees_says_where() -> None:
    found = agreement(run(), run(c=off("c", 1e-5)))
    assert found.layer == "c" and found.worst == pytest.approx(1e-5, rel=0.3) and list(found.excess) == ["c"]


def test_changes_between_two_goldens() -> None:
    old, sites = golden(), run(b=off("b", 1e-3))
    new = replace(old, sites=golden_sites(sites, sites))
    ((layer, what),) = changes(old, new)
    assert layer == "b" and what.endswith("relative")
    assert not list(changes(old, old))
    # Less than what the sums are rounded to is noticed too, by the statistics.
    sites = run(b=values("b").astype(np.float64) * (1 + 1e-9))
    ((layer, what),) = changes(old, replace(old, sites=golden_sites(sites, run())))
    assert layer == "b" and what == "less than 1e-07 relative"


def test_sums_are_rounded_where_the_check_is_a_float32_one_and_that_is_far_below_its_tolerance() -> None:
    for dtype, scale, rounded in (("float32", 1.0, True), ("float64", 1.0, False), ("float32", 1e-44, False)):
        exact = fingerprint(Value(array=values("b").astype(np.float64) * scale / 3))
        sites = (replace(site("b", values("b")), fingerprint=exact),)
        kept = golden_sites(sites, (site("b", values("b").astype(dtype)),))[0].truth
        assert (kept.dtype, np.array_equal(kept.sketch, exact.sketch)) == (dtype, not rounded)
        assert 0.0 < relative(exact, kept) < 6e-8 if rounded else relative(exact, kept) == 0.0


def test_likeness_of_another_model() -> None:
    assert likeness(golden(), run()) == 1.0
    assert likeness(golden(), tuple(replace(s, path=f"x{s.path}") for s in run())) == 0.0


def test_a_fingerprint_says_what_it_is_of() -> None:
    taken = fingerprint(Value(array=values("a")))
    assert isinstance(taken, Fingerprint) and taken.shape == (4, 8, 16) and taken.dtype == "float32"
    assert taken.norm == pytest.approx(float(np.linalg.norm(values("a"))), rel=1e-6)
    assert taken.samples.size == 16 and taken.samples[0] == values("a")[0, 0, 0] and taken.means.shape == (16,)
    assert fingerprint(Value(array=np.zeros((2, 300)))).means.shape == (60,)


def with_mask(one: Site, mask: str) -> Site:
    assert one.fingerprint is not None
    return replace(one, fingerprint=replace(one.fingerprint, mask=mask))


def test_another_mask_is_blamed_where_it_enters_and_not_where_it_shows() -> None:
    a, b, *others = run(c=off("c", 0.3))
    assert entered((a, with_mask(b, "other"), *others)) == ["b"]


def test_another_mask_that_is_handed_on_is_blamed_once() -> None:
    a, b, e, c, d = run(d=off("d", 0.3))
    assert entered((a, with_mask(b, "other"), e, with_mask(c, "other"), d)) == ["b"]


@pytest.mark.parametrize(
    ("path", "wiring", "expected"),
    [
        ("a", ("<input 0>",), ("a", 0)),
        ("a:1", ("<input 0>",), ("a", 1)),  # the second output of one call: the same class, place and inputs
        ("a:2", ("a",), ("a:2", 0)),  # a layer that somebody called so: it has other inputs
        ("c:1", ("a",), ("c:1", 0)),  # nothing is called `c`
        ("a:x", ("<input 0>",), ("a:x", 0)),
    ],
)
def test_an_output_is_told_from_a_layer_whose_name_ends_like_one(
    path: str, wiring: tuple[str, ...], expected: tuple[str, int]
) -> None:
    one = golden_sites([site("a", values("a"))], [site("a", values("a"))])[0]
    sites = [replace(one, path="a"), replace(one, path=path, wiring=wiring)]
    assert replace(golden(), sites=tuple(sites)).call_of(sites[1]) == expected
