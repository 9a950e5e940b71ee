"""`tracer.core.inputs.casting`: nothing that was given is lost on the way into the dtype of an input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracer.core.inputs.casting import cast
from tracer.core.inputs.specs import InputDomain, InputSpec, numpy_dtype
from tracer.errors import InputError


def spec(dtype: str, **known: Any) -> InputSpec:
    return InputSpec(**{"name": "x", "index": 0, "shape": (None,), "dtype": dtype, **known})


@pytest.mark.parametrize(
    ("given_as", "dtype", "told"),
    [
        (np.array([1.5], "float32"), "float32", ()),
        (np.array([1.5], ">f4"), "float32", ()),
        (np.array([1, 2]), "float32", ("x was cast from int64 to float32.",)),
        (np.array([16_777_217]), "float32", ("x was cast from int64 to float32, rounded.",)),
        (
            np.array([1e-99, 1.0]),
            "float32",
            ("x was cast from float64 to float32; 1 value too small for it became 0.",),
        ),
        (np.array([2.0, 3.0]), "int32", ("x was cast from float64 to int32.",)),
        (np.array([True]), "int32", ("x was cast from bool to int32.",)),
        (np.array([0, 1]), "bool", ("x was cast from int64 to bool.",)),
        (np.array(["a"]), "string", ()),
    ],
)
def test_a_cast_is_told_and_one_that_changes_nothing_is_not(given_as: Any, dtype: str, told: tuple[str, ...]) -> None:
    found, sentences = cast(spec(dtype), given_as)
    assert sentences == told
    assert found.dtype == numpy_dtype(dtype) or found.dtype.kind == "U"
    assert dtype == "string" or np.array_equal(found, given_as.astype(found.dtype))


@pytest.mark.parametrize(
    ("given_as", "dtype", "why"),
    [
        (np.array([1.5]), "int32", r"expected int32, received float64, with values that aren't whole numbers\."),
        (np.array([np.nan]), "int32", r"with values that aren't whole numbers\."),
        (np.array([300]), "uint8", r"int64 can't be cast to uint8: values go from 300 to 300, beyond its range\."),
        (np.array([-1]), "uint8", r"values go from -1 to -1, beyond its range\."),
        (np.array([1e300]), "float32", r"values as large as 1e\+300 become infinite\."),
        (np.array([2]), "bool", r"there are values other than 0 and 1\."),
        (np.array([[1], [2, 3]], dtype=object), "float32", r"an array of Python objects, such as rows of different"),
        (np.array([1]), "string", r"expected string, received int64\."),
        (np.array(["a"]), "float32", r"expected float32, received <U1\."),
        (np.array([1j]), "float32", r"expected float32, received complex128\."),
    ],
)
def test_what_would_mean_something_else_is_refused(given_as: Any, dtype: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        cast(spec(dtype), given_as)


def test_ids_may_not_become_others_where_numbers_may_be_rounded() -> None:
    ids = np.array([16_777_217])
    assert cast(spec("float32"), ids)[0] == 16_777_216
    with pytest.raises(InputError, match=r"ids become others by rounding"):
        cast(spec("float32", demand=InputDomain(kind="ids", high=1 << 30)), ids)


def test_a_model_that_declares_no_dtype_gets_what_was_given() -> None:
    for array in (np.array(["a"]), np.array([1, 2]), np.array([True])):
        assert cast(spec("float32", declared=False), array)[0] is array
    found, _ = cast(spec("float32", declared=False, demand=InputDomain(kind="pixels")), np.array([1, 2]))
    assert found.dtype == np.float32


NUMBERS = arrays.arrays(st.sampled_from(["int16", "int64", "float32", "float64", "bool"]), 5)


@given(NUMBERS, st.sampled_from(["int32", "uint8", "bool"]))
def test_whole_numbers_come_out_as_they_went_in_or_not_at_all(array: Any, dtype: str) -> None:
    try:
        found, _ = cast(spec(dtype), array)
    except InputError:
        return
    assert found.dtype == dtype
    assert np.array_equal(found.astype(array.dtype), array)
