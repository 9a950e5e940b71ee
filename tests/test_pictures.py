"""The pictures of README.md show what the demo prints today: made anew by their own command, and compared."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

import pytest

_DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(_DOCS))
    import pictures as module

    yield module
    sys.modules.pop("pictures")


def words(svg: str) -> list[str]:
    return html.unescape(" ".join(re.findall(r"<text [^>]*>([^<]*)</text>", svg))).split()


@pytest.mark.slow
def test_the_terminal_is_what_the_demo_prints(pictures: Any, tmp_path: Path) -> None:
    drawn = words(pictures.terminal(pictures.demo(tmp_path / "demo.html")))
    kept = words((_DOCS / "demo.svg").read_text(encoding="utf-8"))
    # Blocks of the sparkline differ by the processor's rounding.
    plain = [[word for word in each if not set(word) <= set("▁▂▃▄▅▆▇█·")] for each in (drawn, kept)]
    assert plain[0] == plain[1], "run `python docs/pictures.py`"
    assert "DIVERGED:" in kept and "took" not in kept and not any("keras 3" in word for word in kept)
    assert (tmp_path / "demo.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_rows_of_one_machine_are_left_out(pictures: Any) -> None:
    passing = "\x1b[2m  ran with    \x1b[0mkeras 3\n              platform x\n\x1b[2m  took        \x1b[0m1 s\n"
    assert pictures._lasting(f"DIVERGED\n{passing}  proof       holds\n") == "DIVERGED\n  proof       holds\n"


def test_the_page_is_a_picture() -> None:
    data = (_DOCS / "demo.png").read_bytes()
    size = [int.from_bytes(data[start : start + 4], "big") for start in (16, 20)]
    assert data.startswith(b"\x89PNG") and size == [1280, 800]
