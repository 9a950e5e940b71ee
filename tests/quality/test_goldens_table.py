"""docs/goldens.md says what the fixtures hold."""

from __future__ import annotations

from goldens_table import DOCUMENT, document


def test_the_page_is_as_the_fixtures_are() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document()
