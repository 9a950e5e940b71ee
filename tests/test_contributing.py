"""CONTRIBUTING.md is true: its lists of files name what an existing example really touches, and the hooks run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "CONTRIBUTING.md"
_SECTIONS = _PAGE.read_text(encoding="utf-8").split("\n### ")[1:]
# What a list is about: sources, data and documentation. The two left out have to do with every addition.
_PARTS = ("tracer", "tests", "docs", "fixtures", "metrics", "plots", "params.yaml", "dvc.yaml", "dvc.lock", "README.md")
_LEFT_OUT = (Path(__file__), _ROOT / "docs" / "benchmarks.json")
_EDGE = r"(?<![\w-])", r"(?![\w-])"
_KINDS = ("save format", "known issue", "metric", "variant", "report format", "command")


def files() -> Iterator[Path]:
    for part in _PARTS:
        path = _ROOT / part
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


def mentions(path: Path, words: list[str]) -> bool:
    """Whether a file has one of the words in its name or its text; `h5` isn't a mention in `h5-weights`."""
    text = path.name if path.suffix in (".safetensors", ".png") else f"{path.name}\n{path.read_text(encoding='utf-8')}"
    return any(re.search(rf"{_EDGE[0]}{re.escape(word)}{_EDGE[1]}", text) for word in words)


def example(section: str) -> list[str]:
    (words,) = re.findall(r"<!-- held by tests/test_contributing\.py: the files that mention (.+?) -->", section)
    return re.findall(r"`([^`]+)`", words)


def listed(section: str) -> list[str]:
    """The first column of the section's table."""
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def title(section: str) -> str:
    return section.partition("\n")[0]


def test_there_is_a_list_for_each_kind_of_addition() -> None:
    assert [any(kind in title(section) for section in _SECTIONS) for kind in _KINDS] == [True] * len(_KINDS)


@pytest.mark.parametrize("section", [each for each in _SECTIONS if "a metric" not in title(each).lower()], ids=title)
def test_the_list_is_exactly_what_the_example_touches(section: str) -> None:
    words = example(section)
    found = {str(path.relative_to(_ROOT)) for path in files() if path not in _LEFT_OUT and mentions(path, words)}
    assert words and found == set(listed(section)), f"{title(section)}: {words}"


def test_every_path_that_the_page_names_exists() -> None:
    named = re.findall(r"`([\w.-]+/[\w./-]+|[\w-]+\.(?:py|toml|yaml|lock|md))`", _PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [path for path in named if not (_ROOT / path).exists()] == []


def test_where_to_find_names_files_that_exist() -> None:
    """The table of ARCHITECTURE.md has paths below `tracer/`."""
    page = (_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = page.partition("## Where to find")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:\w+/)*\w+\.(?:py|toml))`", table)
    assert len(named) > 20
    assert [
        path for path in named if not any((_ROOT / "tracer" / part / path).exists() for part in ("", "cli/commands"))
    ] == []


def test_every_save_format_is_where_the_list_says() -> None:
    from tracer.core.formats import FORMATS

    (section,) = [each for each in _SECTIONS if "save format" in title(each)]
    for name in FORMATS:
        missing = [path for path in listed(section) if path[:6] != "tests/" and not mentions(_ROOT / path, [name])]
        assert not missing, name


def test_every_command_is_in_the_readme() -> None:
    from typer.main import get_command

    from tracer.cli import app

    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"tracer {name}" not in readme] == []


# --- hooks

_FORMATTED = "def add(a: int, b: int) -> int:\n    return a + b\n"
_GOOD = f'"""A module."""\n\n\n{_FORMATTED}'.replace(":\n    return", ':\n    """The sum."""\n    return')


def hook(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="reads .pre-commit-config.yaml")
    (repository,) = yaml.safe_load((_ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    (found,) = [each for each in repository["hooks"] if each["id"] == name]
    assert found["language"] == "system"
    return found


def run_hook(name: str, project: Path, module: str) -> int:
    """The exit code of a hook's entry in a project with this repository's settings and one module."""
    found = hook(name)
    command, *arguments = shlex.split(found["entry"])
    tool = shutil.which(command, path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip(f"{command} isn't installed: pip install -e '.[dev]'")
    shutil.copy(_ROOT / "pyproject.toml", project)
    (project / "tracer").mkdir()
    path = project / "tracer" / "__init__.py"
    path.write_text(module, encoding="utf-8")
    given = [str(path.relative_to(project))] if found.get("pass_filenames", True) else []
    return subprocess.run([tool, *arguments, *given], cwd=project, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("name", "bad"),
    [("ruff-check", f"import os\n{_GOOD}"), ("mypy", _GOOD.replace("a + b", "str(a)"))],
)
def test_a_hook_accepts_good_code_and_refuses_bad_code(name: str, bad: str, tmp_path: Path) -> None:
    for module, expected in ((_GOOD, 0), (bad, 1)):
        project = tmp_path / str(expected)
        project.mkdir()
        assert run_hook(name, project, module) == expected


def test_the_format_hook_formats(tmp_path: Path) -> None:
    assert run_hook("ruff-format", tmp_path, _GOOD.replace("a + b", "a+b")) == 0
    assert (tmp_path / "tracer" / "__init__.py").read_text(encoding="utf-8") == _GOOD
