"""`tracer.core.numbers.pictures`: what is drawn of an output, in full at a fault and coarser elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from tracer.core.numbers import pictures as module
from tracer.core.numbers.pictures import pictures, small_pictures


def test_a_fault_has_a_finer_picture_than_its_neighbours() -> None:
    reference = np.random.RandomState(0).normal(size=(1, 256, 128, 2)).astype("float32")
    candidate = reference.copy()
    candidate[:, :128, :64] += 1.0  # the upper left quarter
    values, fields = pictures(reference, candidate)
    few_values, few_fields = small_pictures(reference, candidate)
    assert values is not None and fields is not None and few_values is not None and few_fields is not None
    assert len(few_values.reference) < len(values.reference)
    assert sum(few_values.reference) < sum(values.reference)
    assert len(few_fields.fields) < len(fields.fields) and len(few_fields.fields) <= 6
    grid = np.array(few_fields.fields)
    assert grid[0, 0] > 0.9 and grid[-1, -1] == 0  # seen from afar, it is where it is


def test_what_is_no_picture_has_values_alone() -> None:
    reference, candidate = np.zeros((3, 5)), np.ones((3, 5))
    for drawn in (pictures, small_pictures):
        values, fields = drawn(reference, candidate)
        assert values is not None and fields is None


def test_of_a_large_image_few_positions_are_read_and_of_a_small_one_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(module, "error_map", lambda here, there, fields: seen.append(here.shape))
    for shape in ((2, 640, 300, 3), (1, 40, 20, 3), (4, 5000)):
        small_pictures(np.ones(shape), np.zeros(shape))
    assert seen == [(2, 64, 75, 3), (1, 40, 20, 3), (4, 5000)]
