"""Release numbers: their order is the one in which they were released."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.releases import parse_release


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("3.5.0", "3.6.0"),
        ("3.9.2", "3.10.0"),
        ("3.6.0.dev2024082001", "3.6.0rc1"),
        ("3.6.0rc1", "3.6.0"),
        ("3.6.0rc2", "3.6.0rc10"),
        ("3.15.1", "3.16.0.dev2026010100"),
        ("3.6.0-dev2024082001", "3.6.0"),
        ("3", "3.0.1"),
    ],
)
def test_releases_order_as_they_were_released(older: str, newer: str) -> None:
    here, there = parse_release(older), parse_release(newer)
    assert here is not None
    assert there is not None
    assert here < there


@given(st.text(max_size=20))
def test_any_text_is_a_release_or_none(text: str) -> None:
    parse_release(text)
