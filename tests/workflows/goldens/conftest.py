"""A golden of a small model."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_model import inputs, small

from tracer.workflows.regression import record_live


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "small.safetensors"
    golden = record_live(small(), inputs(), path)
    assert golden.is_double and golden.sites[0].floors
    return path
