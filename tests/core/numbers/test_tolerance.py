"""The table of tolerances: its values, its order, and what it refuses."""

import math

import pytest

from tracer.core.numbers.tolerance import BOUNDS, least_precise, most_precise, share_of_tolerance, tolerance_for


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [("float64", 1e-10), ("float32", 2e-6), ("float16", 1e-2), ("bfloat16", 8e-2), ("int32", 0.0), ("bool", 0.0)],
)
def test_one_dtype(dtype: str, bound: float) -> None:
    assert tolerance_for(dtype) == bound


def test_least_precise_dtype_decides() -> None:
    assert tolerance_for("float64", "bfloat16", "float32") == tolerance_for("bfloat16")
    assert tolerance_for("int64", "float32") == tolerance_for("float32")


def test_bounds_grow_as_precision_falls() -> None:
    order = ("int32", "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
    bounds = [tolerance_for(dtype) for dtype in order]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize("dtype", ["string", "str96", "bytes8", "StringDType128", "object"])
def test_text_is_exact(dtype: str) -> None:
    assert tolerance_for(dtype) == 0.0


def test_every_bound_has_a_reason() -> None:
    assert all(bound.reason for bound in BOUNDS.values())


def test_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match="no tolerance is known for dtype 'float7'; known are float64, float32"):
        tolerance_for("float32", "float7")


def test_no_dtype() -> None:
    with pytest.raises(ValueError, match="no dtype was given"):
        tolerance_for()


@pytest.mark.parametrize(
    ("dtypes", "coarsest", "finest"),
    [
        (("float32", "float16"), "float16", "float32"),
        (("bfloat16", "float16", "float64"), "bfloat16", "float64"),
        (("float16", "int32"), "float16", ""),  # ids aren't rounded at all
        (("", "float16"), "float16", ""),
        ((), "", ""),
    ],
)
def test_the_least_and_the_most_precise_of_some_dtypes(dtypes: tuple[str, ...], coarsest: str, finest: str) -> None:
    assert (least_precise(*dtypes), most_precise(*dtypes)) == (coarsest, finest)


@pytest.mark.parametrize(
    ("error", "tolerance", "share"),
    [
        (0.0, 1e-6, 0.0),
        (0.0, 0.0, 0.0),
        (3e-6, 1e-6, 3.0),
        (1e-9, 0.0, math.inf),
        (math.inf, 1e-6, math.inf),
        (math.nan, 1e-6, math.inf),
    ],
)
def test_an_error_in_units_of_what_is_allowed(error: float, tolerance: float, share: float) -> None:
    assert share_of_tolerance(error, tolerance) == pytest.approx(share)
