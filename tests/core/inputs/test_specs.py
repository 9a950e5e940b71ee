"""`tracer.core.inputs.specs`: structures of what a model takes, whatever they are nested in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tracer.core.inputs.specs import InputSpec, flat, leaves, map_structure, numpy_dtype

SPEC = InputSpec(name="x", index=0, shape=(None, 3), dtype="float32")


def test_a_structure_keeps_its_shape_whatever_its_leaves_become() -> None:
    nested = {"b": [1, (2, 3)], "a": 4}
    assert map_structure(lambda leaf: leaf * 10, nested) == {"b": [10, (20, 30)], "a": 40}
    assert list(map_structure(str, nested)) == ["b", "a"]
    assert map_structure(str, 7) == "7" and map_structure(str, []) == []
    assert isinstance(map_structure(str, (1, 2)), tuple)


def test_leaves_come_as_keras_flattens_them_not_as_they_are_written() -> None:
    second, first = replace(SPEC, name="second", index=1), replace(SPEC, name="first", index=0)
    assert flat({"z": second, "a": [first]}) == [second, first]
    assert leaves({"z": second, "a": [first]}) == [first, second]
    assert leaves(SPEC) == [SPEC]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float16", np.float16),
        ("float64", np.float64),
        ("int8", np.int8),
        ("bool", np.bool_),
        ("string", np.str_),
        ("bfloat16", np.float32),
        ("float8_e4m3fn", np.float32),
    ],
)
def test_what_numpy_lacks_is_made_in_single_precision(dtype: str, expected: type[np.generic]) -> None:
    assert numpy_dtype(dtype) == np.dtype(expected)


def test_a_dtype_that_nobody_has_is_no_dtype() -> None:
    with pytest.raises(TypeError, match="float31"):
        numpy_dtype("float31")
