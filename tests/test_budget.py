"""The house's budget: small files, small functions, no mutable module state, no broad handler without a reason.

A function's lines are those of its body, without signature and docstring.  `python tests/house.py` prints the figures
of the whole package.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import Figure, body_lines, figures_of_sizes, functions

_ROOT = Path(__file__).resolve().parent.parent
_FILES = sorted([*_ROOT.glob("tracer/**/*.py"), *_ROOT.glob("tests/**/*.py"), *_ROOT.glob("benchmarks/**/*.py")])
_PACKAGE = [path for path in _FILES if path.is_relative_to(_ROOT / "tracer")]
_MAX_FILE, _MAX_BODY = 350, 40

_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter"})


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _module_state(tree: ast.Module) -> Iterator[str]:
    """Names that a module binds to a list, dict or set; a tuple, a frozenset or a MappingProxyType can't be changed."""
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.value
            if isinstance(value, ast.Call):
                called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
                mutable = called in _MUTABLE_CALLS
            else:
                mutable = isinstance(value, _MUTABLE)
            names = [ast.unparse(target) for target in targets]
            if mutable and names != ["__all__"]:
                yield f"{node.lineno}: {', '.join(names)}"
        elif isinstance(node, ast.Global):
            yield f"{node.lineno}: global"


def _broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds)


def _unexplained_handlers(source: str) -> Iterator[str]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _broad(node):
            same, before = lines[node.lineno - 1], lines[node.lineno - 2].strip()
            explained = "#" in same.replace("# noqa", "") or before.startswith("#")
            if not explained:
                yield f"{node.lineno}: {same.strip()}"


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= _MAX_FILE


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_functions_are_small(path: Path) -> None:
    sizes = ((f"{f.lineno}: {f.name}", body_lines(f)) for f in functions(path))
    assert not [f"{where} has {size} lines" for where, size in sizes if size > _MAX_BODY]


@pytest.mark.parametrize("path", _PACKAGE, ids=_name)
def test_modules_hold_no_mutable_state(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not list(_module_state(tree))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]


@pytest.mark.parametrize("path", _PACKAGE, ids=_name)
def test_broad_handlers_say_why(path: Path) -> None:
    assert not list(_unexplained_handlers(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("A = []", ["1: A"]),
        ("A: dict[str, int] = {}", ["1: A"]),
        ("A = collections.defaultdict(list)", ["1: A"]),
        ("__all__ = ['a']", []),
        ("A = (1, 2)\nB = frozenset({1})\nC = MappingProxyType({'a': 1})", []),
        ("def f():\n    a = []", []),
    ],
)
def test_the_budget_sees_mutable_state(source: str, found: list[str]) -> None:
    assert list(_module_state(ast.parse(source))) == found


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except ValueError:", []),
        ("except Exception:", ["3: except Exception:"]),
        ("except (OSError, Exception):", ["3: except (OSError, Exception):"]),
        ("except:", ["3: except:"]),
        ("except Exception:  # noqa", ["3: except Exception:  # noqa"]),
        ("except Exception:  # a plugin may raise anything", []),
        ("# a plugin may raise anything\nexcept Exception:", []),
    ],
)
def test_the_budget_sees_broad_handlers(handler: str, found: list[str]) -> None:
    assert list(_unexplained_handlers(f"try:\n    pass\n{handler}\n    pass")) == found


def test_no_two_modules_of_tests_have_one_name() -> None:
    """They are imported by their file's name alone, so that the second of two can't be collected beside the first."""
    names = Counter(path.name for path in _ROOT.glob("tests/**/*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize(
    ("value", "known", "holds"),
    [
        (3, {"bound": 3}, True),
        (4, {"bound": 3}, False),
        (4, {"bound": 3, "at_least": True}, True),
        (2, {"bound": 3, "at_least": True}, False),
        (99, {"bound": None}, True),
    ],
)
def test_a_figure_is_held_against_its_bound_or_only_told(value: float, known: dict[str, Any], holds: bool) -> None:
    assert Figure(name="n", value=value, **known).holds == holds


def test_sizes_are_those_of_the_worst_place() -> None:
    told = {each.name: each for each in figures_of_sizes("tests: ", [Path(__file__)], complexity=(8, None))}
    assert told["tests: lines of a file, largest"].value == len(Path(__file__).read_text(encoding="utf-8").splitlines())
    largest = told["tests: cyclomatic complexity, largest"]
    assert largest.bound is None and largest.worst[0].startswith("tests/test_budget.py:_module_state ")
    assert told["tests: lines of a function's body, largest"].bound == 40
