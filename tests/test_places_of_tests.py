"""Tests are where one looks for them: `tests/` has the folders of `tracer/`, and each module its tests in its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_TRACER, _TESTS = _ROOT / "tracer", _ROOT / "tests"
_MODULES = sorted(path for room in ("core", "engine", "files") for path in (_TRACER / room).glob("**/*.py"))
# Folders that no room of the package is tested in.
_OF_NO_ROOM = {
    "quality": "asks the whole whether the right layer is blamed",
    "releases": "asks the whole in environments with other releases",
}
# Modules that no test in their folder imports.
_ELSEWHERE = {
    "core/host.py": "a protocol: whoever is one is tested",
    "engine/types.py": "names of types",
    "core/transport/commands.py": "plain records, which the tests of the recorder send",
    "core/migration/op_arguments.py": "test_operations asks the one table that it is a part of",
    "core/migration/op_elementwise.py": "test_operations asks the one table that it is a part of",
    "core/migration/op_rule.py": "test_operations asks the one table that it is a part of",
}


def imported(path: Path) -> set[str]:
    """Everything that a file imports, wherever in it, and all packages above that."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update((node.module, *(f"{node.module}.{name.name}" for name in node.names)))
    return found


def reached(test: Path) -> set[str]:
    """What a test imports, by itself or through what it shares with its neighbours."""
    direct = imported(test)
    helpers = (test.with_name(f"{name}.py") for name in direct)
    return direct.union(*(imported(helper) for helper in helpers if helper.is_file()))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(_ROOT).with_suffix("").parts)


def found_in(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("test_*.py"))


def test_every_folder_of_tests_is_one_of_the_package() -> None:
    folders = {path.parent.relative_to(_TESTS) for path in _TESTS.glob("**/test_*.py")}
    strays = {str(folder) for folder in folders if not (_TRACER / folder).is_dir()}
    assert strays == set(_OF_NO_ROOM)


@pytest.mark.parametrize(
    "path", [path for path in _MODULES if path.name != "__init__.py"], ids=lambda p: str(p.relative_to(_TRACER))
)
def test_a_test_in_the_folder_of_a_module_imports_it(path: Path) -> None:
    place, name = path.relative_to(_TRACER), module_name(path)
    # Helpers count: the recorder is run by what several of its tests share.
    is_tested = any(name in imported(each) for each in (_TESTS / place.parent).glob("*.py"))
    assert is_tested != (str(place) in _ELSEWHERE), name


@pytest.mark.parametrize("room", ["core", "engine", "files"])
def test_a_test_in_a_folder_has_to_do_with_it(room: str) -> None:
    for folder in sorted({path.parent for path in (_TESTS / room).glob("**/test_*.py")}):
        package = ".".join(("tracer", *folder.relative_to(_TESTS).parts))
        strangers = [
            test.name
            for test in found_in(folder)
            if not any(name == package or name.startswith(f"{package}.") for name in reached(test))
        ]
        assert strangers == [], folder
