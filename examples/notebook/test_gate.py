"""The notebook runs from its first cell to its last, and says what it did."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat

HERE = Path(__file__).parent
SAID = ["", "the loss falls: True\n", "pass 4 layer outputs\n", "gate Forgetful config True\n"]


def test_it_says_what_it_did() -> None:
    book = nbformat.read(HERE / "gate.ipynb", as_version=4)
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3").execute(cwd=str(HERE))
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    printed = ["".join(out["text"] for out in cell.outputs if out.get("name") == "stdout") for cell in cells]
    assert printed == SAID
