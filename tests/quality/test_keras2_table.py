"""docs/keras2.md has the rules that the code has."""

from __future__ import annotations

from keras2_table import DOCUMENT, document

from tracer.core.migration.layers import CLASS_RULES, LAYER_RULES
from tracer.core.migration.op_table import OP_RULES


def test_the_page_has_the_rules_of_the_code() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run `python tests/quality/keras2_table.py`"


def test_every_rule_is_a_row() -> None:
    generated = document().partition("<!-- from here on")[2]
    rows = [line for line in generated.splitlines() if line.startswith("| ")]
    heads = generated.count("|---|---|---|\n")
    assert heads == 3
    assert len(rows) - heads == len(LAYER_RULES) + len(CLASS_RULES) + len(OP_RULES)
