"""The pictures of README.md, from a real run: `python docs/pictures.py` writes docs/demo.svg and docs/demo.png.

The terminal is drawn by rich, the page is photographed in Chromium (playwright, and Debian's package `chromium`).
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).resolve().parent
_WIDTH = 100
_ENDS = "First divergence:"  # what follows is a table
# What another machine or another moment would show.
_ROWS = ("ran with", "took")


def demo(html: Path) -> str:
    """What `tracer demo` prints on a terminal, up to the table of layers; its page is written to `html`."""
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_WIDTH), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "demo", "--html", str(html)],
        env={**os.environ, **colours},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 1:  # diverged
        raise SystemExit(f"tracer demo ended with {done.returncode}: {done.stderr}")
    return _lasting(done.stdout.partition(_ENDS)[0].rstrip() + "\n")


def _lasting(text: str) -> str:
    """The text without the rows that are of one machine and one moment."""
    kept, dropped = [], False
    for line in text.splitlines(keepends=True):
        plain = re.sub(r"\x1b\[[\d;]*m", "", line)
        goes_on = plain.startswith(" " * 14)
        dropped = (dropped and goes_on) or plain.strip().startswith(_ROWS)
        if not dropped:
            kept.append(line)
    return "".join(kept)


def terminal(text: str) -> str:
    """A picture of a terminal, as SVG."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ tracer demo\n{text}"), soft_wrap=True)
    return console.export_svg(title="tracer demo", unique_id="demo")


def photograph(page: Path, target: Path) -> None:
    """The top of a page at 1280 × 800, as PNG."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        view.goto(page.as_uri())
        view.screenshot(path=str(target))
        browser.close()


def main() -> None:
    """Write both."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "demo.html"
        (FOLDER / "demo.svg").write_text(terminal(demo(page)), encoding="utf-8")
        photograph(page, FOLDER / "demo.png")


if __name__ == "__main__":
    main()
