"""`tracer.envs.registry`: which releases there are, from the answer that is remembered; nobody is asked here."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tracer.envs import registry
from tracer.envs.registry import Releases, is_final
from tracer.errors import WorkerError


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of Keras' releases, which was written a moment ago; asking the registry fails."""
    monkeypatch.setenv("TRACER_CACHE", str(tmp_path))

    def no_network(distribution: str, progress: Any) -> Releases:
        raise WorkerError(f"no network to ask for {distribution}.")

    monkeypatch.setattr(registry, "_ask", no_network)
    file = tmp_path / "releases" / "keras.json"
    file.parent.mkdir()
    keep(file, versions=["3.0.0", "3.9.0", "3.10.0", "3.11.0", "3.12.0rc1"], yanked=["3.11.0"])
    return file


def keep(file: Path, *, age: float = 0.0, **told: Any) -> None:
    file.write_text(json.dumps({"asked": time.time() - age, **told}), encoding="utf-8")


@pytest.mark.parametrize(
    ("version", "final"),
    [
        ("3.0.0", True),
        ("3.0", True),
        ("3.1.0.post1", True),
        ("3.2.0rc1", False),
        ("3.2.0.dev3", False),
        ("3.2a", False),
    ],
)
def test_what_is_final(version: str, final: bool) -> None:
    assert is_final(version) is final


def test_what_was_withdrawn_is_never_taken_and_what_is_not_final_only_when_wanted(remembered: Path) -> None:
    known = registry.releases("keras")
    assert known.usable() == ("3.0.0", "3.9.0", "3.10.0")
    assert known.usable(pre=True) == ("3.0.0", "3.9.0", "3.10.0", "3.12.0rc1")
    assert registry.newest("keras") == "3.10.0"  # 10 is after 9


def test_where_all_were_withdrawn_there_is_none(remembered: Path) -> None:
    keep(remembered, versions=["3.0.0"], yanked=["3.0.0"])
    with pytest.raises(WorkerError, match="the package registry has no release of keras for this Python"):
        registry.newest("keras")


def test_an_old_answer_serves_where_nobody_can_be_asked(remembered: Path) -> None:
    keep(remembered, age=1e7, versions=["3.0.0"], yanked=[])
    assert registry.newest("keras") == "3.0.0"
    assert registry.releases("keras", max_age=0.0).versions == ("3.0.0",)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"versions": ["3.0.0"]}', '{"versions": 3, "yanked": [], "asked": 1}',
             '{"versions": [], "yanked": [], "asked": "yesterday"}'],
)  # fmt: skip
def test_an_answer_that_is_damaged_is_asked_for_again(remembered: Path, text: str) -> None:
    remembered.write_text(text, encoding="utf-8")
    with pytest.raises(WorkerError, match="no network to ask for keras"):
        registry.releases("keras")


def test_what_was_asked_is_remembered(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered.unlink()
    asked: list[str] = []

    def ask(distribution: str, progress: Any) -> Releases:
        asked.append(distribution)
        return Releases(versions=("3.1.0", "3.2.0"), yanked=frozenset({"3.2.0"}), asked=time.time())

    monkeypatch.setattr(registry, "_ask", ask)
    assert registry.newest("keras") == registry.newest("keras") == "3.1.0"
    assert asked == ["keras"]
    assert json.loads(remembered.read_text(encoding="utf-8"))["yanked"] == ["3.2.0"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, []),
        ({"UV_DEFAULT_INDEX": "http://a/simple"}, ["--index-url", "http://a/simple"]),
        ({"UV_INDEX_URL": "http://b/simple"}, ["--index-url", "http://b/simple"]),
        ({"UV_DEFAULT_INDEX": "http://a/simple", "PIP_INDEX_URL": "http://c/simple"}, []),  # pip was told itself
    ],
)
def test_pip_asks_where_uv_was_told_to(
    variables: dict[str, str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert registry._index() == words


def test_an_answer_that_cannot_be_remembered_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACER_CACHE", str(tmp_path / "file" / "cache"))
    answer = Releases(versions=("3.1.0",), yanked=frozenset(), asked=0.0)
    monkeypatch.setattr(registry, "_ask", lambda distribution, progress: answer)
    assert registry.releases("keras") is answer
