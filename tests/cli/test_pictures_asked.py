"""Whoever asks for a page gets pictures on it: `--html` reaches each command that has both sides' values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import makers
import pytest
from typer.testing import CliRunner

from tracer import workflows
from tracer.cli import app
from tracer.core.outcomes import Outcomes

_REPORT = makers.report(makers.layer_report("norm"))
_COMMANDS = {
    "demo": ("demo", _REPORT),
    "diff a.keras b.keras": ("diff", _REPORT),
    "migrate a.h5 -o b.keras": ("migrate", _REPORT),
    "roundtrip a.keras": ("roundtrip_formats", Outcomes({"keras": _REPORT})),
}


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("words", _COMMANDS)
def test_a_page_has_pictures(words: str, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow, found = _COMMANDS[words]
    options: dict[str, Any] = {}

    def work(*_: Any, **given: Any) -> Any:
        options.update(given)
        return found

    monkeypatch.setattr(workflows, workflow, work)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, [*words.split(), *(["--html", str(page)] if asked else [])])
    assert (done.exit_code, page.exists()) == (0, asked), done.output
    assert options["pictures"] is asked
