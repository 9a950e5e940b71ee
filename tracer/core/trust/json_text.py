"""How much memory a JSON text takes once it is read: a small archive can hold text that fills all memory as lists."""

from __future__ import annotations

from typing import Final

# What no model's configuration, report or golden takes by far; a model of a thousand layers has one MB of text.
MOST: Final = 768 << 20
# Bytes that Python takes for an object, a list, and what stands between two commas or behind a colon, at most.
_TAKEN: Final = (("{", 200), ("[", 90), (",", 60), (":", 60))


def memory_of(text: str | bytes) -> int:
    """Bytes that reading a text takes at most, counted without reading it."""
    if isinstance(text, bytes):
        return len(text) + sum(size * text.count(sign.encode()) for sign, size in _TAKEN)
    return len(text) + sum(size * text.count(sign) for sign, size in _TAKEN)
