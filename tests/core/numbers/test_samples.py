"""`tracer.core.numbers.samples`, and the errors by sample of `tracer.core.numbers.difference.difference`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.numbers import blocks
from tracer.core.numbers.difference import difference
from tracer.core.numbers.samples import norms_by_sample, rounding_floor, worst_sample
from tracer.core.structure import count_samples

_FAINT = 2.0**-40


def by_definition(ref: np.ndarray, cand: np.ndarray) -> np.ndarray:
    """The relative L2 error of each sample, in float64, over what is finite on both sides."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (ref, cand))
    kept = np.isfinite(a) & np.isfinite(b)
    gap, norm = (np.sqrt(np.sum(np.where(kept, x, 0.0) ** 2, axis=1)) for x in (b - a, a))
    return np.where(gap > 0, gap / np.maximum(norm, _FAINT * norm.max()), 0.0)


def pair(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    scales = np.exp(random.normal(0, 4, (shape[0], *[1] * (len(shape) - 1))))
    ref = random.normal(size=shape) * scales
    return ref.astype(dtype), (ref * (1 + 1e-3 * random.normal(size=shape))).astype(dtype)


@given(
    st.tuples(st.integers(2, 40), st.integers(1, 60), st.integers(1, 9)),
    st.integers(0, 2**31),
    st.sampled_from(["float32", "float64", "float16"]),
)
def test_the_worst_sample_is_the_one_of_the_definition(shape: tuple[int, ...], seed: int, dtype: str) -> None:
    ref, cand = pair(shape, seed, "float64" if dtype == "float64" else "float32")
    if dtype == "float16":
        ref, cand = (np.clip(x, -100, 100).astype("float16") for x in (ref, cand))
    expected = by_definition(ref, cand)
    found = difference(ref, cand, samples=shape[0])
    if not expected.any():
        assert not found.sample_error
        return
    assert found.sample_error == pytest.approx(expected.max(), rel=1e-3)
    assert expected[found.worst_sample] == pytest.approx(expected.max(), rel=1e-3)


@pytest.mark.parametrize("shape", [(5, 3), (3, 7, 11), (2, 13, 17, 3), (9, 1), (64, 2)])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_samples_are_told_apart_wherever_blocks_end(
    shape: tuple[int, ...], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK", size)
    ref, cand = pair(shape, 3)
    found = difference(ref, cand, samples=shape[0])
    assert found.sample_error == pytest.approx(by_definition(ref, cand).max(), rel=1e-4)
    whole = difference(ref, cand)
    assert (found.rel_error, found.max_abs, found.channels) == (whole.rel_error, whole.max_abs, whole.channels)


@given(st.permutations(range(6)))
def test_another_order_of_samples_names_the_same_one(order: list[int]) -> None:
    ref, cand = pair((6, 5), 1)
    before = difference(ref, cand, samples=6)
    after = difference(ref[order], cand[order], samples=6)
    assert after.worst_sample is not None and order[after.worst_sample] == before.worst_sample
    assert after.sample_error == before.sample_error


def test_many_threads_add_up_to_the_same() -> None:
    ref, cand = pair((3, 700_001), 5)
    found = difference(ref, cand, samples=3)
    assert found.sample_error == pytest.approx(by_definition(ref, cand).max(), rel=1e-4)


def test_one_sample_cant_hide_another() -> None:
    ref = np.ones((3, 4), "float32")
    ref[0] *= 1e9
    found = difference(ref, ref + np.float32(0.01), samples=3)
    assert found.rel_error < 1e-10
    assert (found.worst_sample, found.sample_error) == (1, pytest.approx(1e-2, rel=1e-3))


def test_a_nan_of_one_side_counts_for_the_batch_and_not_for_a_samples_norm() -> None:
    ref, cand = pair((3, 4), 2)
    cand[1, 0] = np.nan
    found = difference(ref, cand, samples=3)
    assert found.rel_error == np.inf
    assert found.sample_error == pytest.approx(by_definition(ref, cand).max(), rel=1e-4)


def test_values_at_the_ends_of_the_range_are_told_apart_too() -> None:
    for scale in (1e-30, 1e-18, 1e18, 1e30):
        ref, cand = pair((4, 9), 7, "float64")
        small, other = (ref * scale).astype("float32"), (cand * scale).astype("float32")
        found = difference(small, other, samples=4)
        assert found.sample_error == pytest.approx(by_definition(small, other).max(), rel=1e-2)


@pytest.mark.parametrize("samples", [0, 1])
def test_a_single_sample_is_the_batch(samples: int) -> None:
    found = difference(*pair((1, 4), 0), samples=samples)
    assert (found.sample_error, found.worst_sample) == (None, None)


def test_a_batch_of_zeros_has_nothing_to_be_relative_to() -> None:
    assert worst_sample(np.ones(3), np.zeros(3)) is None


@pytest.mark.parametrize(
    ("inputs", "samples"),
    [
        (np.zeros((5, 2)), 5),
        ({"a": np.zeros((5, 2)), "b": [np.zeros(5), np.zeros((5, 1, 1))]}, 5),
        (np.zeros((1, 2)), 1),
        ([np.zeros((5, 2)), np.zeros((4, 2))], 0),
        ([np.zeros((5, 2)), np.zeros(())], 0),
        ([], 0),
        (None, 0),
    ],
)
def test_the_number_of_samples_is_that_of_all_inputs(inputs: object, samples: int) -> None:
    assert count_samples(inputs) == samples


def test_a_sample_that_cancels_is_rounded_as_its_inputs_are() -> None:
    """Its own output is 1e-7 of them, and so is its error."""
    inputs = np.ones((4, 8), "float32")
    output = inputs.copy()
    output[2] = 1e-7
    floor = rounding_floor([inputs], output, 4)
    assert np.allclose(floor, np.sqrt(8.0))
    error = np.array([0.0, 0.0, 8 * 1e-14, 0.0])
    references = np.square(norms_by_sample(output, 4))
    assert worst_sample(error, references) == (pytest.approx(1.0, rel=1e-3), 2)
    assert worst_sample(error, references, floor) == (pytest.approx(1e-7, rel=1e-3), 2)


def test_a_large_sample_isnt_a_floor_for_small_ones() -> None:
    inputs = np.ones((3, 4), "float32")
    inputs[0] *= 1e9
    assert np.allclose(rounding_floor([inputs], inputs, 3), np.linalg.norm(inputs, axis=1))


@pytest.mark.parametrize("array", [np.zeros((5, 2), "float32"), np.array(["a", "b"]), np.zeros(())])
def test_what_doesnt_count_samples_has_no_norms_by_sample(array: np.ndarray) -> None:
    assert norms_by_sample(array, 4) is None
    assert rounding_floor([array], np.ones((4, 2), "float32"), 4) == 0.0
