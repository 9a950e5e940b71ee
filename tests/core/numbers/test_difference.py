"""`same_bytes` and `difference`, against a naive float64 formula and at the edges of the number formats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracer.core.numbers import blocks
from tracer.core.numbers.difference import difference, same_bytes

_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=7)
_MODERATE = st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0.0 or abs(x) > 1e-6)


def _pairs(dtype: str, elements: st.SearchStrategy[float] | None = None) -> st.SearchStrategy[tuple]:
    def two(shape: tuple[int, ...]) -> st.SearchStrategy[tuple]:
        one = hnp.arrays(dtype, shape, elements=elements)
        return st.tuples(one, one)

    return _SHAPES.flatmap(two)


def _noisy(shape: tuple[int, ...], dtype: str = "float32", noise: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    reference = rng.normal(size=shape)
    return reference.astype(dtype), (reference + noise * rng.normal(size=shape)).astype(dtype)


def _naive(reference: np.ndarray, candidate: np.ndarray) -> float:
    left, right = reference.astype(np.float64).ravel(), candidate.astype(np.float64).ravel()
    if not left.any():
        return math.inf if right.any() else 0.0
    return float(np.linalg.norm(right - left) / np.linalg.norm(left))


# --- against the formula


@given(_pairs("float32", _MODERATE))
def test_agrees_with_the_formula(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    found = difference(reference, candidate)
    assert found.rel_error == pytest.approx(_naive(reference, candidate), rel=1e-5)
    gap = np.abs(candidate.astype(np.float64) - reference)
    assert found.max_abs == pytest.approx(gap.max(), rel=1e-6)
    if found.max_abs:
        assert gap[found.worst_index] == pytest.approx(gap.max(), rel=1e-6)
        assert found.worst_reference == reference[found.worst_index]
        assert found.worst_candidate == candidate[found.worst_index]


@given(_pairs("float64"))
def test_any_float64_gives_a_number(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    found = difference(reference, candidate)
    equal = np.array_equal(reference, candidate, equal_nan=True)
    assert not math.isnan(found.rel_error)
    assert (found.rel_error == 0.0) == equal
    assert -1.0 <= found.cosine <= 1.0


@given(_pairs("float32"))
def test_any_float32_gives_a_number(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, candidate = pair
    found = difference(reference, candidate)
    assert not math.isnan(found.rel_error)
    assert (found.rel_error == 0.0) == np.array_equal(reference, candidate, equal_nan=True)
    assert found.nonfinite_reference == np.count_nonzero(~np.isfinite(reference))
    assert found.nonfinite_candidate == np.count_nonzero(~np.isfinite(candidate))


@given(_pairs("float32"))
def test_distance_is_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    there, back = difference(*pair), difference(*reversed(pair))
    assert (there.max_abs, there.max_ulp, there.worst_index) == (back.max_abs, back.max_ulp, back.worst_index)
    assert there.channels == back.channels
    assert there.cosine == pytest.approx(back.cosine, nan_ok=True)


@given(hnp.arrays(st.sampled_from(["float16", "float32", "float64", "int8", "uint64", "bool", "complex64"]), _SHAPES))
def test_an_array_is_itself(array: np.ndarray) -> None:
    found = difference(array, array.copy())
    assert (found.rel_error, found.max_abs, found.cosine) == (0.0, 0.0, 1.0)
    assert (found.worst_index, found.channels) == ((), ())
    assert math.isnan(found.max_ulp) if array.dtype.kind in "biuc" else found.max_ulp == 0.0


@given(hnp.arrays("int64", _SHAPES), hnp.arrays("int64", _SHAPES))
def test_integers_never_seem_equal(left: np.ndarray, right: np.ndarray) -> None:
    if left.shape == right.shape:
        found = difference(left, right)
        assert (found.rel_error == 0.0) == np.array_equal(left, right)
        assert found.max_abs == float(max((abs(int(a) - int(b)) for a, b in zip(left.flat, right.flat, strict=True))))


def test_permutation_is_seen() -> None:
    reference, _ = _noisy((64, 32))
    found = difference(reference, reference[::-1])
    assert found.rel_error == pytest.approx(math.sqrt(2), rel=0.1)


def test_scale_has_cosine_one_and_sign_minus_one() -> None:
    reference, _ = _noisy((1000,))
    assert difference(reference, 3 * reference).cosine == pytest.approx(1.0)
    assert difference(reference, 3 * reference).rel_error == pytest.approx(2.0)
    assert difference(reference, -reference).cosine == pytest.approx(-1.0)


# --- blocks and threads


@pytest.mark.parametrize("shape", [(3_000_001,), (3, 1000, 1001), (4, 700_001), (700_000, 3), (1_500_000, 1)])
def test_large_arrays_agree_with_the_formula(shape: tuple[int, ...]) -> None:
    reference, candidate = _noisy(shape)
    found = difference(reference, candidate)
    gap = candidate.astype(np.float64) - reference
    assert found.rel_error == pytest.approx(_naive(reference, candidate), rel=1e-3)
    assert abs(gap[found.worst_index]) == pytest.approx(found.max_abs, rel=1e-6)
    if len(shape) > 1:
        share = np.square(gap).sum(axis=tuple(range(len(shape) - 1)))
        share /= share.sum()
        assert [s for _, s in found.channels] == pytest.approx([share[c] for c, _ in found.channels], rel=1e-3)
        assert found.channels[0][1] == pytest.approx(share.max(), rel=1e-3)


def test_one_element_in_the_last_block_is_found() -> None:
    reference, _ = _noisy((5, 300_000))
    candidate = reference.copy()
    candidate[4, 299_999] += 1.0
    found = difference(reference, candidate)
    assert found.worst_index == (4, 299_999)
    assert found.channels == ((299_999, 1.0),)
    assert not same_bytes(reference, candidate)


def test_threads_and_one_thread_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, candidate = _noisy((2_000, 1_000))
    threaded = difference(reference, candidate)
    monkeypatch.setattr(blocks, "_MAX_WORKERS", 1)
    alone = difference(reference, candidate)
    assert threaded.rel_error == pytest.approx(alone.rel_error, rel=1e-12)
    assert (threaded.max_abs, threaded.worst_index, threaded.max_ulp) == (
        alone.max_abs,
        alone.worst_index,
        alone.max_ulp,
    )


# --- dtypes


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "bfloat16"])
def test_neighbours_are_one_ulp_apart(name: str) -> None:
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), name)) if name == "bfloat16" else np.dtype(name)
    bits = np.dtype(f"i{dtype.itemsize}")
    one = np.array([1.0, -1.0, 0.0], dtype)
    beside = (one.view(bits) + np.array(1, bits)).view(dtype)
    assert difference(one, beside).max_ulp == 1.0
    smallest = np.array([1], bits).view(dtype)
    assert difference(-smallest, smallest).max_ulp == 2.0
    assert difference(np.zeros(1, dtype), -np.zeros(1, dtype)).max_ulp == 0.0


@given(name=st.sampled_from(["float16", "float32", "float64"]), data=st.data())
def test_ulps_are_counted_across_zero_and_subnormals(name: str, data: st.DataObject) -> None:
    finite = st.floats(width=int(name.removeprefix("float")), allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    size = data.draw(st.integers(1, 40))
    pair = [np.array(data.draw(st.lists(finite, min_size=size, max_size=size)), name) for _ in range(2)]
    bits = np.dtype(f"i{pair[0].dtype.itemsize}")
    magnitude = int(np.iinfo(bits).max)
    here, there = ([n if n >= 0 else -(n & magnitude) for n in array.view(bits).tolist()] for array in pair)
    assert difference(*pair).max_ulp == float(max(abs(a - b) for a, b in zip(here, there, strict=True)))


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"])
def test_extension_dtypes(name: str) -> None:
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes"), name))
    reference = np.array([[1, 2, 3], [1, 2, 3]], dtype)
    candidate = np.array([[1, 2, 3], [1, 2, 2]], dtype)
    found = difference(reference, candidate)
    assert found.rel_error == pytest.approx(1 / math.sqrt(28))
    assert (found.worst_index, found.worst_reference, found.worst_candidate) == ((1, 2), 3.0, 2.0)
    assert difference(reference, reference.copy()).rel_error == 0.0


def test_mixed_dtypes_are_compared_in_the_wider() -> None:
    reference = np.array([1 / 3, 2 / 3])
    found = difference(reference, reference.astype(np.float32))
    assert found.rel_error == pytest.approx(2.0**-25)
    assert math.isnan(found.max_ulp)
    assert difference(np.array([1, 2], np.int8), np.array([1.0, 2.0], np.float32)).rel_error == 0.0
    assert difference(np.array([1, 2], np.int8), np.array([1, 2], np.uint64)).rel_error == 0.0
    assert difference(np.array([True]), np.array([3])).max_abs == 2.0


def test_bfloat16_against_float32() -> None:
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    reference, _ = _noisy((100, 10))
    assert difference(reference, reference.astype(bfloat16)).rel_error == pytest.approx(1.7e-3, rel=0.2)


def test_complex() -> None:
    reference = np.array([[1 + 1j, 2, 3j]], np.complex64)
    candidate = np.array([[1 + 1j, 2 + 3j, 3j + 4]], np.complex64)
    found = difference(reference, candidate)
    assert found.rel_error == pytest.approx(5 / math.sqrt(15))
    assert (found.max_abs, found.worst_index, found.worst_candidate) == (4.0, (0, 2), 4 + 3j)
    assert found.channels == ((2, pytest.approx(16 / 25)), (1, pytest.approx(9 / 25)))
    nans = difference(reference, np.array([[1 + 1j, complex(math.nan, math.inf), 3j]], np.complex64))
    assert (nans.rel_error, nans.nonfinite_candidate, nans.worst_index) == (math.inf, 1, (0, 1))


@pytest.mark.parametrize("dtype", ["U3", "S3", object])
def test_text(dtype: str) -> None:
    reference = np.array([["a", "b"], ["c", "d"]], dtype)
    candidate = np.array([["a", "b"], ["c", "e"]], dtype)
    found = difference(reference, candidate)
    assert (found.rel_error, found.max_abs, found.worst_index) == (0.25, 1.0, (1, 1))
    assert found.channels == ((1, 1.0),)
    assert difference(reference, reference.copy()).rel_error == 0.0
    assert same_bytes(reference, reference.copy())
    assert not same_bytes(reference, candidate)


def test_text_against_numbers() -> None:
    assert difference(np.array([1.0, 2.0]), np.array(["1.0", "2.0"])).rel_error == 1.0


def test_other_byte_order_is_no_difference() -> None:
    reference, candidate = _noisy((10, 10))
    assert difference(reference, reference.astype(">f4")).rel_error == 0.0
    assert difference(reference.astype(">f4"), candidate.astype(">f4")).rel_error == pytest.approx(1e-6, rel=0.3)


# --- the edges


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ValueError, match=r"reference \(2, 3\), candidate \(3, 2\)"):
        difference(np.zeros((2, 3)), np.zeros((3, 2)))


def test_nothing_is_identical_to_nothing() -> None:
    found = difference(np.zeros((0, 3), np.float32), np.ones((0, 3), np.float64))
    assert (found.rel_error, found.max_abs, found.cosine) == (0.0, 0.0, 1.0)


def test_scalars() -> None:
    found = difference(2.0, 3.0)
    assert (found.rel_error, found.worst_index, found.worst_reference) == (0.5, (), 2.0)


def test_zero_reference() -> None:
    found = difference(np.zeros((2, 2), np.float32), np.full((2, 2), 1e-30, np.float32))
    assert (found.rel_error, found.cosine) == (math.inf, 0.0)
    assert difference(np.ones(3), np.zeros(3)).rel_error == 1.0


def test_equal_nonfinite_values_are_equal() -> None:
    reference = np.array([1.0, math.nan, math.inf, -math.inf], np.float32)
    found = difference(reference, reference * 2)
    assert (found.rel_error, found.max_abs, found.worst_index) == (1.0, 1.0, (0,))
    assert (found.nonfinite_reference, found.nonfinite_candidate) == (3, 3)
    assert difference(reference, reference.copy()).nonfinite_reference == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_sided_nonfinite_value_is_infinitely_far(bad: float, dtype: str) -> None:
    reference = np.ones((4, 3), dtype)
    candidate = reference.copy()
    candidate[2, 1] = bad
    found = difference(reference, candidate)
    assert (found.rel_error, found.max_abs, found.max_ulp) == (math.inf, math.inf, math.inf)
    assert (found.worst_index, found.channels) == ((2, 1), ((1, 1.0),))
    assert difference(np.zeros((4, 3), dtype), candidate).rel_error == math.inf


def test_infinities_of_opposite_sign_differ() -> None:
    assert difference(np.array([math.inf, 1.0]), np.array([-math.inf, 1.0])).rel_error == math.inf


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-160, 1.0, 1e160, 1e300, 1e307])
def test_extreme_float64(scale: float) -> None:
    reference = np.array([3.0, 4.0, 0.0]) * scale
    assert difference(reference, -reference).rel_error == pytest.approx(2.0)
    assert difference(reference, reference * [1, 1.5, 1]).rel_error == pytest.approx(0.4, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-15, 1e15, 1e30, 4e37])
def test_extreme_float32(scale: float) -> None:
    reference = (np.array([3.0, 4.0, 0.0]) * scale).astype(np.float32)
    assert difference(reference, -reference).rel_error == pytest.approx(2.0, rel=1e-3)


def test_a_difference_too_small_for_float64_is_not_zero() -> None:
    assert difference(np.array([1e308, 1e-308]), np.array([1e308, 2e-308])).rel_error > 0.0
    assert difference(np.array([1e-300]), np.array([1e300])).rel_error == math.inf


# --- same_bytes


def test_bytes_are_compared_not_values() -> None:
    nan = np.array([math.nan, 1.0], np.float32)
    assert same_bytes(nan, nan.copy())
    assert not same_bytes(np.array([0.0]), np.array([-0.0]))
    assert difference(np.array([0.0]), np.array([-0.0])).rel_error == 0.0
    assert not same_bytes(np.zeros(3, np.float32), np.zeros(3, np.int32))
    assert not same_bytes(np.zeros(3), np.zeros((3, 1)))


def test_the_same_memory_read_otherwise_is_not_the_same() -> None:
    array = np.arange(9.0).reshape(3, 3)
    assert same_bytes(array, array.view())
    assert not same_bytes(array, array.T)
    assert not same_bytes(np.arange(6.0)[:3], np.arange(6.0)[::2])
    six = np.arange(6.0)
    assert not same_bytes(six[:3], six[::2])
    assert not same_bytes(six, six.view("int64"))


@given(hnp.arrays("uint8", st.integers(0, 40)), st.data())
def test_every_byte_counts(array: np.ndarray, data: st.DataObject) -> None:
    assert same_bytes(array, array.copy())
    if array.size:
        other = array.copy()
        other[data.draw(st.integers(0, array.size - 1))] ^= 1 << data.draw(st.integers(0, 7))
        assert not same_bytes(array, other)


def test_strides_do_not_matter() -> None:
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    for view in (array.T, array[:, ::2], array[::-1], np.asfortranarray(array), np.broadcast_to(array[0], (3, 4, 5))):
        assert same_bytes(view, np.ascontiguousarray(view))
        assert difference(view, np.ascontiguousarray(view) + 1).max_abs == 1.0
    assert not same_bytes(array.reshape(4, 15), np.asfortranarray(array.reshape(4, 15))[::-1])
