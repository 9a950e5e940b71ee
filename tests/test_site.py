"""The documentation as a site, and its tutorial, executed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_docs import _FILES, _LAYERS, commands, run

import tracer

_ROOT = Path(__file__).resolve().parents[1]
_TUTORIAL = (_ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
_STEP = re.compile(r"<!-- run(?: exit=(\d))? -->\n```sh\n(.*?)```(.*?)(?=<!-- run|\Z)", re.DOTALL)


@pytest.fixture(scope="module")
def hooks() -> Any:
    spec = importlib.util.spec_from_file_location("hooks", _ROOT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("https://example.org/a/b/", "see [the code](https://example.org/a/b/blob/HEAD/tracer/x.py)"),
        ("", "see the code"),
    ],
)
def test_a_link_out_of_the_site_leads_into_the_repository(hooks: Any, repository: str, told: str) -> None:
    config = SimpleNamespace(repo_url=repository)
    assert hooks.on_page_markdown("see [the code](../tracer/x.py)", config=config, page=None, files=None) == told
    inside = "[method](method.md#prove) [issue](https://example.org/1)"
    assert hooks.on_page_markdown(inside, config=config) == inside


def test_the_reference_has_every_command_with_its_options(hooks: Any) -> None:
    page = hooks.commands_page()
    names = re.findall(r"^## tracer (\w+)$", page, re.MULTILINE)
    assert {"demo", "roundtrip", "diff", "check", "matrix", "bisect", "show"} <= set(names)
    parts = dict(zip(names, page.split("\n## tracer ")[1:], strict=True))
    for name in ("roundtrip", "diff", "check", "matrix", "bisect"):
        assert "--html FILE" in parts[name] and "Examples:" in parts[name]
        assert max(map(len, parts[name].splitlines())) <= 120


def test_the_reference_has_every_public_name(hooks: Any) -> None:
    page = hooks.python_page()
    assert re.findall(r"^## tracer\.(\w+)$", page, re.MULTILINE) == [
        name for name in tracer.__all__ if name != "__version__"
    ]
    assert "diff(reference: " in page and "-> Report" in page and "Attributes:" in page
    with pytest.raises(LookupError, match="tracer has no nothing"):
        hooks._definition("nothing", "tracer")


@pytest.mark.slow
@pytest.mark.parametrize(("more", "code"), [("", 0), ("\n[dead](nowhere.md)\n", 1), ("\n[dead](method.md#no)\n", 1)])
def test_the_site_is_built_asks_nobody_and_has_no_dead_link(tmp_path: Path, more: str, code: int) -> None:
    pytest.importorskip("mkdocs")
    shutil.copytree(_ROOT / "docs", tmp_path / "docs")
    shutil.copy(_ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / "index.md").open("a", encoding="utf-8").write(more)
    # Not --quiet: it hides the warnings from --strict.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", "site"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(_ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    for page in (tmp_path / "site").glob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]* href)="(https?:)?//', page.read_text(encoding="utf-8"))
        assert loaded == [], page


def test_the_tutorial_has_steps_to_run() -> None:
    assert [code for code, _, _ in _STEP.findall(_TUTORIAL)] == ["1", "1", ""]


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Its commands end as it says, in order and in one folder, and print the lines that it shows."""
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "layers.py").write_text(_LAYERS, encoding="utf-8")
    path = os.pathsep.join([str(_ROOT), str(tmp_path)])
    subprocess.run([sys.executable, "-c", _FILES], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    for code, block, prose in _STEP.findall(_TUTORIAL):
        (command,) = commands(block)
        done = run(command, tmp_path)
        assert done.returncode == int(code or 0), f"{command}\n{done.stdout}\n{done.stderr}"
        for text in re.findall(r"```text\n(.*?)```", prose, re.DOTALL):
            missing = set(text.splitlines()) - set(done.stdout.splitlines())
            assert not missing, f"{command} doesn't print {missing}"
    assert {"demo.html", "demo.json", "report.html"} <= set(os.listdir(tmp_path))
