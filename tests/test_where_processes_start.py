"""Processes are started where ARCHITECTURE.md says, and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_MODULES = {"subprocess", "multiprocessing", "pty", "asyncio.subprocess", "concurrent.futures.process"}
_CALLS = re.compile(r"os\.(fork|forkpty|posix_spawnp?|spawn\w+|exec\w+|system|popen|startfile)")


def starts(text: str) -> Iterator[str]:
    """What in a module can start a process."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in _MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
            yield from names & _MODULES
            yield from (name for name in names if _CALLS.fullmatch(name))
        elif isinstance(node, ast.Attribute) and _CALLS.fullmatch(ast.unparse(node)):
            yield ast.unparse(node)


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "from os import fork",
        "import os\nos.posix_spawn(1)",
        "from concurrent.futures import process",
    ],
)
def test_every_way_to_start_one_is_seen(text: str) -> None:
    assert list(starts(text))
    assert not list(starts("import os\nos.getpid()\nfrom concurrent.futures import ThreadPoolExecutor"))


def test_processes_are_started_where_the_architecture_says() -> None:
    row = next(
        line for line in (ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines() if "a process is started" in line
    )
    said = {f"tracer/{place}" for place in re.findall(r"`([\w./]+)`", row)}
    found = {
        "tracer/envs/" if path.parts[0] == "envs" else f"tracer/{path}"
        for path in (file.relative_to(ROOT / "tracer") for file in (ROOT / "tracer").rglob("*.py"))
        if any(starts((ROOT / "tracer" / path).read_text("utf-8")))
    }
    assert found == said
