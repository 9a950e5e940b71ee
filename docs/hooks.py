"""What MkDocs can't know: where links out of docs/ lead, and the two pages that are generated from the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
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
        thing = getattr(tracer, name)
        if callable(thing):
            told = inspect.getdoc(thing) or ""
            yield f"## tracer.{name}\n\n```text\n{_signature(name, thing)}\n\n{told}\n```\n"


def _signature(name: str, thing: Any) -> str:
    """As it is written; the fields of a record are in its docstring."""
    if inspect.isclass(thing):
        return f"class {name}"
    parameters = ",\n    ".join(map(str, inspect.signature(thing).parameters.values()))
    return f"{name}(\n    {parameters},\n)" if parameters else f"{name}()"
