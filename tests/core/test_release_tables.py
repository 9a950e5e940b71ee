"""Tables of this package: a damaged one is an error that names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tracer.core.releases import read_table
from tracer.errors import TracerError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "package_with_tables"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder


def test_entries_come_in_the_order_of_the_table(package: Path) -> None:
    (package / "t.toml").write_text('[[thing]]\nid = "b"\n[[thing]]\nid = "a"\n')
    assert read_table(package.name, "t.toml", "thing", lambda entry: entry["id"]) == ("b", "a")


@pytest.mark.parametrize("text", ["[[thing]\n", '[[other]]\nid = "b"\n', '[[thing]]\nname = "b"\n'])
def test_a_damaged_table_is_named(package: Path, text: str) -> None:
    (package / "t.toml").write_text(text)
    with pytest.raises(TracerError, match=r"^t\.toml is damaged: .*Reinstall the package\.$"):
        read_table(package.name, "t.toml", "thing", lambda entry: entry["id"])
