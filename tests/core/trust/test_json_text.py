"""`tracer.core.trust.json_text`: what a JSON text takes once it is read, without reading it."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.core.trust.json_text import memory_of

_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(max_codepoint=255))
)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner), max_leaves=30)


def taken(text: str) -> int:
    """Bytes that reading it takes."""
    tracemalloc.start()
    try:
        found = json.loads(text)
        return tracemalloc.get_traced_memory()[0] if found is not None else 0
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "part",
    ["[]", "{}", "[[]]", '{"a":1}', '{"a":{}}', "1.5", "1e9", "123456789", '"some text"', '["a","b"]', "[1,2,3]"],
)
def test_no_text_takes_more_than_is_said(part: str) -> None:
    text = f"[{','.join([part] * 2000)}]"
    assert memory_of(text) / 12 < taken(text) < memory_of(text)


@given(_VALUES)
def test_whatever_it_says(value: object) -> None:
    text = json.dumps([value] * 50)
    assert taken(text) < memory_of(text) + 2000


def test_bytes_and_text_take_the_same() -> None:
    assert memory_of(b'{"a": [1, 2]}') == memory_of('{"a": [1, 2]}') == 13 + 200 + 90 + 60 + 60
