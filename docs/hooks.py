"""What MkDocs can't know: where links out of docs/ lead, and the two pages that are generated from the code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the reference of commands and of Python, made from what is installed."""
    from mkdocs.structure.files import File

    for name, text in (("commands.md", commands_page()), ("python.md", python_page())):
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: Any) -> str:
    """Leads a link to a file outside of docs/ into the repository; plain text where that isn't known."""
    repository = (config.repo_url or "").rstrip("/")
    return _OUTSIDE.sub(rf"[\1]({repository}/blob/HEAD/\2)" if repository else r"\1", markdown)


def commands_page() -> str:
    """What `--help` says of every command."""
    import typer

    from tracer.cli import app

    group: Any = typer.main.get_command(app)
    context = group.make_context("tracer", [], resilient_parsing=True)
    parts = ["# Commands\n", "What `tracer COMMAND --help` says.\n"]
    for name, command in group.commands.items():
        with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
            inner.terminal_width = inner.max_content_width = 100
            parts.append(f"## tracer {name}\n\n```text\n{command.get_help(inner)}\n```\n")
    return "\n".join(parts)


def python_page() -> str:
    """The names of `tracer`, with their signatures and docstrings."""
    return "\n".join(["# Python\n", "`import tracer` has these names.\n", *_described()])


def _described() -> Iterator[str]:
    import tracer

    for name in tracer.__all__:
        if name != "__version__":
            found = _definition(name, "tracer")
            told = ast.get_docstring(found) or ""
            yield f"## tracer.{name}\n\n```text\n{_signature(found)}\n\n{told}\n```\n"


def _definition(name: str, module: str) -> ast.FunctionDef | ast.ClassDef:
    """Where a name of a module is defined, by the source alone: importing what compares models needs a backend.

    Raises:
        LookupError: if the module neither defines nor imports it.
    """
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
            return _definition(name, node.module)
    home = _homes(module).get(name)
    if home is None:
        raise LookupError(f"{module} has no {name}")
    return _definition(name, home)


def _homes(module: str) -> Mapping[str, str]:
    """Where a module finds the names that it imports when they are first used."""
    return getattr(importlib.import_module(module), "_HOMES", {})


def _signature(found: ast.FunctionDef | ast.ClassDef) -> str:
    """As it is written; the fields of a record are in its docstring."""
    if isinstance(found, ast.ClassDef):
        return f"class {found.name}"
    result = f" -> {ast.unparse(found.returns)}" if found.returns else ""
    return f"{found.name}({ast.unparse(found.args)}){result}"
