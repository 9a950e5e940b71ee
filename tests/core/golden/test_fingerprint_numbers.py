"""`tracer.core.golden.fingerprint`: each number of a fingerprint against its definition, and a whole run collected."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from makers import value
from scripted import INPUTS, ScriptedSource, Step

from tracer.core.golden.fingerprint import (
    GROUPS,
    SAMPLES,
    channel_means,
    collect,
    digest_of,
    digest_of_all,
    fingerprint,
    sample_positions,
)
from tracer.core.golden.sketch import SUMS, sketch

numbers = st.floats(-1e6, 1e6, width=32)
arrays = hnp.arrays("float32", hnp.array_shapes(min_dims=0, max_dims=3, max_side=8), elements=numbers)


@given(arrays)
def test_statistics_are_those_of_their_definition(array: np.ndarray) -> None:
    found, wide = fingerprint(value(array)), array.astype("float64")
    assert (found.shape, found.dtype, found.count) == (array.shape, "float32", array.size)
    assert (found.minimum, found.maximum, found.nonfinite) == (wide.min(), wide.max(), 0)
    assert found.mean == pytest.approx(wide.mean(), rel=1e-9, abs=1e-9)
    assert found.rms == pytest.approx(np.sqrt(np.mean(wide**2)), rel=1e-9)
    np.testing.assert_allclose(found.sketch, sketch(array), rtol=1e-12, atol=1e-9)


@given(arrays)
def test_samples_are_values_of_the_array_in_their_order(array: np.ndarray) -> None:
    taken = fingerprint(value(array)).samples
    assert taken.tolist() == array.reshape(-1)[sample_positions(array.size)].astype("float64").tolist()
    assert len(taken) == min(array.size, SAMPLES)


@given(st.integers(0, 10**12))
def test_positions_are_spread_over_the_whole_and_never_beyond(count: int) -> None:
    places = sample_positions(count)
    assert len(places) == min(count, SAMPLES)
    if count:
        assert places[0] == 0 and places[-1] < count and (np.diff(places) > 0).all()
        assert places[-1] >= count - count / SAMPLES - 1  # the last share of it is looked at too


def test_what_isnt_finite_is_counted_and_left_out() -> None:
    array = np.float32([1.0, np.nan, -3.0, np.inf, -np.inf])
    found = fingerprint(value(array))
    assert (found.nonfinite, found.count, found.minimum, found.maximum, found.mean) == (3, 5, -3.0, 1.0, -1.0)
    nothing = fingerprint(value(np.full(4, np.nan, "float32")))
    assert (nothing.nonfinite, nothing.minimum, nothing.rms) == (4, 0.0, 0.0)


def test_numbers_whose_squares_overflow_are_finite_all_the_same() -> None:
    found = fingerprint(value(np.full(3, 1e200)))
    assert (found.nonfinite, found.maximum) == (0, 1e200)


@pytest.mark.parametrize("channels", [1, 3, GROUPS, GROUPS + 1, 100, 2 * GROUPS, 200])
def test_a_group_is_the_mean_of_its_channels(channels: int) -> None:
    array = np.random.RandomState(0).normal(size=(2, 5, channels)).astype("float32")
    size = -(-channels // GROUPS)
    expected = [array[..., start : start + size].mean(dtype="float64") for start in range(0, channels, size)]
    assert len(expected) <= GROUPS
    np.testing.assert_allclose(channel_means(array), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("array", "count"), [(np.float32(3.0), 1), (np.empty((2, 0)), 0), (np.empty((0, 4)), 0)])
def test_a_scalar_has_one_mean_and_nothing_has_none(array: Any, count: int) -> None:
    assert channel_means(array).tolist() == [3.0] * count


# --- digests


@pytest.mark.parametrize(
    "other",
    [
        np.float32([[1, 2], [3, 5]]),
        np.float64([[1, 2], [3, 4]]),
        np.float32([[1, 3], [2, 4]]),
        np.float32([[-1, 2], [3, 4]]),
    ],
)
def test_a_digest_changes_with_every_byte(other: np.ndarray) -> None:
    assert digest_of(other) != digest_of(np.float32([[1, 2], [3, 4]]))


def test_a_digest_says_nothing_of_memory() -> None:
    array = np.float32([[1, 2, 3], [4, 5, 6]])
    others = (np.asfortranarray(array), array.astype(">f4"), np.repeat(array, 2, axis=1)[:, ::2])
    assert {digest_of(other) for other in others} == {digest_of(array)}


def test_text_is_digested_by_what_it_says() -> None:
    assert digest_of(np.array(["ab", "c"])) == digest_of(np.array(["ab", "c"], object))
    assert digest_of(np.array(["ab", "c"])) != digest_of(np.array(["a", "bc"]))


@given(st.dictionaries(st.text(max_size=3), st.text("abcdef", max_size=4), max_size=4), st.randoms())
def test_a_digest_of_several_has_no_order(named: dict[str, str], random: Any) -> None:
    items = list(named.items())
    random.shuffle(items)
    assert digest_of_all(dict(items)) == digest_of_all(named)
    assert digest_of_all({**named, "one more": "0"}) != digest_of_all(named)


def test_large_outputs_have_no_digest_but_text_always_does() -> None:
    array = np.ones(100, "float32")
    assert fingerprint(value(array), digest_limit=400).digest == digest_of(array)
    assert fingerprint(value(array), digest_limit=399).digest == ""
    assert fingerprint(value(np.array(["a"] * 100)), digest_limit=0).digest


# --- dtypes


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "bool", "float64", ml_dtypes.bfloat16])
def test_every_dtype_has_numbers(dtype: Any) -> None:
    array = np.array([0, 1, 1, 0], dtype)
    found = fingerprint(value(array))
    assert (found.dtype, found.maximum, found.mean) == (array.dtype.name, 1.0, 0.5)


def test_complex_numbers_are_taken_as_pairs_of_real_ones() -> None:
    found = fingerprint(value(np.complex64([1 + 2j, -3j])))
    assert (found.shape, found.dtype, found.minimum, found.maximum) == ((2,), "complex64", -3.0, 2.0)
    np.testing.assert_array_equal(found.sketch, sketch(np.float32([1, 2, 0, -3])))


def test_text_has_a_shape_and_a_digest_and_no_numbers() -> None:
    found = fingerprint(value(np.array([["a"], ["b"]])))
    assert (found.shape, found.dtype, found.rms) == ((2, 1), "string", 0.0)
    assert not found.sketch.any() and found.sketch.shape == (SUMS,)


def test_without_detail_there_is_the_sketch_alone() -> None:
    array = np.linspace(1, 2, 50, dtype="float32")
    bare, whole = fingerprint(value(array), detail=False), fingerprint(value(array))
    np.testing.assert_array_equal(bare.sketch, whole.sketch)
    assert (bare.rms, len(bare.samples), len(bare.means)) == (0.0, 0, 0)
    assert bare.digest == whole.digest


# --- a run

_MODEL = (
    Step("a", outputs=2, mask="make"), Step("box", ("a:1",), inside=(Step("p", gain=2.0), Step("q"))), Step("out"),
)  # fmt: skip


def test_every_output_of_every_call_is_collected_in_execution_order() -> None:
    source = ScriptedSource(_MODEL)
    sites = {site.path: site for site in collect(source, INPUTS, detail=True)}
    assert list(sites) == ["a", "a:1", "box/p", "box/q", "box", "out"]
    assert [(site.box, site.is_box) for site in sites.values()] == [
        ("", False), ("", False), ("box", False), ("box", False), ("", True), ("", False),
    ]  # fmt: skip
    taken = {path: site.fingerprint for path, site in sites.items()}
    assert taken["a:1"].mean == pytest.approx(taken["a"].mean + 1)  # type: ignore[union-attr]
    assert taken["a"].mask == digest_of(INPUTS[:, 0] > 0)  # type: ignore[union-attr]
    assert sites["box"].wiring == ("a:1",)
    assert source.asked.count("begin") == 1


def test_a_layer_that_raises_is_collected_with_its_error() -> None:
    class Stubborn(ScriptedSource):
        """Goes on although a layer has raised, with what came in."""

        def proceed(self, outputs: Any = None) -> None:
            super().proceed(self._here("proceed")[2] if outputs is None else outputs)

    failing = (Step("a"), Step("b", error="ValueError: no"), Step("c"))
    sites = collect(Stubborn(failing), INPUTS)
    assert [(site.path, site.fingerprint is None, site.error) for site in sites] == [
        ("a", False, ""), ("b", True, "ValueError: no"), ("c", False, ""),
    ]  # fmt: skip


def test_progress_never_says_that_more_is_done_than_there_is() -> None:
    told: list[tuple[str, int, int]] = []
    collect(ScriptedSource(_MODEL), INPUTS, progress=lambda *now: told.append(now))
    assert [done for _, done, _ in told] == [2, 3, 4, 5, 6]
    assert all(done <= total for _, done, total in told)
    assert told[-1] == ("running", 6, 6)
