"""The rules of `tracer migrate`, from the code alone; `python tests/quality/keras2_table.py` writes the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracer.core.migration.layers import CLASS_RULES, LAYER_RULES
from tracer.core.migration.op_table import OP_RULES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "keras2.md"
_MARK = "<!-- from here on: written by `python tests/quality/keras2_table.py` -->\n"


def document() -> str:
    """The whole page: what is written by hand, and the tables behind it."""
    by_hand = DOCUMENT.read_text(encoding="utf-8").partition(_MARK)[0]
    return by_hand + _MARK + "".join(_tables())


def _tables() -> Iterator[str]:
    yield "\n## Arguments of layers\n\n| in Keras 2 | in Keras 3 | why | since |\n|---|---|---|---|\n"
    for rule in LAYER_RULES:
        yield f"| {rule.subject} | {rule.change} | {rule.why} | {rule.since} |\n"
    yield "\n## Classes\n\n| in Keras 2 | in Keras 3 | why, or what to do |\n|---|---|---|\n"
    for moved in CLASS_RULES:
        yield f"| `{moved.old}` | {moved.change} | {moved.why} |\n"
    yield "\n## Functions of TensorFlow in a graph\n\n| function | operation of Keras 3 | settings |\n|---|---|---|\n"
    for function in OP_RULES:
        names = ", ".join(f"`tf.{name}`" for name in function.functions)
        settings = ", ".join(f"`{ours}` → `{theirs}`" for ours, theirs in function.settings.items())
        yield f"| {names} | `{function.operation}` | {settings} |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
