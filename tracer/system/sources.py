"""What the source of modules says, without importing them.

Standard library only, and nothing of this package.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

_APPLICATIONS: Final = ("applications/__init__.py", "api/applications/__init__.py")  # by release


def search_path() -> list[str]:
    """Where modules are looked for: the current folder too, as `python -m` has it and a console script hasn't."""
    return [str(Path.cwd()), *sys.path]


def application_names() -> tuple[str, ...]:
    """Names in `keras.applications` of the installed Keras, by its own source; none where that can't be read."""
    found = getattr(sys.modules.get("keras"), "__spec__", None) or PathFinder.find_spec("keras", search_path())
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        for place in _APPLICATIONS:
            try:
                text = (Path(folder) / place).read_text(encoding="utf-8")
            except OSError:
                continue
            names = sorted(name for name in bound_names(ast.parse(text)) if name[0].isupper())
            if names:
                return tuple(names)
    return ()


def functions_in(module: str) -> tuple[str, ...]:
    """Public functions and classes at the top of a module, in its order; none where its source can't be found."""
    folders, source = search_path(), None
    for part in module.split("."):
        found = PathFinder.find_spec(part, folders) if part else None
        if found is None:
            return ()
        folders, source = list(found.submodule_search_locations or ()), found.origin
    if source is None or not source.endswith(".py"):
        return ()
    try:
        tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ()
    names = (node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    return tuple(name for name in names if not name.startswith("_"))


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Every name that is bound anywhere: more than there is at the top, and never less."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
