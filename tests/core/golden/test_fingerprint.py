"""`tracer.core.golden.fingerprint`: what is taken of an activation, and what is taken only once."""

from __future__ import annotations

import numpy as np
import pytest

from tracer.core.golden.fingerprint import _Taker
from tracer.core.source import Value


@pytest.mark.parametrize("native", [object(), None], ids=["in this process", "over a wire"])
def test_the_same_tensor_with_another_mask_has_another_fingerprint(native: object) -> None:
    taker, array = _Taker(True, 1 << 20), np.ones((2, 3), np.float32)
    masks = [None, np.array([True, False]), np.array([True, True]), np.array([True, False]), None]
    taken = [taker.of(Value(array=array, mask=mask, native=native)).mask for mask in masks]
    assert taken[0] == taken[4] == ""
    assert taken[1] == taken[3] != taken[2] != ""
