"""Two settings of paired layers: what is one setting in another spelling, and what isn't."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tracer.core.layer.differences import ABSENT, Setting
from tracer.core.layer.settings import alike, is_origin

_STATE = np.array([[0.5, -2.0], [1e-8, 3.0]], "float32")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (_STATE, _STATE * np.float32(1 + 1e-7)),
        ([_STATE, [_STATE]], [_STATE.copy(), [_STATE * np.float32(1 + 1e-7)]]),
        ({"mean": _STATE}, {"mean": _STATE.copy()}),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0])),
        (np.array([1.0, 2.0], ml_dtypes.bfloat16), np.array([1.0, 2.0], ml_dtypes.bfloat16)),
        (np.array(["a", "b"]), np.array(["a", "b"])),
        (3, (3, 3)),
        ([1, 2], (1, 2)),
        (float("nan"), float("nan")),
        (None, None),
    ],
)
def test_one_setting_in_two_spellings_or_up_to_rounding_is_alike(a: Setting, b: Setting) -> None:
    assert alike(a, b)
    assert alike(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (_STATE, _STATE * np.float32(1.001)),
        (_STATE, _STATE + np.float32(1e-3) * np.eye(2, dtype="float32")),
        (_STATE, _STATE.reshape(-1)),
        (_STATE, _STATE.astype("float64")),
        (np.array([np.nan, 1.0]), np.array([0.0, 1.0])),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([True, False]), np.array([True, True])),
        (np.array(["a", "b"]), np.array(["a", "c"])),
        (np.array([b"a", None], object), np.array([b"b", None], object)),
        ([_STATE], [_STATE, _STATE]),
        ({"mean": _STATE}, {"variance": _STATE}),
        (3, (3, 4)),
        (3, ()),
        (0.1, 0.2),
        (ABSENT, None),
        ("relu", "gelu"),
    ],
)
def test_another_value_is_not_alike(a: Setting, b: Setting) -> None:
    assert not alike(a, b)
    assert not alike(b, a)


def test_where_numbers_once_came_from_is_no_setting() -> None:
    assert [name for name in ("kernel_initializer", "seed", "rate", "units") if is_origin(name)] == [
        "kernel_initializer",
        "seed",
    ]
